"""A suite's score, and the difference of two arms on it, through the suite's own aggregation.

Every aggregation is a weight per task; score, difference, standard error and test all use the same weights, so the
score and the test can never disagree in sign."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import msgspec
from numpy.typing import ArrayLike

from .estimate import Estimate
from .paired import Verdict

Aggregation = Literal["mean_of_tasks", "mean_of_suites", "weighted", "pooled", "none"]


class Leaf(msgspec.Struct, frozen=True):
    """A task in a suite."""

    name: str


class Branch(msgspec.Struct, frozen=True):
    """A suite: children and how their scores become one."""

    name: str
    children: tuple[Leaf | Branch, ...]
    aggregation: Aggregation = "mean_of_tasks"
    weights: tuple[float, ...] | None = None


class SuiteComparison(msgspec.Struct, frozen=True, kw_only=True):
    """b against a on a whole suite."""

    n: int
    n_tasks: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    """Questions are the unit, within these tasks."""
    method: str
    p_tasks: float | None
    """Tasks are the unit (a sign flip over tasks): is it so for tasks like these?"""
    approximate: bool
    mde80: float | None
    verdict: Verdict
    reason: str
    scope: str
    weights: dict[str, float]
    alpha: float = 0.05
    margin: float | None = None
    p_equivalence: float | None = None
    lower_is_better: bool = False


def score_suite(tree: Leaf | Branch, estimates: Mapping[str, Estimate], *, level: float = 0.95) -> Estimate:
    raise NotImplementedError


def compare_suite(
    tree: Leaf | Branch,
    pairs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    clusters: Mapping[str, Sequence[Hashable]] | None = None,
    alpha: float = 0.05,
    margin: float | None = None,
    lower_is_better: bool = False,
    seed: int = 0,
) -> SuiteComparison:
    raise NotImplementedError
