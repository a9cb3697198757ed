"""Metrics: which score of a trial counts, and how the epochs of one question become one value.

A metric holds its scorer (an object, a class, or a name that is looked up when the task is prepared) and says with
`info()` what has to be computed; the computing is done elsewhere, once, for every metric alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo

ScorerLookup = Callable[..., Any]
"""Gives the scorer of a name; options after it are the scorer's settings."""


class Metric(msgspec.Struct, frozen=True):
    """An aggregate over the trials of a task. Use one of the subclasses.

    Attributes:
        scorer: A scorer, its class (made without arguments), or its name.
        name: The key of the number in tables and files; derived from the scorer when empty.
    """

    scorer: Any
    name: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.scorer, type):
            msgspec.structs.force_setattr(self, "scorer", self.scorer())

    def resolve(self, lookup: ScorerLookup) -> Metric:
        """The metric with a scorer object where it had a name."""
        if isinstance(self.scorer, str):
            return msgspec.structs.replace(self, scorer=lookup(self.scorer))
        return self

    @property
    def scorer_name(self) -> str:
        """The key of the score it reads in a trial."""
        return self.scorer if isinstance(self.scorer, str) else str(self.scorer.name)

    @property
    def reduce(self) -> str:
        """How the epochs of a question become one value, as in `MetricInfo`."""
        return "mean"

    def info(self) -> MetricInfo:
        """What to compute."""
        key = self.scorer_name
        return MetricInfo(
            name=self.name or (key if self.reduce == "mean" else f"{self.reduce}:{key}"),
            scorer=key,
            reduce=self.reduce,
            lower_is_better=bool(getattr(self.scorer, "lower_is_better", False)),
            bounds=getattr(self.scorer, "bounds", (0.0, 1.0)),
            unit=getattr(self.scorer, "unit", None),
        )


class AccuracyMetric(Metric, frozen=True):
    """The share of questions answered rightly; with several epochs the mean over them, never the best."""


class MeanMetric(Metric, frozen=True):
    """The mean of any score, in its own unit."""


class PassAtK(Metric, frozen=True):
    """The chance that at least one of k tries succeeds; the unbiased estimate from n >= k epochs (Chen et al. 2021)."""

    k: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_k(self.k)

    @property
    def reduce(self) -> str:
        """`pass@K`."""
        return f"pass@{self.k}"


class PassHatK(Metric, frozen=True):
    """The chance that all of k tries succeed; the unbiased estimate from n >= k epochs."""

    k: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_k(self.k)

    @property
    def reduce(self) -> str:
        """`pass^K`."""
        return f"pass^{self.k}"


class BestMetric(Metric, frozen=True):
    """The best of a question's epochs. It grows with their number: compare it only between runs of as many."""

    @property
    def reduce(self) -> str:
        """`max`."""
        return "max"


def as_metric(value: Any, where: str) -> Metric:
    """A metric of what a task or an override gives: a metric, a scorer (object, class) or a scorer's name."""
    if isinstance(value, Metric):
        return value
    if isinstance(value, str) or hasattr(value, "score"):
        return AccuracyMetric(value)
    raise DefinitionError(f"{where}: {value!r} is neither a metric nor a scorer nor a scorer's name")


def _check_k(k: int) -> None:
    if not isinstance(k, int) or k < 1:
        raise DefinitionError(f"k is a whole number from 1 on, got {k!r}")
