"""What trials were given besides the question, for a report: each text once, and the way each arm got its Skills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from weigh.pipeline.report_source import Source
from weigh.records.given import PREFIX, given_of
from weigh.store.artifacts import read_common
from weigh.store.layout import RunFolder


class GivenMetadata(msgspec.Struct, frozen=True):
    """The part of a trajectory's metadata that is read; a scaffold of one's own may put anything there."""

    given: Any = None


class GivenTexts:
    """Gathers, trial by trial.

    Attributes:
        skills: Place of an arm -> name of a Skill -> the way it got it.
    """

    def __init__(self) -> None:
        self.skills: dict[int, dict[str, str]] = {}
        self._references: dict[str, str] = {}

    def add(self, arm: int, metadata: GivenMetadata, artifacts: Mapping[str, str]) -> None:
        """Take in a trial.

        Args:
            artifacts: Those of a trial whose record is part of the report; empty for others.
        """
        if skills := given_of(metadata.given).skills:
            self.skills.setdefault(arm, {}).update(skills)
        for name, reference in artifacts.items():
            if name.startswith(PREFIX):
                self._references[reference.rpartition("/")[2]] = reference

    def records(self, folder: RunFolder) -> Iterator[tuple[str, str]]:
        """Each text by its digest, as a JSON record beside those of trials; one that the store has lost is left out.

        Args:
            folder: Any run of the store.
        """
        for key, reference in self._references.items():
            text = read_common(folder, reference)
            if text is not None:
                yield key, msgspec.json.encode({"id": key, "given": text}).decode()


def skill_ways(
    source: Source, skills: Mapping[int, Mapping[str, str]], tier: str
) -> dict[str, dict[str, Sequence[str]]]:
    """How a tier's Skills were given: name of the Skill -> way -> the agents that gave it so."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for arm, member in enumerate(source.members):
        if str(member.axis("tier")) == tier:
            agent: Any = member.axis("agent") or member.axis("harness") or member.arm.id
            for name, way in skills.get(arm, {}).items():
                found.setdefault(name, {}).setdefault(way, {})[str(agent)] = None
    return {name: {way: list(agents) for way, agents in ways.items()} for name, ways in found.items()}
