"""Does the effect of b against a differ along another axis (for instance model size)? A test of the difference of
differences. Two separate verdicts do not show it: "shown here, not shown there" is no evidence of a difference.

With the same questions at every level, each question gives one contrast of its own differences and the test is the
paired one; with different questions, levels are independent and Welch's t is used. With more than two levels the
contrast is the slope of the effect along the axis. Source: Gelman and Stern 2006; Welch 1947.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from .checks import Floats, pair
from .distributions import p_from_t, t_two_sided
from .paired import Comparison, compare_pairs
from .suite import combine, task_spread
from .verdict import decide, show_p


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """How the effect of b against a changes along an ordered axis."""

    levels: tuple[str, ...]
    effects: tuple[Comparison, ...]
    n: int
    contrast: float | None
    """Two levels: effect at the last minus effect at the first. More: slope of the effect per step of the axis."""
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    method: str
    paired: bool
    differs: bool
    reason: str
    approximate: bool = False
    """The interval and the test disagree about zero: believe the test."""


def compare_interaction(
    levels: Sequence[str],
    pairs: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    paired: bool = True,
    positions: Sequence[float] | None = None,
    clusters: Sequence[Sequence[Hashable] | None] | None = None,
    alpha: float = 0.05,
    lower_is_better: bool = False,
    seed: int = 0,
) -> Interaction:
    """`pairs[i]` holds (a, b) at level i; `paired` says that all levels have the same questions in the same order.
    `positions` place the levels on the axis (0, 1, 2 ... otherwise); `clusters[i]` says which questions of level i
    belong together. Raises ValueError for fewer than two levels."""
    groups = list(clusters) if clusters is not None else [None] * len(levels)
    if len(levels) != len(pairs) or len(levels) < 2:
        raise ValueError(f"{len(levels)} levels and {len(pairs)} pairs of arms: two or more of each are needed")
    weights = _contrast(positions if positions is not None else range(len(levels)), len(levels))
    effects = tuple(
        compare_pairs(a, b, clusters=c, alpha=alpha, lower_is_better=lower_is_better, seed=seed, bootstrap=False)
        for (a, b), c in zip(pairs, groups, strict=True)
    )
    differences = [y - x for x, y in (pair(a, b) for a, b in pairs)]
    counts = {d.size for d in differences}
    if paired and len(counts) > 1:
        raise ValueError(f"levels have {sorted(counts)} questions: pair them, or say paired=False")
    contrast = se = low = high = p = None
    method, df = "none", 0.0
    if min(counts) > 0:
        if paired:
            each = weights @ np.vstack(differences)
            contrast = float(each.mean())
            units, se, df = task_spread(each, groups[0])
            made = decide(units, contrast, se, df, seed=seed)
            p, method = made.p, "paired t" if made.method == "t" else made.method
        else:
            contrast = float(sum(w * d.mean() for w, d in zip(weights, differences, strict=True)))
            parts = [
                (float(w), *task_spread(d, names)[1:]) for w, d, names in zip(weights, differences, groups, strict=True)
            ]
            se, df = combine(parts)
            p, method = (p_from_t(contrast / se, df), "Welch t") if se else (None, "none")
        if se is not None:
            half = t_two_sided(1 - alpha, df) * se
            low, high = contrast - half, contrast + half
    differs = p is not None and p <= alpha
    return Interaction(
        levels=tuple(levels),
        effects=effects,
        n=min(counts) if paired else sum(d.size for d in differences),
        contrast=contrast,
        se=se,
        low=low,
        high=high,
        p=p,
        method=method,
        paired=paired,
        differs=differs,
        reason=_reason(levels, contrast, p, method, differs),
        approximate=low is not None and high is not None and p is not None and (low > 0 or high < 0) != differs,
    )


def _contrast(positions: Sequence[float] | range, count: int) -> Floats:
    x = np.asarray(list(positions), dtype=np.float64)
    if x.size != count or np.ptp(x) == 0:
        raise ValueError("one position for each level is needed, and they cannot all be the same")
    if count == 2:
        return np.array([-1.0, 1.0])
    centred = x - x.mean()
    weights: Floats = centred / float(centred @ centred)
    return weights


def _reason(levels: Sequence[str], contrast: float | None, p: float | None, method: str, differs: bool) -> str:
    told = f"{method}, p = {show_p(p)}"
    if contrast is None or p is None:
        return "no test is possible: too few questions"
    if not differs:
        return f"the evidence does not show that the effect differs from {levels[0]} to {levels[-1]}: {told}"
    return f"the effect {'grows' if contrast > 0 else 'falls'} from {levels[0]} to {levels[-1]}: {told}"
