"""What a trial's sandbox starts with, as a value: files, folders, variables, and what the agent is told."""

from __future__ import annotations

from typing import Literal

import msgspec


class Workspace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a trial's sandbox starts with. Made by a study from a revision and a tier; any run may have one.

    Attributes:
        digest: Resolved identity of all the rest (a commit, a version, the content of files); part of the generation
            key.
        folder: A folder of this machine whose content is copied into the workspace.
        files: Small files written into it after that, by relative path.
        readonly: Folders of this machine that are visible, read-only, at the same place.
        env: Variables set inside.
        path: Folders in front of the program search path.
        skills: Folders of this machine, each with a `SKILL.md`; an agent is given them its own way.
        instructions: Text added to the agent's context, its own way.
        whole: Files of this machine that are there, and stay as they are, as long as those folders are whole: a trial
            during which one of them goes or changes has failed.
        network: `gateway`: nothing but the model is reachable; `open`: as this machine.
    """

    digest: str
    folder: str | None = None
    files: dict[str, bytes] = {}
    readonly: tuple[str, ...] = ()
    env: dict[str, str] = {}
    path: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    instructions: str = ""
    whole: tuple[str, ...] = ()
    network: Literal["gateway", "open"] = "gateway"
