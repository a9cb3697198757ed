"""Stopping early without cheating: an interval that holds at every moment at once.

Looking at an ordinary p-value after each question and stopping at the first small one finds a "difference" between
equal arms sooner or later. This interval comes from betting: for each possible mean m gamblers bet against it, fairly
if m is true; gamblers who together multiply their stake by 1/alpha have shown that m is not the mean, whenever that
happens. There is one gambler for each of several boldnesses, on either side, so that small and large differences are
both found without knowing beforehand which it will be; the order of the questions does not change the result.
Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS B 86, 1-27:
capital processes (section 4) and diversified constant bets (dKelly, appendix B); Ville's inequality.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .checks import Floats, fraction
from .verdict import Verdict

BOLDNESS = np.geomspace(0.005, 0.95, 14)
"""The shares of the largest fair bet that the gamblers stake each time."""


class ConfidenceSequence:
    """Anytime-valid interval for the mean of bounded paired differences, fed one question at a time.

    After each `update` the interval (`low`, `high`) may be looked at; the chance that it *ever* misses the true
    mean is at most `alpha`. One step costs a few vector operations over the `grid` of possible means. The questions
    come in random order, whatever has been seen so far.
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
        self._wealth = np.zeros((2 * BOLDNESS.size, grid))
        self._gains: dict[float, Floats] = {}
        self._alive = np.ones(grid, dtype=bool)

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
        gain = self._gains.get(x)
        if gain is None:
            gain = _gains(np.array([x]), self._means)[0]
            if len(self._gains) < 64:  # few distinct differences is the rule: 0/1 scores have three
                self._gains[x] = gain
        self._wealth += gain
        self._sum += difference
        self.n += 1
        alive = self._alive & (_together(self._wealth) < math.log(1 / self.alpha))
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


def _gains(x: Floats, means: Floats) -> Floats:
    """Log of what each gambler's stake is multiplied by when x is seen: values x gamblers x means."""
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(means > 0, (x[:, None] - means) / means, np.where(x[:, None] > 0, np.inf, 0.0))
        down = np.where(means < 1, (means - x[:, None]) / (1 - means), np.where(x[:, None] < 1, np.inf, 0.0))
        edge = np.stack((up, down), axis=1)[:, :, None, :] * BOLDNESS[None, None, :, None]
    gains: Floats = np.log1p(edge).reshape(x.size, 2 * BOLDNESS.size, means.size)
    return gains


def _together(wealth: Floats) -> Floats:
    """Log of the gamblers' mean wealth; the gamblers are the second axis from the right."""
    most = wealth.max(axis=-2)
    with np.errstate(invalid="ignore"):
        mean = np.exp(wealth - most[..., None, :]).mean(axis=-2)
    result: Floats = np.where(np.isposinf(most), np.inf, most + np.log(mean))
    return result


def log_wealth(differences: ArrayLike, *, bounds: tuple[float, float] = (-1.0, 1.0)) -> Floats:
    """The gamblers' path against "the mean difference is 0" over each row of `differences`: the log of their wealth
    after each question. "No difference" is rejected at the first value of log(1 / alpha) or more, at any time."""
    low, high = bounds
    table = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    null = np.array([-low / (high - low)])
    paths = np.empty(table.shape)
    for row, d in enumerate(table):
        values, back = np.unique(d, return_inverse=True)
        gains = _gains((values - low) / (high - low), null)[:, :, 0]
        paths[row] = _together(np.cumsum(gains[back], axis=0)[:, :, None])[:, 0]
    return paths
