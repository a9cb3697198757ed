"""How values lie: quartiles for a box, and a median with an interval that assumes no shape.

The interval of the median is made of order statistics: the k-th smallest and largest value, with the largest k that
still covers at the level (binomial with one half). Source: Conover 1999, section 3.2.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from .checks import fraction, vector

REACH = 1.5
"""Whiskers end at the last value within so many interquartile ranges of the box (Tukey)."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Where the values of one group lie; None where there are none."""

    n: int
    median: float | None = None
    q1: float | None = None
    q3: float | None = None
    low: float | None = None
    """Where the lower whisker ends."""
    high: float | None = None
    smallest: float | None = None
    largest: float | None = None
    mean: float | None = None


def spread(values: ArrayLike) -> Spread:
    """Quartiles (linear between values) and whiskers. Raises ValueError for NaN and infinities."""
    x = vector(values, "values")
    if not x.size:
        return Spread(n=0)
    q1, median, q3 = (float(q) for q in np.quantile(x, (0.25, 0.5, 0.75)))
    reach = REACH * (q3 - q1)
    within = x[(x >= q1 - reach) & (x <= q3 + reach)]
    return Spread(
        n=int(x.size), median=median, q1=q1, q3=q3, low=float(within.min()), high=float(within.max()),
        smallest=float(x.min()), largest=float(x.max()), mean=float(x.mean()),
    )  # fmt: skip


def median_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float] | None:
    """The interval of the median; None where so few values (under 6 at 95 %) cannot give one."""
    fraction(level, "level")
    x = np.sort(vector(values, "values"))
    tail = (1 - level) / 2
    if not x.size or 0.5**x.size > tail:
        return None
    # bdtr(k, n, 1/2) is the chance that at most k of n values lie below the median.
    counts = np.arange(x.size // 2 + 1)
    k = int(np.searchsorted(bdtr(counts, x.size, 0.5), tail, side="right"))
    return float(x[k - 1]), float(x[x.size - k])
