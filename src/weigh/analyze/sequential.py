"""Stopping early without cheating: an interval that holds at every moment at once."""

from __future__ import annotations

from numpy.typing import ArrayLike


class ConfidenceSequence:
    """Anytime-valid interval for the mean of bounded paired differences, fed one question at a time.

    After each `update` the interval (`low`, `high`) may be looked at; the chance that it *ever* misses the true
    mean is at most `alpha`.
    """

    def __init__(self, *, bounds: tuple[float, float] = (-1.0, 1.0), alpha: float = 0.05, grid: int = 1001) -> None:
        raise NotImplementedError

    n: int
    mean: float | None
    low: float
    high: float

    def update(self, difference: float) -> None:
        raise NotImplementedError

    def decision(self, *, margin: float | None = None, lower_is_better: bool = False) -> str:
        """ "better", "worse", "equivalent" (needs a margin) or "unresolved"."""
        raise NotImplementedError
