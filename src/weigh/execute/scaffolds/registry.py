"""Scaffolds by name, imported only when they are asked for; one of your own is `FILE.py:CLASS`, or a package's
entry point."""

from __future__ import annotations

import importlib
import importlib.metadata
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    try:
        scaffold: Scaffold = factory(**(options or {}))
    except TypeError as error:
        raise DefinitionError(f"scaffold '{name}': {error}") from None
    return scaffold


def _from_file(ref: str) -> Any:
    path, _, attribute = ref.rpartition(":")
    if not Path(path).is_file():
        raise DefinitionError(f"scaffold '{ref}': there is no file {path}")
    found = runpy.run_path(path)
    if not callable(found.get(attribute)):
        classes = [name for name, value in found.items() if isinstance(value, type)]
        raise DefinitionError(f"scaffold '{ref}': {path} has no class {attribute!r}{suggest(attribute, classes)}")
    return found[attribute]
