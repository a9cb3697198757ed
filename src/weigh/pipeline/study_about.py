"""What a study's run remembers of the study: its file, and what each tier put before the agent. For readers of the
results; nothing is planned or compared by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.skill import read_skill
from weigh.define.study import Study
from weigh.pipeline.provenance import redact_text
from weigh.records.secrets import names_a_secret
from weigh.records.workspace import Workspace
from weigh.study.profile import Profile

MOST = 20_000
"""Characters of a Skill or of instructions that are kept."""
OWN = ("base", "file", "store")
"""Fields of a study that say where it lies on this machine."""


def study_about(study: Study, profile: Profile, given: Sequence[tuple[str, str, Workspace]]) -> dict[str, Any]:
    """The study as plain values, secrets replaced.

    Args:
        given: Each revision with each of its tiers, and what a trial of the two starts with.
    """
    config = {key: value for key, value in msgspec.to_builtins(study).items() if key not in OWN}
    known = profile.tiers()
    return {
        "file": _hidden(config),
        "profile": {"name": profile.name, "description": profile.declared.description},
        "compare": [msgspec.to_builtins(one) for one in study.compare],
        "tiers": [
            _tier(name, known[name].description, {rev: space for rev, tier, space in given if tier == name})
            for name in study.tiers
        ],
    }


def _tier(name: str, description: str, spaces: Mapping[str, Workspace]) -> dict[str, Any]:
    """A tier as its first revision has it; where the content is another one for others it `varies`, and `revisions`
    holds that of each."""
    made: dict[str, Any] = {"name": name, "description": description}
    told = {revision: _content(space) for revision, space in spaces.items()}
    first = next(iter(told.values()), {})
    made |= first
    if any(one != first for one in told.values()):
        made |= {"varies": True, "revisions": [{"revision": revision, **one} for revision, one in told.items()]}
    return made


def _content(space: Workspace) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if space.folder is not None:
        made["clone"] = True
    if space.files:
        made["files"] = sorted(space.files)
    if space.instructions:
        made["instructions"] = redact_text(space.instructions[:MOST])
    if space.skills:
        skills = [read_skill(Path(folder)) for folder in space.skills]
        made["skills"] = [
            {"name": s.name, "description": s.description, "body": redact_text(s.body[:MOST]), "digest": s.digest}
            for s in skills
        ]
    return made


def _hidden(value: Any, name: str = "") -> Any:
    """Plain values without what looks like a secret, by the name of its key or by its shape."""
    if isinstance(value, dict):
        return {key: _hidden(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(one, name) for one in value]
    if isinstance(value, str):
        return "***" if value and names_a_secret(name) else redact_text(value)
    return value
