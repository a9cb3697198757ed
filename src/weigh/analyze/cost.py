"""Costs (tokens, seconds, turns, dollars): how many times as much, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from numpy.typing import ArrayLike

from .paired import Verdict


class CostComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of b against a, question by question; less is better."""

    n: int
    mean_a: float | None
    mean_b: float | None
    ratio: float | None
    """Geometric mean of b / a over the questions on which both cost something."""
    ratio_low: float | None
    ratio_high: float | None
    n_ratio: int
    n_zero: int
    """Questions left out of the ratio (not of the shift) because a cost is 0."""
    shift: float | None
    """Hodges-Lehmann: the median of the averages of all pairs of differences b - a."""
    shift_low: float | None
    shift_high: float | None
    p: float | None
    """Wilcoxon signed-rank, two-sided."""
    method: str
    timeouts_a: int
    timeouts_b: int
    verdict: Verdict
    reason: str
    alpha: float = 0.05


def compare_costs(
    a: ArrayLike,
    b: ArrayLike,
    *,
    alpha: float = 0.05,
    timed_out_a: Sequence[bool] | None = None,
    timed_out_b: Sequence[bool] | None = None,
) -> CostComparison:
    raise NotImplementedError
