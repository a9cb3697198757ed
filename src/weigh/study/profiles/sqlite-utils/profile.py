"""sqlite-utils: asks CSV, JSON and SQLite files questions, from the shell or from Python.

Release 3.10 brought `sqlite-utils memory`, which answers in one command what took two before, and finds out by itself
which columns are numbers. What is declared is in `declared.yaml`; here is only that each revision has its own Skill.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from weigh.study.profile import Profile
from weigh.study.revisions import Revision
from weigh.study.spec import read_profile
from weigh.study.tiers import TierContent

HERE = Path(__file__).parent


class SqliteUtils(Profile):
    """The Skill is the one that fits the revision; everything else is declared."""

    spec = read_profile(HERE / "declared.yaml")

    async def tier(self, name: str, revision: Revision) -> TierContent:
        content = await super().tier(name, revision)
        if name != "skill" or has_memory(revision):
            return content
        return msgspec.structs.replace(content, skills=(str(HERE / "skills" / "insert" / "sqlite-utils"),))


def has_memory(revision: Revision) -> bool:
    """Whether a revision has `sqlite-utils memory`; one without a version number (a commit, a folder) counts as new."""
    number = re.fullmatch(r"v?(\d+)\.(\d+)(?:\D.*|\.\d+.*)?", revision.name)
    return number is None or (int(number[1]), int(number[2])) >= (3, 10)
