"""Costs (tokens, seconds, turns, dollars): how many times as much, and by how much.

The ratio is that of geometric means over the questions on which both arms cost something, with t on the logarithms;
the shift is Hodges-Lehmann's with Wilcoxon's test, over all questions. The verdict follows Wilcoxon.

The rule for zeros: a question on which a cost is 0 stays in the shift and the test, leaves the ratio, and is counted.
The rule for timeouts: a trial that timed out counts with what it had cost by then, which is a lower bound. When the
arms timed out unequally and the arm with more timeouts looks cheaper, there is no verdict: it may only look so.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from .checks import fraction, pair
from .distributions import t_two_sided
from .mcnemar import mcnemar_exact
from .verdict import Verdict, decide, show_p
from .wilcoxon import hodges_lehmann, signed_rank


class CostComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of b against a, question by question; less is better."""

    n: int
    mean_a: float | None
    mean_b: float | None
    ratio: float | None
    """Geometric mean of b / a over the questions on which both cost something."""
    ratio_low: float | None
    ratio_high: float | None
    p_ratio: float | None
    """Of "the ratio is 1", on the logarithms."""
    n_ratio: int
    n_zero: int
    """Questions left out of the ratio (not of the shift) because a cost is 0."""
    shift: float | None
    """Hodges-Lehmann: the median of the means of all pairs of differences b - a."""
    shift_low: float | None
    shift_high: float | None
    p: float | None
    """Wilcoxon signed-rank, two-sided: the test that decides."""
    method: str
    timeouts_a: int
    timeouts_b: int
    verdict: Verdict
    reason: str
    alpha: float = 0.05
    p_adjusted: float | None = None
    """After correction for a family of comparisons; None when none was made."""
    approximate: bool = False
    """The interval of the ratio and the test disagree about "as much": believe the test, and with it the shift."""


def compare_costs(
    a: ArrayLike,
    b: ArrayLike,
    *,
    alpha: float = 0.05,
    timed_out_a: Sequence[bool] | None = None,
    timed_out_b: Sequence[bool] | None = None,
    test_ratio: bool = True,
) -> CostComparison:
    """Compare what b and a cost on the same questions (means over epochs). `test_ratio` adds the ratio's own p, which
    decides nothing. Raises ValueError for NaN, negative costs and unequal lengths."""
    x, y = pair(a, b)
    fraction(alpha, "alpha")
    n = int(x.size)
    if n and min(x.min(), y.min()) < 0:
        raise ValueError("a cost is 0 or more")
    late_a, late_b = _late(timed_out_a, n), _late(timed_out_b, n)
    if n == 0:
        return CostComparison(
            n=0, mean_a=None, mean_b=None, ratio=None, ratio_low=None, ratio_high=None, p_ratio=None, n_ratio=0,
            n_zero=0, shift=None, shift_low=None, shift_high=None, p=None, method="none", timeouts_a=0, timeouts_b=0,
            verdict="unresolved", reason="no question in common", alpha=alpha,
        )  # fmt: skip
    both = (x > 0) & (y > 0)
    ratio, low, high, p_ratio = _ratio(np.log(y[both]) - np.log(x[both]), alpha, test_ratio)
    shift, shift_low, shift_high = hodges_lehmann(y - x, 1 - alpha)
    p, ranks, method = signed_rank(y - x)
    verdict, reason = _verdict(p, ranks, method, alpha, late_a, late_b)
    return CostComparison(
        n=n,
        mean_a=float(x.mean()),
        mean_b=float(y.mean()),
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        p_ratio=p_ratio,
        n_ratio=int(both.sum()),
        n_zero=n - int(both.sum()),
        shift=shift,
        shift_low=shift_low,
        shift_high=shift_high,
        p=p,
        method=method,
        timeouts_a=int(late_a.sum()),
        timeouts_b=int(late_b.sum()),
        verdict=verdict,
        reason=reason,
        alpha=alpha,
        approximate=low is not None and high is not None and (low > 1 or high < 1) != (p <= alpha),
    )


def _late(flags: Sequence[bool] | None, n: int) -> np.ndarray:
    if flags is None:
        return np.zeros(n, dtype=bool)
    if len(flags) != n:
        raise ValueError(f"{len(flags)} timeout flags for {n} questions")
    return np.asarray(flags, dtype=bool)


def _ratio(logs: np.ndarray, alpha: float, test: bool) -> tuple[float | None, float | None, float | None, float | None]:
    n = logs.size
    if n == 0:
        return None, None, None, None
    mean = float(logs.mean())
    if n == 1:
        return float(np.exp(mean)), None, None, None
    se = float(logs.std(ddof=1)) / n**0.5
    half = t_two_sided(1 - alpha, n - 1) * se
    p = decide(logs / n, mean, se, n - 1).p if test else None
    return float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half)), p


def _verdict(
    p: float, ranks: float, method: str, alpha: float, late_a: np.ndarray, late_b: np.ndarray
) -> tuple[Verdict, str]:
    told = f"{method}, p = {show_p(p)}"
    only_a, only_b = int(np.sum(late_a & ~late_b)), int(np.sum(late_b & ~late_a))
    unequal = mcnemar_exact(only_a, only_b) <= alpha
    if p > alpha or ranks == 0:
        return "unresolved", f"the evidence cannot tell: {told}"
    cheaper_b = ranks < 0
    if unequal and (only_b > only_a) == cheaper_b:
        name = "b" if cheaper_b else "a"
        return (
            "unresolved",
            f"{name} looks cheaper but timed out more often ({int(late_a.sum())} and {int(late_b.sum())} timeouts)",
        )
    return ("better" if cheaper_b else "worse"), told
