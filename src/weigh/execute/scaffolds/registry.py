"""Scaffolds by name, imported only when they are asked for; one of your own is `FILE.py:CLASS`, or a package's
entry point."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weigh.define.own_file import run_file
from weigh.protocols import Scaffold
from weigh.records.errors import CapabilityError, DefinitionError, suggest

GROUP = "weigh.scaffolds"

_BUILT_IN: dict[str, tuple[str, str]] = {
    "single_turn": ("weigh.execute.scaffolds.single_turn", "SingleTurn"),
    "tool_loop": ("weigh.execute.scaffolds.tool_loop", "ToolLoop"),
    "user_sim": ("weigh.execute.scaffolds.user_sim", "UserSim"),
    "generate_then_revise": ("weigh.execute.scaffolds.generate_then_revise", "GenerateThenRevise"),
    "openai_agents": ("weigh.execute.scaffolds.openai_agents", "OpenAIAgents"),
    "pi": ("weigh.execute.scaffolds.agent", "Pi"),
    "opencode": ("weigh.execute.scaffolds.agent", "OpenCode"),
    "qwen_code": ("weigh.execute.scaffolds.agent", "QwenCode"),
    "mini_swe_agent": ("weigh.execute.scaffolds.agent", "MiniSweAgent"),
}

_EXTRAS = {"openai_agents": "openai-agents"}
"""Scaffolds over a package that is not always there, and what to install."""


def scaffold_names() -> list[str]:
    """Every scaffold's name, built-in ones first."""
    return [*_BUILT_IN, *(e.name for e in importlib.metadata.entry_points(group=GROUP) if e.name not in _BUILT_IN)]


def make_scaffold(name: str, options: Mapping[str, Any] | None = None) -> Scaffold:
    """Make a scaffold. Raises `DefinitionError` for an unknown name or an option it does not have,
    `CapabilityError` where a package is missing."""
    factory: Any = None
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name]
        try:
            factory = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if name not in _EXTRAS or (missing.name or "").startswith("weigh"):
                raise
            how = f"pip install 'weigh[{_EXTRAS[name]}]'"
            raise CapabilityError(f"scaffold '{name}': the package {missing.name} is not installed: {how}") from None
    elif ".py:" in name:
        factory = _from_file(name)
    else:
        for point in importlib.metadata.entry_points(group=GROUP):
            if point.name == name:
                factory = point.load()
    if factory is None:
        raise DefinitionError(f"there is no scaffold '{name}'{suggest(name, scaffold_names())}")
    given, known = dict(options or {}), _options_of(factory)
    unknown = [key for key in given if known is not None and key not in known]
    if unknown:
        hint = suggest(unknown[0], known or ()) or f"; it has {', '.join(known or ()) or 'none'}"
        raise DefinitionError(f"scaffold '{name}': there is no option {unknown[0]!r}{hint}")
    try:
        scaffold: Scaffold = factory(**given)
    except TypeError as error:
        raise DefinitionError(f"scaffold '{name}': {error}") from None
    return scaffold


def _options_of(factory: Any) -> list[str] | None:
    """The names of the options that a scaffold takes; None where it takes any.

    A class that passes on what it does not know (`**options`) has those of the class it stands on.
    """
    classes = factory.__mro__ if isinstance(factory, type) else ()
    makers = [vars(c)["__init__"] for c in classes if "__init__" in vars(c) and c is not object]
    names: list[str] = []
    for maker in makers or ([] if classes else [factory]):
        parameters = list(inspect.signature(maker).parameters.values())[1 if makers else 0 :]
        names += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return None if makers or not classes else names


def _from_file(ref: str) -> Any:
    path, _, attribute = ref.rpartition(":")
    if not Path(path).is_file():
        raise DefinitionError(f"scaffold '{ref}': there is no file {path}")
    found = run_file(Path(path), f"scaffold '{ref}'")
    if not callable(found.get(attribute)):
        classes = [name for name, value in found.items() if isinstance(value, type)]
        raise DefinitionError(f"scaffold '{ref}': {path} has no class {attribute!r}{suggest(attribute, classes)}")
    return found[attribute]
