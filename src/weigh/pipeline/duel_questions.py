"""Which questions a duel asks, in which order, and the score that it settles."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from weigh.pipeline.metrics import COSTS
from weigh.plan.matrix import Column
from weigh.records.errors import DefinitionError, suggest
from weigh.records.run import MetricInfo
from weigh.records.trial import join_spec


class Pair:
    """One question for two models: their values, None while unknown, NaN when failed."""

    __slots__ = ("column", "position", "values")

    def __init__(self, column: int, position: int) -> None:
        self.column, self.position = column, position
        self.values: list[float | None] = [None, None]

    @property
    def complete(self) -> bool:
        """Whether both models have answered or failed."""
        return None not in self.values


def duel_metric(spec: str, metrics: Sequence[MetricInfo], name: str | None) -> MetricInfo:
    """A task's metric by name (its first without one). Raises `DefinitionError` when no duel can settle it."""
    if name in COSTS:
        raise DefinitionError(f"a duel settles scores; {name} is a cost without an upper bound: use weigh compare")
    found = next((m for m in metrics if name in (None, m.name, m.scorer)), None)
    if found is None:
        known = [m.name for m in metrics]
        raise DefinitionError(f"task {spec} has no metric {name!r}{suggest(name or '', known)} ({', '.join(known)})")
    if found.bounds is None:
        raise DefinitionError(
            f"{found.name} of {spec} has no bounds, and stopping early needs them: choose another with --metric, "
            "or run all questions with weigh run and use weigh compare"
        )
    if found.reduce not in ("mean", "max", "pass@1", "pass^1"):
        raise DefinitionError(
            f"{found.name} of {spec} needs several epochs, and a duel asks once; --metric names another"
        )
    return found


def shared_bounds(metrics: Sequence[MetricInfo]) -> tuple[float, float]:
    """The range that the scores share. Raises `DefinitionError` when the scores of several tasks do not go together."""
    first = metrics[0]
    for metric in metrics[1:]:
        if (metric.bounds, metric.lower_is_better) != (first.bounds, first.lower_is_better):
            raise DefinitionError(
                f"the scores of these tasks do not go together ({first.name}, {metric.name}); duel on one task"
            )
    assert first.bounds is not None
    return first.bounds


def draw(columns: Sequence[Column], order: int) -> list[list[Pair]]:
    """All questions in an order that only the seed and their names decide, the questions of a cluster together.

    A question keeps its place relative to the others when a limit is changed.
    """
    units: dict[tuple[str, str], list[Pair]] = {}
    for number, column in enumerate(columns):
        spec = join_spec(column.task.name, column.task.variant)
        for position, (_, instance) in enumerate(column.instances):
            name = f"cluster {instance.cluster}" if instance.cluster is not None else f"question {instance.id}"
            units.setdefault((spec, name), []).append(Pair(number, position))

    def place(key: tuple[str, str]) -> bytes:
        return hashlib.blake2b(f"{order}\0{key[0]}\0{key[1]}".encode("utf-8", "surrogatepass"), digest_size=16).digest()

    return [units[key] for key in sorted(units, key=place)]
