"""Tools by the names a harness gives: built in, registered, from a package's entry point, or `FILE.py:NAME`."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path

from weigh.define.own_file import run_file
from weigh.execute.tools.tool import REGISTERED, Tool
from weigh.records.errors import DefinitionError, suggest

GROUP = "weigh.tools"

BUILT_IN: dict[str, str] = {
    "bash": "weigh.execute.tools.builtin",
    "read": "weigh.execute.tools.builtin",
    "write": "weigh.execute.tools.builtin",
    "edit": "weigh.execute.tools.builtin",
    "submit": "weigh.execute.tools.builtin",
    "python": "weigh.execute.tools.session",
    "search": "weigh.execute.tools.web",
    "fetch": "weigh.execute.tools.web",
}


def tool_names() -> list[str]:
    """Every tool that can be named, built-in ones first."""
    points = [e.name for e in importlib.metadata.entry_points(group=GROUP)]
    return list(dict.fromkeys([*BUILT_IN, *REGISTERED, *points]))


def find_tool(ref: str) -> Tool:
    """The tool of a name or of `FILE.py:NAME`.

    Raises:
        DefinitionError: There is none.
    """
    path, colon, name = ref.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(Path(path), name)
    if ref in REGISTERED:
        return REGISTERED[ref]
    if ref in BUILT_IN:
        found = getattr(importlib.import_module(BUILT_IN[ref]), ref)
    else:
        point = next((e for e in importlib.metadata.entry_points(group=GROUP) if e.name == ref), None)
        found = point.load() if point else None
    if not isinstance(found, Tool):
        names = tool_names()
        hint = suggest(ref, names) or f" (there are {', '.join(names)}; or FILE.py:NAME)"
        raise DefinitionError(f"there is no tool {ref!r}{hint}")
    return found


def _from_file(path: Path, name: str) -> Tool:
    if not path.is_file():
        raise DefinitionError(f"tool {name!r}: there is no file {path}")
    found = run_file(path, f"tool {name!r}")
    tools = {key: value for key, value in found.items() if isinstance(value, Tool)}
    tool = tools.get(name) or next((t for t in tools.values() if t.name == name), None)
    if tool is None:
        hint = suggest(name, tools) or f" (it has {', '.join(tools) or 'none'})"
        raise DefinitionError(f"{path} has no tool {name!r}{hint}; make one of a function with @tool")
    return tool
