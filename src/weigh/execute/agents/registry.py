"""Agents by name, imported only when they are asked for."""

from __future__ import annotations

import importlib

from weigh.execute.agents.agent import Agent
from weigh.records.errors import DefinitionError, suggest

NAMES = ("pi", "opencode", "qwen_code", "mini_swe_agent")


def agent_by_name(name: str) -> Agent:
    """The adapter of an agent. Raises `DefinitionError` for an unknown name."""
    known = name.replace("-", "_")
    if known not in NAMES:
        raise DefinitionError(f"there is no agent '{name}'{suggest(name, NAMES)} (weigh ls agents lists them)")
    agent: Agent = importlib.import_module(f"weigh.execute.agents.{known}").AGENT
    return agent
