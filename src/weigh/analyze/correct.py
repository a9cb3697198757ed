"""Many tests at once: Holm keeps the chance of any false claim at alpha, Benjamini-Hochberg the share of false
claims among the claims. `None` (no test was possible) stays `None` and counts as no test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Correction = Literal["holm", "bh", "none"]


def _spread(p: Sequence[float | None], adjusted: np.ndarray) -> list[float | None]:
    values = iter(adjusted.tolist())
    return [None if value is None else float(next(values)) for value in p]


def _given(p: Sequence[float | None]) -> np.ndarray:
    given = np.array([value for value in p if value is not None], dtype=float)
    if given.size and not bool(np.all((given >= 0) & (given <= 1))):
        raise ValueError("a p-value lies outside [0, 1] or is NaN")
    return given


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values by Holm's step-down method (Holm 1979); valid under any dependence."""
    given = _given(p)
    order = np.argsort(given, kind="stable")
    factors = np.arange(given.size, 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * given[order]))
    return _spread(p, adjusted)


def benjamini_hochberg(p: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values by Benjamini and Hochberg's step-up method (1995); for independent or positively
    dependent tests."""
    given = _given(p)
    order = np.argsort(given, kind="stable")
    scaled = given[order] * given.size / np.arange(1, given.size + 1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return _spread(p, adjusted)


def adjust(p: Sequence[float | None], correction: Correction = "holm") -> list[float | None]:
    """Adjusted p-values by the named correction: `holm`, `bh` or `none`."""
    if correction == "holm":
        return holm(p)
    if correction == "bh":
        return benjamini_hochberg(p)
    if correction == "none":
        return [None if value is None else float(value) for value in p]
    raise ValueError(f"unknown correction {correction!r}: choose holm, bh or none")
