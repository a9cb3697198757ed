"""transformers: declared in `declared.yaml`; the Skill is the revision's own where it ships one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from weigh.study.profile import Profile
from weigh.study.revisions import Revision
from weigh.study.sources import source_has
from weigh.study.spec import read_profile
from weigh.study.tiers import TierContent, source_skill

SKILLS = ("skills/transformers", ".agents/skills/transformers", ".claude/skills/transformers", "skills", "skill")
"""Folders of a revision's source in which its Skill is looked for, in this order."""


class Transformers(Profile):
    """The tier `skill` begins with the revision's own Skill; ours is for those that have none."""

    spec = read_profile(Path(__file__).with_name("declared.yaml"))

    async def tier(self, name: str, revision: Revision) -> TierContent:
        content = await super().tier(name, revision)
        if name == "skill":
            for folder in SKILLS:
                if await source_has(revision, f"{folder}/SKILL.md"):
                    own = await source_skill(revision, folder)
                    return msgspec.structs.replace(content, skills=(str(own),))
        return content
