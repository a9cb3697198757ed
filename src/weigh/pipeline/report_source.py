"""What a report is about: the arms that were named, what they can be compared as, and their trials, read once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import msgspec
import numpy as np

from weigh.pipeline.axis import UNORDERED, order_axis, trend_members
from weigh.pipeline.sides import Member, Side
from weigh.records.errors import StoreError
from weigh.records.run import Run
from weigh.store.columns import MEASURES
from weigh.store.dataset import Dataset, Values
from weigh.store.layout import Store

NOTHING = Values(**{name: np.zeros(0, dtype=float if name == "value" else object) for name in Values.__struct_fields__})


class CachedDataset(Dataset):
    """A data set that reads each scorer and measure once, for all arms and tasks together, and remembers it: a report
    asks for the same values for every pair of arms."""

    def __init__(self, folders: Sequence[Any]) -> None:
        self._values: dict[tuple[str | None, str | None], dict[tuple[str, str, str, str], Values]] = {}
        self._rows: dict[tuple[str, tuple[Any, ...]], list[dict[str, Any]]] = {}
        super().__init__(folders)
        self.memo = {}

    def __enter__(self) -> CachedDataset:
        return self

    def values(
        self,
        task: str,
        scorer: str | None = None,
        *,
        measure: str | None = None,
        variant: str = "",
        arm: str | None = None,
        run: str | None = None,
    ) -> Values:
        if arm is None or run is None:
            return super().values(task, scorer, measure=measure, variant=variant, arm=arm, run=run)
        if (scorer, measure) not in self._values:
            # All measures together: they lie in order once, and share everything but their values.
            every: list[tuple[str | None, str | None]] = [(None, name) for name in MEASURES]
            wanted = every if (scorer, measure) in every else [(scorer, measure)]
            self._values |= dict(zip(wanted, self.values_by_arm(wanted), strict=True))
        return self._values[scorer, measure].get((run, arm, task, variant), NOTHING)

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        key = (query, tuple(parameters))
        if key not in self._rows:
            self._rows[key] = super().sql(query, parameters)
        return self._rows[key]


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """An axis on which the arms differ.

    Attributes:
        values: In order.
        ordered: Whether the order means something (sizes, steps, versions).
        arms: For each value, the places of its arms.
    """

    name: str
    values: tuple[str, ...]
    ordered: bool
    arms: tuple[tuple[int, ...], ...]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The things a report shows.

    Attributes:
        members: The arms, oldest run first, in the order of their runs.
        labels: A short name for each, unique.
        words: What names each on a command line.
        runs: Theirs, with their latest metrics.
        axes: Those on which the arms differ.
    """

    members: tuple[Member, ...]
    labels: tuple[str, ...]
    words: tuple[str, ...]
    runs: tuple[Run, ...]
    axes: tuple[Axis, ...]

    def side(self, index: int) -> Side:
        """One arm as a side of a comparison."""
        return Side(label=self.labels[index], members=(self.members[index],))


class Comparable(msgspec.Struct, frozen=True, kw_only=True):
    """A side that a reader can choose.

    Attributes:
        word: What names it on a command line.
        arms: Places of its arms.
        axis: Set when it is all arms of one value of an axis.
    """

    label: str
    word: str
    side: Side
    arms: tuple[int, ...]
    axis: str | None = None


def find_source(store: Store, words: Sequence[str]) -> Source:
    """Resolve what a report is about; the latest run without words.

    Raises:
        StoreError, DefinitionError: As `resolve_sides`.
    """
    found = trend_members(store, words or ["latest"])
    if not found:
        raise StoreError(f"nothing in {store.path} is named so")
    runs = list({m.run.id: m.run for m in sorted(found, key=lambda m: m.run.created)}.values())
    place = {(run.id, arm.id): (i, j) for i, run in enumerate(runs) for j, arm in enumerate(run.arms)}
    members = sorted({(m.run.id, m.arm.id): m for m in found}.values(), key=lambda m: place[m.run.id, m.arm.id])
    return Source(
        members=tuple(members),
        labels=tuple(_labels(members)),
        words=tuple(f"{m.run.id}:{m.arm.id}" for m in members),
        runs=tuple(runs),
        axes=tuple(axes_of(members)),
    )


def open_source(store: Store, source: Source) -> CachedDataset:
    """The trials of a source. Close it."""
    return CachedDataset([store.open(run.id) for run in source.runs])


def _labels(members: Sequence[Member]) -> list[str]:
    shapes = [
        [m.arm.id for m in members],
        [m.run.name for m in members],
        [f"{m.run.name}:{m.arm.id}" for m in members],
        [f"{m.run.id}:{m.arm.id}" for m in members],
    ]
    return next(names for names in shapes if len(set(names)) == len(names))


def axes_of(members: Sequence[Member]) -> list[Axis]:
    """The axes on which arms differ, with the places of the arms at each value."""
    names = dict.fromkeys(name for m in members for name in m.arm.axes)
    axes: list[Axis] = []
    for name in names:
        if len({m.axis(name) for m in members}) < 2 or all(m.axis(name) is None for m in members):
            continue
        ordered = order_axis(members, name)
        at = tuple(tuple(i for i, m in enumerate(members) if m.axis(name) == place.value) for place in ordered.places)
        labels = tuple(p.label for p in ordered.places)
        axes.append(Axis(name=name, values=labels, ordered=ordered.by != UNORDERED, arms=at))
    return axes


def comparables(source: Source) -> list[Comparable]:
    """Every arm; then, for axes along which others vary, all arms of each value together."""
    found = [
        Comparable(label=source.labels[i], word=source.words[i], side=source.side(i), arms=(i,))
        for i in range(len(source.members))
    ]
    run = f",run={source.runs[0].id}" if len(source.runs) == 1 else ""
    seen: set[tuple[tuple[int, ...], ...]] = set()
    for axis in source.axes:
        # An axis that only one arm each has is the arms themselves; one that splits them as another does says no more.
        if len(axis.arms) < 2 or all(len(at) < 2 for at in axis.arms) or tuple(sorted(axis.arms)) in seen:
            continue
        seen.add(tuple(sorted(axis.arms)))
        for value, at in zip(axis.values, axis.arms, strict=True):
            members = tuple(source.members[i] for i in at)
            label = f"{axis.name}={value}"
            side = Side(label=label, members=members)
            found.append(Comparable(label=label, word=label + run, side=side, arms=at, axis=axis.name))
    return found


def pairs_of(source: Source, sides: Sequence[Comparable], most: int) -> tuple[list[tuple[int, int]], int]:
    """Which sides are compared with which (places in `sides`), and how many pairs that leaves out.

    Values of one axis with each other; arms with each other, those that differ on fewest axes first.
    """
    axes = {name for m in source.members for name in m.arm.axes}
    pairs = []
    for i, j in combinations(range(len(sides)), 2):
        a, b = sides[i], sides[j]
        if a.axis != b.axis:
            continue
        first, second = source.members[a.arms[0]], source.members[b.arms[0]]
        distance = 0 if a.axis else sum(first.axis(name) != second.axis(name) for name in axes)
        pairs.append((distance, i, j))
    kept = sorted(pairs)[:most]
    return sorted((i, j) for _, i, j in kept), len(pairs) - len(kept)
