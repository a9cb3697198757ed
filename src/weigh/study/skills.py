"""Skills as copies in the cache, named by their content: what a study was planned with is what every trial reads,
whatever happens to the folder meanwhile."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path

from weigh.define.skill import Skill, read_skill, skill_files
from weigh.records.errors import DefinitionError
from weigh.study.cache import locked, studies_dir
from weigh.study.holds import users_of


async def frozen_skill(folder: Path) -> Path:
    """The copy of a Skill, made if it is not there.

    Raises:
        DefinitionError: It is no Skill.
    """
    skill = await asyncio.to_thread(read_skill, folder)
    target = _place(skill)
    if await asyncio.to_thread(_is, target, skill.digest):
        return target
    work = studies_dir("skills", f".{secrets.token_hex(6)}")
    try:
        await asyncio.to_thread(_copy, folder, work)
        skill = await asyncio.to_thread(read_skill, work)  # what was copied, should the folder just have changed
        target = _place(skill)
        async with locked(target):
            if not await asyncio.to_thread(_is, target, skill.digest):
                await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
                work.rename(target)
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    return target


def frozen_skills(names: set[str] | None = None) -> list[Path]:
    """The copies of Skills of these names, or of all."""
    folder = studies_dir("skills")
    found = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")) if folder.is_dir() else []
    return [p for p in found if names is None or p.name.rpartition("-")[0] in names]


async def remove_skill(path: Path) -> list[str]:
    """Remove a copy; or say who uses it, and leave it."""
    async with locked(path):
        users = users_of(path)
        if not users:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        return users


def _place(skill: Skill) -> Path:
    return studies_dir("skills", f"{skill.name}-{skill.digest[:16]}")


def _is(folder: Path, digest: str) -> bool:
    """Whether a folder is a Skill with this content."""
    if not folder.is_dir():
        return False
    try:
        return read_skill(folder).digest == digest
    except DefinitionError:
        return False


def _copy(folder: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for file in skill_files(folder):
        place = target / file.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            place.symlink_to(file.readlink())
        else:
            shutil.copy2(file, place)
