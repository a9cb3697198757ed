"""What a model was given besides the question: system prompt, context, Skills, instructions, tools.

A scaffold records it once a trial: short facts in `metadata["given"]`, and the texts as artifacts whose names begin
with `given/`. They are no steps: nobody did them, so no count, position or marker knows of them. Trials of an arm are
given the same texts, and the store keeps each one once a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from weigh.records.actions import known_tools
from weigh.records.trajectory import Trajectory

PREFIX = "given/"
"""How the artifacts' names begin."""
SYSTEM = "system.txt"
"""The system messages of an agent program's first request."""
CONTEXT = "context.txt"
"""What an agent program put around the question, with `QUESTION` where the question stood."""
QUESTION = "[the question]"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """See above.

    Attributes:
        agent: Name and version of the agent program; empty without one.
        skills: Name of a Skill -> how the model got it, `offered` or `loaded`.
        instructions: Those of the workspace.
        tools: Names of the tools the model was offered.
        withheld: Whether they were left out, as the model cannot call any.
        texts: Name of a text, without the prefix -> its bytes.
    """

    agent: str = ""
    skills: dict[str, str] = {}
    instructions: str = ""
    tools: tuple[str, ...] = ()
    withheld: bool = False
    texts: dict[str, int] = {}


def given_of(recorded: Any) -> Given:
    """What stands in `metadata["given"]`: empty fields where nothing does, or what somebody else put there."""
    facts = recorded if isinstance(recorded, Mapping) else {}
    skills, texts, told = facts.get("skills"), facts.get("texts"), facts.get("instructions")
    return Given(
        skills=dict(skills) if isinstance(skills, Mapping) else {},
        instructions=told if isinstance(told, str) else "",
        texts=dict(texts) if isinstance(texts, Mapping) else {},
    )


def all_given(trajectory: Trajectory) -> Given:
    """What was recorded of a trial, with its tools and its agent program."""
    agent = trajectory.metadata.get("agent")
    told = agent if isinstance(agent, Mapping) else {}
    return msgspec.structs.replace(
        given_of(trajectory.metadata.get("given")),
        agent=f"{told.get('name', '')} {told.get('version', '')}".strip(),
        tools=tuple(sorted(known_tools(trajectory) or ())),
        withheld=bool(told.get("tools_withheld")),
    )
