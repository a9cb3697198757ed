"""Who stands above whom, as a view: Bradley-Terry strengths over the contested questions, and tiers that the evidence
does not separate. The verdicts are those of the pairs; a ranking alone says nothing about chance.

Source: Bradley and Terry 1952; fitted by Newton's method. Half a win and half a loss against an average opponent are
added for each arm, so that an arm that won or lost everything has a finite strength.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from .distributions import z_two_sided

PRIOR = 0.5


class BradleyTerry(msgspec.Struct, frozen=True, kw_only=True):
    """Strengths on the log scale (mean 0), best first: exp(s_i - s_j) are the odds that i beats j where they differ."""

    names: tuple[str, ...]
    strength: tuple[float, ...]
    se: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    contested: int
    note: str | None = None


def bradley_terry(names: Sequence[str], wins: ArrayLike, *, level: float = 0.95) -> BradleyTerry:
    """`wins[i][j]`: questions on which arm i beat arm j. Raises ValueError unless it is a square table of counts.

    With several arms on the same questions the contests are not independent; the intervals are then too narrow, which
    the note says.
    """
    w = np.array(wins, dtype=np.float64)
    k = len(names)
    if w.shape != (k, k) or not np.all(np.isfinite(w)) or (w.size and w.min() < 0):
        raise ValueError(f"a {k} by {k} table of wins is needed")
    np.fill_diagonal(w, 0.0)
    games, won = w + w.T, w.sum(axis=1)
    s = np.zeros(k)
    information = np.eye(k)
    for _ in range(100):
        chance = 1 / (1 + np.exp(s[None, :] - s[:, None]))
        own = 1 / (1 + np.exp(-s))
        slope = won - (games * chance).sum(axis=1) + PRIOR - 2 * PRIOR * own
        curve = games * chance * (1 - chance)
        information = np.diag(curve.sum(axis=1) + 2 * PRIOR * own * (1 - own)) - curve
        step = np.linalg.solve(information, slope)
        s = s + np.clip(step, -2, 2)
        if np.max(np.abs(step), initial=0.0) < 1e-11:
            break
    centre = np.eye(k) - 1 / max(k, 1)
    se = np.sqrt(np.maximum(np.diag(centre @ np.linalg.inv(information) @ centre), 0.0))
    s = centre @ s
    order = sorted(range(k), key=lambda i: (-s[i], i))
    z = z_two_sided(level)
    return BradleyTerry(
        names=tuple(names[i] for i in order),
        strength=tuple(float(s[i]) for i in order),
        se=tuple(float(se[i]) for i in order),
        low=tuple(float(s[i] - z * se[i]) for i in order),
        high=tuple(float(s[i] + z * se[i]) for i in order),
        contested=int(np.triu(games).sum()),
        note=None if k < 3 else "arms share questions: the intervals are a little too narrow, the pairs' tests are not",
    )


def tiers(names: Sequence[str], scores: Sequence[float], separated: ArrayLike) -> list[list[str]]:
    """Arms from the best score (higher is better) down; a new tier opens at the first arm that the evidence separates
    from the best arm of the tier above. So nobody in a tier is shown to be below the tier's best, and the first of a
    tier is shown to be. `separated[i][j]`: whether i and j differ after correction."""
    apart = np.asarray(separated, dtype=bool)
    order = sorted(range(len(names)), key=lambda i: (-scores[i], i))
    result: list[list[int]] = []
    for i in order:
        if result and not apart[i, result[-1][0]]:
            result[-1].append(i)
        else:
            result.append([i])
    return [[names[i] for i in tier] for tier in result]
