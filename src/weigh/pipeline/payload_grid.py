"""The finite grid over which a report's inference is computed, and blocks of it kept once where they are equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from weigh.pipeline.questions import Errors
from weigh.records.plain import plain
from weigh.records.wish import Wish

LEVELS = (0.9, 0.95, 0.99)
ERRORS: tuple[Errors, ...] = ("exclude", "zero")


class Lens(msgspec.Struct, frozen=True, kw_only=True):
    """One way to look: the level of intervals (tests use 1 - level) and how failed trials count."""

    level: float
    errors: Errors

    @property
    def key(self) -> str:
        """Its name in the payload."""
        return f"{self.level:g}|{self.errors}"

    @property
    def alpha(self) -> float:
        """Of tests; rounded, so that 1 - 0.9 is 0.1."""
        return round(1 - self.level, 10)


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """What is computed of comparisons: everything, or what somebody looks at while a run goes on.

    Attributes:
        failed: Whether any trial failed; without, it does not matter how failed ones count.
        levels, errors: Of the lenses.
        metrics: Names (empty for each task's first); None for all.
        shared: Whether also for the questions that all arms have.
        splits: Metadata fields and markers to split by; None for all.
    """

    failed: bool
    levels: tuple[float, ...] = LEVELS
    errors: tuple[Errors, ...] = ERRORS
    metrics: frozenset[str] | None = None
    shared: bool = True
    splits: frozenset[str] | None = None

    def lenses(self, matters: bool = True) -> Iterator[tuple[Lens, Lens]]:
        """Every lens with the one whose numbers it has.

        Args:
            matters: Whether it matters for these numbers how failed trials count (for costs it does not).
        """
        for level in self.levels:
            for errors in self.errors:
                made = Lens(level=level, errors=errors)
                yield made, made if self.failed and matters else Lens(level=level, errors="exclude")

    def has_metric(self, name: str | None) -> bool:
        """Whether arms are compared by a metric (None for each task's first)."""
        return self.metrics is None or (name or "") in self.metrics

    def has_split(self, name: str) -> bool:
        """Whether comparisons are split by a field or marker."""
        return self.splits is None or name in self.splits


def grid_of(failed: bool, wishes: Sequence[Wish] | None) -> Grid:
    """The grid that fulfils some wishes; all of it for None."""
    if wishes is None:
        return Grid(failed=failed)
    return Grid(
        failed=failed,
        levels=tuple(level for level in LEVELS if any(w.level == f"{level:g}" for w in wishes)),
        errors=tuple(errors for errors in ERRORS if any(w.errors == errors for w in wishes)),
        metrics=frozenset(w.metric for w in wishes),
        shared=any(w.shared for w in wishes),
        splits=frozenset(w.by for w in wishes),
    )


class Blocks:
    """Values kept once: `add` gives the place of an equal one."""

    def __init__(self) -> None:
        self.kept: list[msgspec.Raw] = []
        self._places: dict[bytes, int] = {}
        self._encode = msgspec.json.Encoder(enc_hook=plain).encode

    def add(self, value: Any) -> int:
        """The place of the value among the blocks."""
        data = self._encode(value)
        place = self._places.get(data)
        if place is None:
            place = self._places[data] = len(self.kept)
            self.kept.append(msgspec.Raw(data))
        return place

    def read(self, place: int) -> Any:
        """The value at a place, as the page will see it."""
        return msgspec.json.decode(self.kept[place])
