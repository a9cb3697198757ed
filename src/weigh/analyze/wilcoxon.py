"""Wilcoxon's signed-rank test and the Hodges-Lehmann shift that belongs to it, for costs with long tails.

Ranks replace the differences, so that one runaway trial counts as one large difference and not as a million. Ties get
mean ranks, zeros are left out (Wilcoxon's rule). Exact where the ranks can be counted (up to 256 distinct ones),
normal beyond. Source: Wilcoxon 1945; Hodges and Lehmann 1963; Hollander, Wolfe and Chicken 2014, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from .checks import Floats
from .distributions import p_from_z
from .pair_means import pair_means
from .permutation import sign_flip
from .remember import Remembered

THINNED = 4_000
"""Beyond this many differences the shift is computed from as many evenly spaced quantiles of them."""
USUAL = (0.9, 0.95, 0.99)
REMEMBERED = 20_000
_tests: Remembered[tuple[float, float, str]] = Remembered(REMEMBERED)
_shifts: Remembered[dict[float, tuple[float, float | None, float | None]]] = Remembered(REMEMBERED)


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
    """(p, sum of signed ranks, method), two-sided. The last answers are remembered."""
    return _tests.get(differences, lambda: _signed_rank(differences))


def _signed_rank(differences: Floats) -> tuple[float, float, str]:
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
    interval that inverts the signed-rank test. No interval when n is too small for the level.

    The last answers are remembered, for the usual levels too: a report asks for the same shift at several.
    """
    if level not in USUAL:
        return _hodges_lehmann(differences, [level])[level]
    return _shifts.get(differences, lambda: _hodges_lehmann(differences, USUAL))[level]


def _hodges_lehmann(
    differences: Floats, levels: Sequence[float]
) -> dict[float, tuple[float, float | None, float | None]]:
    n = differences.size
    d = differences
    if n > THINNED:
        d = np.quantile(differences, (np.arange(THINNED) + 0.5) / THINNED)
    whole, pairs = n * (n + 1) // 2, d.size * (d.size + 1) // 2
    cuts: dict[float, int] = {}
    for level in levels:
        cut = _cut(n, level)
        if cut >= 1:
            cuts[level] = cut - 1 if n <= THINNED else round((cut - 0.5) / whole * pairs - 0.5)
    lower, upper, *ends = pair_means(
        d, [(pairs - 1) // 2, pairs // 2, *(end for cut in cuts.values() for end in (cut, pairs - 1 - cut))]
    )
    shift = (lower + upper) / 2
    intervals = dict(zip(cuts, zip(ends[::2], ends[1::2], strict=True), strict=True))
    return {level: (shift, *intervals.get(level, (None, None))) for level in levels}


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
