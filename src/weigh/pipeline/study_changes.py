"""What a study's run remembers of the study, read back; and what else changed where two revisions are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weigh.records.run import Run
from weigh.store.layout import Store

GIVEN = ("skills", "instructions", "files")
"""What a tier puts before the agent besides the library itself, as it is recorded."""


def recorded_study(store: Store, run: Run) -> dict[str, Any]:
    """What the newest execution said of the study; empty for runs of before it was kept."""
    found = [i.plan["study"] for i in store.open(run.id).invocations() if "study" in i.plan]
    return dict(found[-1]) if found else {}


def change_together(about: Mapping[str, Any], axis: str, a: str, b: str) -> str | None:
    """The tiers that give agents something else at revision b than at a, in words; None where none is known to."""
    changed = [tier for tier in about.get("tiers", ()) if tier.get("varies") and _differs(tier, a, b)]
    if axis != "revision" or not changed:
        return None
    skills = all(tier.get("skills") for tier in changed)
    names = " and ".join(str(tier["name"]) for tier in changed)
    told = "the Skill" if skills else "what the agent is given"
    again = "Skill" if skills else "it"
    return f"{told} of tier {names} differs between the revisions: {again} and release change together there"


def _differs(tier: Mapping[str, Any], a: str, b: str) -> bool:
    """Whether it does between the two. Runs of before the texts of every revision were kept know only that some do."""
    texts = {one["revision"]: {name: one.get(name) for name in GIVEN} for one in tier.get("revisions", ())}
    return a not in texts or b not in texts or texts[a] != texts[b]
