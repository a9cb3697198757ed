"""The power of McNemar's exact test, summed exactly, and the number of questions at which it reaches a power."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import bdtr, gammaln

from .checks import Floats, fraction
from .distributions import detectable
from .mcnemar import critical_losses

EXACT_QUESTIONS = 20_000
"""Beyond this the normal form, which by then agrees to a fraction of a percent."""
CLOSE = 1e-7
"""A power from the table of a search is off by less than a hundredth of this (rounding)."""


def mcnemar_power(n: int, p_win: float, p_loss: float, alpha: float = 0.05) -> float:
    """Probability that McNemar's exact test at `alpha` rejects, in either direction, over n questions each won with
    probability `p_win` and lost with `p_loss`. Summed over the number of contested questions."""
    if n < 0 or p_win < 0 or p_loss < 0 or p_win + p_loss > 1:
        raise ValueError("n is 0 or more; p_win and p_loss are probabilities with a sum of at most 1")
    fraction(alpha, "alpha")
    contested = p_win + p_loss
    if n == 0 or contested == 0:
        return 0.0
    low, high = _likely(n, contested)
    m = np.arange(low, high + 1, dtype=np.int64)
    chance = np.diff(bdtr(np.arange(low - 1, high + 1, dtype=np.float64), n, contested), prepend=np.nan)[1:]
    if low == 0:
        chance[0] = (1 - contested) ** n
    seen = chance > 1e-12  # numbers of contested questions that do not happen need no tail
    m, chance = m[seen], chance[seen]
    k = critical_losses(m, alpha)
    rate = p_win / contested
    tail = np.where(k >= 0, bdtr(np.maximum(k, 0.0), m, rate) + bdtr(np.maximum(k, 0.0), m, 1 - rate), 0.0)
    return float(min(1.0, np.sum(chance * tail)))


def _likely(n: int, contested: float) -> tuple[int, int]:
    """The fewest and the most contested questions that are worth a sum."""
    reach = 9 * math.sqrt(n * contested * (1 - contested)) + 9
    return max(0, math.floor(n * contested - reach)), min(n, math.ceil(n * contested + reach))


def questions_needed(difference: float, variance: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """N*: (z_{1-alpha/2} + z_power)^2 variance / difference^2, with the variance of one question's difference."""
    if difference == 0:
        return math.inf
    return detectable(alpha, power) ** 2 * variance / difference**2


@lru_cache(maxsize=20_000)
def mcnemar_questions(p_win: float, p_loss: float, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """N* of McNemar's exact test: the number of questions at which its power reaches `power`; None when the two
    probabilities are equal. Beyond 20,000 questions by the normal form."""
    difference, contested = p_win - p_loss, p_win + p_loss
    if difference == 0:
        return None
    rough = questions_needed(difference, contested - difference**2, alpha, power)
    if rough > EXACT_QUESTIONS:
        return rough
    powers = _Powers(p_win, p_loss, alpha)
    low, high = 0, max(16, math.ceil(rough))
    while powers.below(power, high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if powers.below(power, middle):
            low = middle
        else:
            high = middle
    return float(high)


class _Powers:
    """Powers of one test at many numbers of questions, as a search asks for them.

    How likely the test is to reject with m contested questions does not depend on how many questions there are, so one
    table of it serves the whole search.
    """

    def __init__(self, p_win: float, p_loss: float, alpha: float) -> None:
        self._asked = p_win, p_loss, alpha
        self._contested = p_win + p_loss
        self._rate = p_win / self._contested
        self._rejects: Floats = np.zeros(0)

    def below(self, power: float, n: int) -> bool:
        """Whether the power at n questions is less than `power`; where rounding could decide, by `mcnemar_power`."""
        quick = self._quick(n)
        if quick is None or abs(quick - power) < CLOSE:
            return mcnemar_power(n, *self._asked) < power
        return quick < power

    def _quick(self, n: int) -> float | None:
        """The power from the table; None where a logarithm would be of 0."""
        if not (0 < self._contested < 1 and 0 < self._rate < 1):
            return None
        low, high = _likely(n, self._contested)
        if high >= self._rejects.size:
            self._rejects = rejections(high, self._rate, self._asked[2])
        logs = _log_factorials(1 << n.bit_length())
        m = np.arange(low, high + 1)
        chances = np.exp(
            logs[n] - logs[m] - logs[n - m] + m * math.log(self._contested) + (n - m) * math.log1p(-self._contested)
        )
        return float(chances @ self._rejects[low : high + 1])


def rejections(most: int, rate: float, alpha: float) -> Floats:
    """For 0 to `most` contested questions the chance that the test at `alpha` rejects when each is won with `rate`.

    From one number of contested questions to the next a chance of at most k losses loses what lies at k and is now
    beyond it; where the critical k is one more, it gains what lies at the new one.
    """
    m = np.arange(most + 1)
    k = critical_losses(m, alpha)
    more = np.diff(k, prepend=-1)
    there = np.maximum(k, 0)
    logs = _log_factorials(1 << max(1, most).bit_length())
    ways = np.where(k >= 0, logs[m] - logs[there] - logs[m - there], -np.inf)
    found = np.zeros(most + 1)
    for one in (rate, 1 - rate):
        at_k = np.exp(ways + there * math.log(one) + (m - there) * math.log1p(-one))
        found += np.cumsum(more * at_k)
        found[1:] -= one * np.cumsum(at_k)[:-1]
    return found


@lru_cache(maxsize=8)
def _log_factorials(size: int) -> Floats:
    """Of 0 to size - 1."""
    logs: Floats = gammaln(np.arange(size) + 1.0)
    return logs
