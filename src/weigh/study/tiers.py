"""Tiers: how much help an agent gets. `bare`, `clone` and `skill` are built in; one's own are a few lines.

| tier | the agent finds |
|---|---|
| `bare` | the library installed, an empty workspace |
| `clone` | the library installed, its source at that revision as the working folder |
| `skill` | the library installed, an empty workspace, a Skill in its context |

They are not nested: the Skill is no part of the clone unless the revision has it in its source.
"""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.skill import Skill, read_skill
from weigh.records.digest import digest, digest_bytes
from weigh.records.errors import CapabilityError, DefinitionError, suggest
from weigh.study.files import read_files, refuse_way_out
from weigh.study.load import load_object, users_code
from weigh.study.revisions import Revision
from weigh.study.sources import fetch_source, source_has
from weigh.study.spec import SkillSpec, TierSpec

BUILT_IN: dict[str, TierSpec] = {
    "bare": TierSpec(description="installed, nothing else"),
    "clone": TierSpec(description="its source at that revision as the working folder", base="clone"),
    "skill": TierSpec(description="a Skill in the agent's context"),
}


class TierContent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tier puts before an agent, for one revision.

    Attributes:
        clone: Whether the working folder is the revision's source.
        files: Put into the workspace, by relative path.
        instructions: Added to the agent's context.
        skills: Folders with a SKILL.md.
        env: Variables set inside.
    """

    clone: bool = False
    files: dict[str, bytes] = {}
    instructions: str = ""
    skills: tuple[str, ...] = ()
    env: dict[str, str] = {}

    def digest(self) -> str:
        """Of the content, wherever its folders lie."""
        return digest(
            [
                self.clone,
                {path: digest_bytes(data) for path, data in self.files.items()},
                self.instructions,
                [[s.name, s.digest] for s in self.read_skills()],
                self.env,
            ]
        )

    def read_skills(self) -> list[Skill]:
        """Its Skills, read and checked."""
        return [read_skill(Path(folder)) for folder in self.skills]


class TierContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a tier's function is given.

    Attributes:
        revision: The revision.
        base: The profile's folder.
        spec: What the profile says of the tier.
    """

    revision: Revision
    base: Path
    spec: TierSpec

    async def source(self) -> Path:
        """The revision's source, fetched when it is first asked for."""
        return await fetch_source(self.revision)


TierFunction = Callable[[TierContext], Any]
"""Gives `TierContent`, or None where the revision does not have the tier; may be asynchronous, and is called several
times for a revision."""


async def why_not(tier: TierSpec, skill: SkillSpec | None, name: str, revision: Revision, base: Path) -> str | None:
    """Why a revision does not have a tier, in words; None when it has."""
    if tier.revisions and not any(fnmatch.fnmatchcase(revision.name, glob) for glob in tier.revisions):
        return f"the tier is for revisions {', '.join(tier.revisions)} only"
    if name == "skill" and skill is None:
        return "the profile has no Skill"
    wanted = (skill,) if name == "skill" and skill is not None else tier.skills
    for one in wanted:
        if one.folder is None and one.source is not None and not await source_has(revision, f"{one.source}/SKILL.md"):
            return f"there is no Skill at {one.source} in this revision"
    for path in tier.source.values():
        if not await source_has(revision, path):
            return f"there is no {path} in this revision"
    if tier.function is not None and await _called(name, tier, revision, base) is None:
        return f"{tier.function} gives nothing for it"
    return None


async def tier_content(
    name: str, tier: TierSpec, skill: SkillSpec | None, revision: Revision, base: Path
) -> TierContent:
    """What a tier puts before an agent for a revision that has it.

    Raises:
        DefinitionError: A file, a Skill or the tier's function is not there, or is wrong.
        CapabilityError: The revision's source cannot be had.
    """
    where = f"tier {name!r}"
    if tier.function is not None:
        made = await _called(name, tier, revision, base)
        if made is None:
            raise CapabilityError(f"{where}: {tier.function} gives nothing for revision {revision.name}")
        return made
    wanted = (skill,) if name == "skill" and skill is not None else tier.skills
    folders = [await _skill_folder(one, revision, base) for one in wanted]
    files = read_files(tier.files, base, where)
    if tier.source:
        source = await fetch_source(revision)
        files |= read_files(tier.source, source, f"{where}: revision {revision.name}", foreign=True)
    instructions = tier.instructions
    if tier.instructions_file is not None:
        file = base / tier.instructions_file
        if not file.is_file():
            raise DefinitionError(f"{where}: instructions_file: there is no {file}")
        instructions = "\n\n".join(part for part in (instructions, file.read_text(encoding="utf-8")) if part)
    content = TierContent(
        clone=tier.base == "clone",
        files=files,
        instructions=instructions.strip(),
        skills=tuple(str(folder) for folder in folders),
        env=dict(tier.env),
    )
    content.read_skills()
    return content


def check_tiers(names: Collection[str], wanted: tuple[str, ...], where: str) -> None:
    """Refuse tiers that the profile does not have, all at once, with the closest ones."""
    unknown = [name for name in wanted if name not in names]
    if unknown:
        shown = ", ".join(repr(name) + suggest(name, names, limit=1) for name in unknown)
        raise DefinitionError(f"{where}: tiers: there is no tier {shown} (there are {', '.join(names)})")


async def _skill_folder(one: SkillSpec, revision: Revision, base: Path) -> Path:
    if one.source is not None and await source_has(revision, f"{one.source}/SKILL.md"):
        return await source_skill(revision, one.source)
    if one.folder is None:
        raise DefinitionError("a skill says `source` (in the revision) or `folder` (beside the profile)")
    return (base / one.folder).resolve()


async def source_skill(revision: Revision, folder: str) -> Path:
    """The folder of a Skill in a revision's source.

    Raises:
        DefinitionError: A link in it leads out of the source.
    """
    source = await fetch_source(revision)
    for path in (source / folder, *(source / folder).rglob("*")):
        refuse_way_out(path, source, f"skill: revision {revision.name}")
    return source / folder


async def _called(name: str, tier: TierSpec, revision: Revision, base: Path) -> TierContent | None:
    ref = tier.function or ""
    function = load_object(ref, base, f"tier {name!r}: function")
    with users_code((base / Path(ref.rpartition(":")[0]).expanduser()).resolve(), f"tier {name!r}", direct=True):
        made = function(TierContext(revision=revision, base=base, spec=tier))
        if inspect.isawaitable(made):
            made = await made
    if made is not None and not isinstance(made, TierContent):
        raise DefinitionError(f"tier {name!r}: {ref} gave {type(made).__name__}, not TierContent or None")
    return made
