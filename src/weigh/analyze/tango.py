"""Tango's score interval for the difference of two paired proportions.

It keeps its shape where Wald's breaks: with few contested questions, none at all, or proportions near 0 and 1.
Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
design", Statistics in Medicine 17, 891-908. With small n its coverage dips to about .93 in places.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from .distributions import z_two_sided


def tango_score(wins: ArrayLike, losses: ArrayLike, n: ArrayLike, delta: ArrayLike) -> Any:
    """The score statistic for "the true difference is delta": (w - l - n delta) / sqrt(n (2 q + delta (1 - delta)))
    with q the maximum likelihood estimate of the probability of a loss under that hypothesis."""
    w, l, size, d = (np.asarray(v, dtype=np.float64) for v in (wins, losses, n, delta))  # noqa: E741
    linear = (2 * size - w + l) * d - w - l
    constant = -l * d * (1 - d)
    root = np.sqrt(np.maximum(linear * linear - 8 * size * constant, 0.0))
    # The larger root of 2n q^2 + linear q + constant; the second form avoids cancellation when linear > 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(linear <= 0, (root - linear) / (4 * size), -2 * constant / (root + linear))
    q = np.where(np.isfinite(q), q, 0.0)
    variance = np.maximum(size * (2 * q + d * (1 - d)), 0.0)
    top = w - l - size * d
    with np.errstate(divide="ignore", invalid="ignore"):
        score = top / np.sqrt(variance)
    score = np.where(variance > 0, score, np.where(np.abs(top) < 1e-12 * size, 0.0, np.copysign(np.inf, top)))
    return float(score) if score.ndim == 0 else score


def tango_interval(wins: ArrayLike, losses: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Any, Any]:
    """(low, high) of the difference win rate - loss rate over all n questions. Scalars or arrays."""
    w, l, size = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (wins, losses, n)))  # noqa: E741
    if np.any(w + l > size) or np.any(size < 1):
        raise ValueError("wins and losses together are at most n, and n is at least 1")
    z = z_two_sided(level)
    if w.ndim == 0:
        return _one_interval(float(w), float(l), float(size), z)
    centre = (w - l) / size
    # Bisect for both limits at once: the score falls as delta grows, from z at the lower limit to -z at the upper.
    left, right = np.stack((-np.ones_like(centre), centre)), np.stack((centre, np.ones_like(centre)))
    target = np.reshape([z, -z], (2,) + (1,) * centre.ndim)
    for _ in range(56):
        middle = (left + right) / 2
        above = tango_score(w, l, size, middle) > target
        left, right = np.where(above, middle, left), np.where(above, right, middle)
    low, high = (left + right) / 2
    return low, high


@lru_cache(maxsize=20_000)
def _one_interval(w: float, l: float, n: float, z: float) -> tuple[float, float]:  # noqa: E741
    """The same bisection for one pair of counts, without the cost of arrays of one number."""
    centre = (w - l) / n
    ends = []
    for left, right, target in ((-1.0, centre, z), (centre, 1.0, -z)):
        for _ in range(56):
            middle = (left + right) / 2
            left, right = (middle, right) if _one_score(w, l, n, middle) > target else (left, middle)
        ends.append((left + right) / 2)
    return ends[0], ends[1]


def _one_score(w: float, l: float, n: float, d: float) -> float:  # noqa: E741
    linear = (2 * n - w + l) * d - w - l
    constant = -l * d * (1 - d)
    root = math.sqrt(max(linear * linear - 8 * n * constant, 0.0))
    if linear <= 0:
        q = (root - linear) / (4 * n)
    else:
        q = -2 * constant / (root + linear) if root + linear else 0.0
    variance = max(n * (2 * q + d * (1 - d)), 0.0)
    top = w - l - n * d
    if variance > 0:
        return top / math.sqrt(variance)
    return 0.0 if abs(top) < 1e-12 * n else math.copysign(math.inf, top)


def tango_equivalence(wins: int, losses: int, n: int, margin: float) -> float:
    """Two one-sided score tests: p of "the difference is at least as far from 0 as the margin"."""
    if margin >= 1:
        return 0.0
    low = 1.0 - float(ndtr(tango_score(wins, losses, n, -margin)))
    high = float(ndtr(tango_score(wins, losses, n, margin)))
    return max(low, high)
