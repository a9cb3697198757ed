"""Wilcoxon's signed-rank test and the Hodges-Lehmann shift that belongs to it, for costs with long tails.

Ranks replace the differences, so that one runaway trial counts as one large difference and not as a million. Ties get
mean ranks, zeros are left out (Wilcoxon's rule). Exact where the ranks can be counted (up to 256 distinct ones),
normal beyond. Source: Wilcoxon 1945; Hodges and Lehmann 1963; Hollander, Wolfe and Chicken 2014, section 3.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from .checks import Floats
from .distributions import p_from_z
from .permutation import sign_flip

THINNED = 4_000
"""Beyond this many differences the shift is computed from as many evenly spaced quantiles of them."""


def mid_ranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing their mean rank."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(starts[1:], values.size)
    ranks = np.empty(values.size)
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks


def signed_rank(differences: Floats) -> tuple[float, float, str]:
    """(p, sum of signed ranks, method), two-sided."""
    d = differences[differences != 0]
    if d.size == 0:
        return 1.0, 0.0, "Wilcoxon signed-rank, exact"
    signed = np.sign(d) * mid_ranks(np.abs(d))
    total = float(signed.sum())
    flip = sign_flip(signed, monte_carlo=False)
    if flip.p is not None:
        return flip.p, total, "Wilcoxon signed-rank, exact"
    return p_from_z(total / math.sqrt(float(signed @ signed))), total, "Wilcoxon signed-rank, normal"


def hodges_lehmann(differences: Floats, level: float = 0.95) -> tuple[float, float | None, float | None]:
    """(shift, low, high): the median of the means of all pairs of differences (each with itself too), and the
    interval that inverts the signed-rank test. No interval when n is too small for the level."""
    n = differences.size
    d = differences
    if n > THINNED:
        d = np.quantile(differences, (np.arange(THINNED) + 0.5) / THINNED)
    row, column = np.triu_indices(d.size)
    walsh = (d[row] + d[column]) / 2
    whole = n * (n + 1) // 2
    cut = _cut(n, level)
    index = cut - 1 if n <= THINNED else round((cut - 0.5) / whole * walsh.size - 0.5)
    middle = ((walsh.size - 1) // 2, walsh.size // 2)
    # Only these few ranks are wanted, and finding them is several times faster than sorting all.
    walsh.partition(sorted({*middle, *((index, walsh.size - 1 - index) if cut >= 1 else ())}))
    shift = float((walsh[middle[0]] + walsh[middle[1]]) / 2)
    if cut < 1:
        return shift, None, None
    return shift, float(walsh[index]), float(walsh[walsh.size - 1 - index])


def _cut(n: int, level: float) -> int:
    """How many of the n(n+1)/2 pair means lie outside the interval on each side, plus one; 0 when there is none."""
    tail = (1 - level) / 2
    if n <= 60:
        chances = np.ones(1)
        for rank in range(1, n + 1):
            wider = np.zeros(chances.size + rank)
            wider[: chances.size] += chances / 2
            wider[rank:] += chances / 2
            chances = wider
        return int(np.searchsorted(np.cumsum(chances), tail * (1 + 1e-12), side="right"))
    spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return max(0, math.floor(n * (n + 1) / 4 + float(ndtri(tail)) * spread))
