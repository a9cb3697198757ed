"""The bias-corrected and accelerated (BCa) bootstrap interval of a mean difference: questions, or whole clusters,
are drawn again with replacement. Source: Efron 1987, JASA 82, 171-185; for clusters the ratio of sums is resampled
and the acceleration comes from leaving out one cluster at a time. Meant for 30 to 20,000 units."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from .checks import Floats

FEWEST, MOST = 30, 20_000
FEWEST_CLUSTERS, SMALL_CLUSTERS = 6, 40
"""Clusters are resampled between these numbers of them: below, nothing helps; above, t is good."""


def bca_mean(
    sums: Floats, sizes: Floats | None = None, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """(low, high), or None when every unit is equal. `sums` are differences per question, or cluster sums with the
    cluster `sizes`."""
    centre = float(sums.sum())
    # Turned so that the mean is positive: exchanging the arms then mirrors the interval exactly.
    sign = -1.0 if centre < 0 else 1.0
    u = sums * sign
    n = u.size
    weights = np.ones(n) if sizes is None else sizes
    mean = float(u.sum() / weights.sum())
    influence = (u - mean * weights) / (1 - weights / weights.sum())
    spread = float(influence @ influence)
    if n < 2 or spread <= 1e-24 * float(u @ u):
        return None
    draws = _draws(u, sizes, seed)
    below = (np.count_nonzero(draws < mean) + 0.5 * np.count_nonzero(draws == mean)) / draws.size
    bias = float(ndtri(min(max(below, 0.5 / draws.size), 1 - 0.5 / draws.size)))
    acceleration = float(np.sum(influence**3)) / (6 * spread**1.5)
    z = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    points = ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
    low, high = (float(v) * sign for v in np.quantile(draws, points))
    return (low, high) if low <= high else (high, low)


def _draws(u: Floats, sizes: Floats | None, seed: int) -> Floats:
    """Means of resamples: 9,999 of them, fewer when n is large (20 million draws in all)."""
    rng = np.random.default_rng(seed)
    n = u.size
    repeats = int(min(9_999, max(999, 20_000_000 // n)))
    if sizes is None:
        values, counts = np.unique(u, return_counts=True)
        if values.size <= 64:
            drawn: Floats = rng.multinomial(n, counts / n, size=repeats) @ values / n
            return drawn
    result = np.empty(repeats)
    rows = max(1, 2_000_000 // n)
    for start in range(0, repeats, rows):
        count = min(rows, repeats - start)
        index = rng.integers(0, n, size=(count, n), dtype=np.int32)
        top = u[index].sum(axis=1)
        result[start : start + count] = top / (n if sizes is None else sizes[index].sum(axis=1))
    return result
