"""What an adapter of an agent says, and what it is told: values and one protocol.

An adapter knows one agent program: which package it is, its command line, its variables and configuration files, where
it keeps its session, and what its event stream means. It never runs anything; `execute/scaffolds/agent.py` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from weigh.define.skill import Skill
from weigh.execute.agents.reader import Reader
from weigh.records.errors import DefinitionError, suggest

SKILLS = "skills"
"""Where skills are, below the home folder, for agents without a place of their own."""

WAYS = ("offered", "loaded")
"""How a model gets Skills."""


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """An agent program that is ready on this machine.

    Attributes:
        name, version: Of the agent.
        path: Its folder: an npm prefix, or a virtual environment.
        packages: All that is installed there, `name==version`.
        node: The interpreter of a program that is JavaScript; None for others.
    """

    name: str
    version: str
    path: str
    packages: tuple[str, ...] = ()
    node: str | None = None


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What one trial asks of an agent.

    Attributes:
        prompt: The question.
        instructions: Text for its context besides its own.
        skills: Those that the agent may read when it sees fit. Inside, `skill_links` is where they are.
        loaded: Those whose text is put before the agent from the start.
        model: The model's name as the gateway gives it.
        url: The trial's address of the gateway for OpenAI clients, as seen inside.
        token: The trial's key for it.
        home, workspace: Absolute paths inside.
        max_tokens: The most tokens of one answer.
        context_window: How many tokens the model can see.
    """

    prompt: str
    instructions: str = ""
    skills: tuple[Skill, ...] = ()
    loaded: tuple[Skill, ...] = ()
    model: str
    url: str
    token: str
    home: str
    workspace: str
    max_tokens: int
    context_window: int


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent is started.

    Attributes:
        command: The words; the token is in none of them.
        env: Variables; may hold the token.
        files: Text by path below the home folder; may hold the token.
        links: Links to make there: path below the home folder -> target.
        stdin: What the program reads; it is closed where empty.
    """

    command: tuple[str, ...]
    env: dict[str, str] = {}
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    stdin: str = ""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent program.

    Attributes:
        name: As a scaffold and harness.
        version: The version that is installed unless another is asked for.
        kind: Where its package comes from.
        package: Its name there.
        extra_packages: What it needs besides, with versions.
        launch: How it is started.
        reader: Makes what reads its event stream.
        session: Where it keeps its session: a pattern of its absolute path. A SQLite database (`.db`) is kept as one
            JSON object a row.
        session_name: Name of the artifact that becomes of it.
        skills: How it is given skills and instructions, in words for the docs and `weigh ls agents`.
        loads_skills: Whether `launch` sees to `Assignment.loaded`; where it does not, their text is put into the
            instructions.
        node: The oldest major version of node it runs on.
        about: What it is, in a few words.
    """

    name: str
    version: str
    kind: Literal["npm", "pip"]
    package: str
    extra_packages: tuple[str, ...] = ()
    launch: Callable[[Installation, Assignment], Launch]
    reader: Callable[[], Reader]
    session: str
    session_name: str = "session.jsonl"
    skills: str
    loads_skills: bool = False
    node: int = 20
    about: str = ""


class AgentModule(Protocol):
    """A module of an adapter."""

    AGENT: Agent


def check_way(skills: str) -> str:
    """See that Skills are given in one of the ways there are.

    Raises:
        DefinitionError: It is none, with the closest one.
    """
    if skills not in WAYS:
        raise DefinitionError(f"scaffold option skills={skills}: {' or '.join(WAYS)}{suggest(skills, WAYS)}")
    return skills


def skill_links(skills: Sequence[Skill], below: str = SKILLS) -> dict[str, str]:
    """Links that put skills below the home folder, so that an agent sees no path of the user's machine: path below the
    home folder -> the skill's folder."""
    return {f"{below}/{skill.name}": skill.folder for skill in skills}


def skills_offered(skills: Sequence[Skill], home: str) -> str:
    """What an agent without skills of its own is told: each skill's description and where to read it."""
    if not skills:
        return ""
    lines = [f"- {home}/{SKILLS}/{skill.name}/SKILL.md: {skill.description}" for skill in skills]
    return "\n".join(
        ["Skills are instructions for special tasks. Read the file of one whose description fits:", *lines]
    )


def skills_loaded(skills: Sequence[Skill], home: str) -> str:
    """The whole text of skills, for an agent that has no way of its own to load one unasked."""
    return "\n\n".join(
        f'<skill name="{skill.name}" location="{home}/{SKILLS}/{skill.name}/SKILL.md">\n{skill.body}\n</skill>'
        for skill in skills
    )
