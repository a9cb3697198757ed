"""Equivalence by two one-sided tests (TOST): both "b is worse by the margin" and "b is better by the margin" must be
rejected. Source: Schuirmann 1987. The same as asking whether the 1 - 2 alpha interval lies within the margin."""

from __future__ import annotations

import math

from scipy.special import ndtr, stdtr

from .tango import tango_equivalence

__all__ = ["tango_equivalence", "tost"]


def tost(difference: float, se: float, df: float, margin: float) -> float:
    """p of the two one-sided t tests (the larger of the two); `df` may be infinite. The margin is positive."""
    if not margin > 0:
        raise ValueError(f"a margin is larger than 0, got {margin}")
    if se <= 0:
        raise ValueError("no standard error: equivalence cannot be tested")
    above = (difference + margin) / se
    below = (difference - margin) / se
    if math.isinf(df):
        return float(max(ndtr(-above), ndtr(below)))
    return float(max(stdtr(df, -above), stdtr(df, below)))
