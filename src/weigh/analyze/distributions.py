"""The few distribution functions needed, from `scipy.special` (importing `scipy.stats` takes 0.8 s)."""

from __future__ import annotations

import math

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from .checks import fraction


def z_two_sided(level: float) -> float:
    """The normal quantile that leaves (1 - level) / 2 above it."""
    return float(ndtri(0.5 + fraction(level, "level") / 2))


def t_two_sided(level: float, df: float) -> float:
    """The same quantile of Student's t with `df` degrees of freedom."""
    return float(stdtrit(df, 0.5 + fraction(level, "level") / 2))


def p_from_z(z: float) -> float:
    """Two-sided p of a normal statistic."""
    return float(min(1.0, 2 * ndtr(-abs(z))))


def p_from_t(statistic: float, df: float) -> float:
    """Two-sided p of a t statistic; `df` may be infinite."""
    if math.isinf(df):
        return p_from_z(statistic)
    return float(min(1.0, 2 * stdtr(df, -abs(statistic))))


def detectable(alpha: float = 0.05, power: float = 0.8) -> float:
    """z_{1-alpha/2} + z_{power}: how many standard errors an effect must measure to be seen that often."""
    return float(ndtri(1 - fraction(alpha, "alpha") / 2) + ndtri(fraction(power, "power")))
