"""Stopping early without cheating: an interval that holds at every moment at once.

Looking at an ordinary p-value after each question and stopping at the first small one finds a "difference" between
equal arms sooner or later. This interval comes from betting: for each possible mean m a gambler bets against it, fairly
if m is true; a gambler who multiplies the stake by 1/alpha has shown that m is not the mean, whenever that happens.
Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS B 86, hedged
capital process, predictable plug-in bets (equations 24 to 26, theorem 3).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .checks import Floats, fraction
from .verdict import Verdict

BOLDNESS = 0.5
"""A bet risks at most this share of the stake."""


class ConfidenceSequence:
    """Anytime-valid interval for the mean of bounded paired differences, fed one question at a time.

    After each `update` the interval (`low`, `high`) may be looked at; the chance that it *ever* misses the true
    mean is at most `alpha`. One step costs a few vector operations over the `grid` of possible means. The questions
    come in random order.
    """

    def __init__(self, *, bounds: tuple[float, float] = (-1.0, 1.0), alpha: float = 0.05, grid: int = 1001) -> None:
        low, high = bounds
        if not low < high or grid < 3:
            raise ValueError("bounds are (low, high) with low < high, and the grid has at least 3 points")
        self.alpha = fraction(alpha, "alpha")
        self.bounds = (float(low), float(high))
        self.n = 0
        self.low, self.high = self.bounds
        self._sum = 0.0
        self._means = np.linspace(0.0, 1.0, grid)
        self._up = np.zeros(grid)
        self._down = np.zeros(grid)
        self._alive = np.ones(grid, dtype=bool)
        self._bets = _Bets(alpha)
        with np.errstate(divide="ignore"):
            self._cap_up, self._cap_down = BOLDNESS / self._means, BOLDNESS / (1 - self._means)

    @property
    def mean(self) -> float | None:
        """The plain mean of what has been seen; None before the first question."""
        return self._sum / self.n if self.n else None

    def update(self, difference: float) -> None:
        """Take in one question's difference (b - a). Raises ValueError outside the bounds."""
        low, high = self.bounds
        if not low <= difference <= high:
            raise ValueError(f"difference {difference} lies outside the bounds {low:g} to {high:g}")
        x = (difference - low) / (high - low)
        bet = self._bets.next(x)
        self._up += np.log1p(np.minimum(bet, self._cap_up) * (x - self._means))
        self._down += np.log1p(-np.minimum(bet, self._cap_down) * (x - self._means))
        self._sum += difference
        self.n += 1
        alive = self._alive & (np.maximum(self._up, self._down) < math.log(2 / self.alpha))
        if not alive.any():  # happens with probability at most alpha; the last interval stands
            return
        self._alive = alive
        kept = np.flatnonzero(alive)
        # One grid step wider on each side, so that a mean between two grid points is never lost.
        step, width = 1 / (self._means.size - 1), high - low
        self.low = max(low, low + width * (float(self._means[kept[0]]) - step))
        self.high = min(high, low + width * (float(self._means[kept[-1]]) + step))

    def update_many(self, differences: ArrayLike) -> None:
        """Take in several questions, in their order."""
        for value in np.asarray(differences, dtype=np.float64).tolist():
            self.update(value)

    def decision(self, *, margin: float | None = None, lower_is_better: bool = False) -> Verdict:
        """What is settled by now about b; "unresolved" means go on (or give up). "equivalent" needs a margin."""
        if margin is not None and -margin < self.low and self.high < margin:
            return "equivalent"
        if self.low > 0:
            return "worse" if lower_is_better else "better"
        if self.high < 0:
            return "better" if lower_is_better else "worse"
        return "unresolved"


class _Bets:
    """The predictable plug-in bet: large when the spread seen so far is small, smaller as time goes on."""

    def __init__(self, alpha: float) -> None:
        self._scale = 2 * math.log(2 / alpha)
        self._t = 0
        self._total = 0.5
        self._squares = 0.25

    def next(self, x: float) -> float:
        """The bet for this step, from the steps before it; then take x in."""
        self._t += 1
        t = self._t
        bet = math.sqrt(self._scale * t / (self._squares * t * math.log1p(t)))
        self._total += x
        self._squares += (x - self._total / (t + 1)) ** 2
        return bet


def log_wealth(differences: ArrayLike, *, bounds: tuple[float, float] = (-1.0, 1.0), alpha: float = 0.05) -> Floats:
    """The gambler's path against "the mean difference is 0" over each row of `differences`: the log of the wealth
    after each question. "No difference" is rejected at the first value of log(1 / alpha) or more, at any time."""
    low, high = bounds
    x = (np.atleast_2d(np.asarray(differences, dtype=np.float64)) - low) / (high - low)
    m = -low / (high - low)
    t = np.arange(1, x.shape[1] + 1)
    means = (0.5 + np.cumsum(x, axis=1)) / (t + 1)
    squares = 0.25 + np.cumsum((x - means) ** 2, axis=1)
    before = np.hstack((np.full((x.shape[0], 1), 0.25), squares[:, :-1])) / t
    bets = np.sqrt(2 * math.log(2 / alpha) / (before * t * np.log1p(t)))
    up = np.cumsum(np.log1p(np.minimum(bets, BOLDNESS / m) * (x - m)), axis=1)
    down = np.cumsum(np.log1p(-np.minimum(bets, BOLDNESS / (1 - m)) * (x - m)), axis=1)
    wealth: Floats = np.maximum(up, down) - math.log(2)
    return wealth
