"""Skills: a folder with a SKILL.md, whose front matter says what it is for, and whatever files it refers to.

An agent is shown name and description and reads the rest when it needs it, each agent its own way; or it is given all
of it at once.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import yaml

from weigh.records.digest import digest, digest_file
from weigh.records.errors import DefinitionError

_FRONT = re.compile(r"\A---\s*\n(?P<head>.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """A Skill.

    Attributes:
        name: From its front matter.
        description: When to use it, for the agent.
        text: SKILL.md as it is.
        body: What it says after the front matter.
        folder: Where it is.
        digest: Of all its files.
    """

    name: str
    description: str
    text: str
    body: str
    folder: str
    digest: str


def read_skill(folder: Path) -> Skill:
    """Read and check a Skill.

    Raises:
        DefinitionError: There is no SKILL.md, or its front matter lacks name or description.
    """
    file = folder / "SKILL.md"
    if not file.is_file():
        raise DefinitionError(f"skill {folder}: there is no SKILL.md in it")
    text = file.read_text(encoding="utf-8")
    front = _FRONT.match(text)
    if front is None:
        raise DefinitionError(f"{file}: no front matter; it begins with lines of name: and description: between ---")
    try:
        head = yaml.safe_load(front["head"])
    except yaml.YAMLError as error:
        raise DefinitionError(f"{file}: front matter: {str(error).splitlines()[0]}") from None
    if not isinstance(head, dict):
        raise DefinitionError(f"{file}: front matter: expected name and description")
    for key in ("name", "description"):
        if not isinstance(head.get(key), str) or not head[key].strip():
            raise DefinitionError(f"{file}: front matter has no {key}")
    name = head["name"].strip()
    if not _NAME.fullmatch(name) or len(name) > 64:
        raise DefinitionError(f"{file}: name {name!r}: small letters, digits and single hyphens only, 64 at most")
    return Skill(
        name=name,
        description=" ".join(head["description"].split()),
        text=text,
        body=text[front.end() :].strip(),
        folder=str(folder.resolve()),
        digest=digest(sorted((str(f.relative_to(folder)), _content(f)) for f in skill_files(folder))),
    )


class SkillReader:
    """Reads Skills once, for what asks for the same ones in every trial."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, ...], tuple[Skill, ...]] = {}

    def read(self, folders: tuple[str, ...]) -> tuple[Skill, ...]:
        """The Skills in these folders. Raises as `read_skill`."""
        if folders not in self._read:
            self._read[folders] = tuple(read_skill(Path(folder)) for folder in folders)
        return self._read[folders]


def skill_files(folder: Path) -> list[Path]:
    """What belongs to a Skill: its files, and links to folders as links."""
    found = []
    for where, names, files in os.walk(folder):
        names[:] = [n for n in names if n not in ("__pycache__", ".git")]
        found += [Path(where) / f for f in files if not f.endswith(".pyc")]
        found += [path for n in names if (path := Path(where) / n).is_symlink()]
    return found


def _content(file: Path) -> str:
    return f"-> {file.readlink()}" if file.is_dir() else digest_file(file)
