"""Do two judges agree beyond chance, and does a judge favour the answer that it reads first?

Source: Cohen 1960; the standard error is that of Fleiss, Cohen and Everitt 1969 (not the one under "no agreement").
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import msgspec
import numpy as np

from .distributions import z_two_sided
from .estimate import wilson
from .mcnemar import mcnemar_exact
from .verdict import show_p


class Kappa(msgspec.Struct, frozen=True, kw_only=True):
    """Cohen's kappa of two raters over the same items."""

    n: int
    agreement: float | None
    expected: float | None
    kappa: float | None
    se: float | None
    low: float | None
    high: float | None
    note: str | None = None


class PositionBias(msgspec.Struct, frozen=True, kw_only=True):
    """A judge asked twice about the same pairs, in both orders."""

    n: int
    consistent: int
    first: int
    """Inconsistent pairs in which it leaned to whatever came first."""
    second: int
    rate_first: float | None
    """Of the inconsistent pairs, the share that favours the first place; .5 is no bias."""
    low: float | None
    high: float | None
    p: float | None
    biased: bool
    reason: str


def cohen_kappa(rater_1: Sequence[Hashable], rater_2: Sequence[Hashable], *, level: float = 0.95) -> Kappa:
    """Agreement beyond what the raters' habits alone would give: (agreement - expected) / (1 - expected)."""
    n = len(rater_1)
    if len(rater_2) != n:
        raise ValueError(f"{n} ratings and {len(rater_2)}: both must rate the same items")
    if n == 0:
        return Kappa(
            n=0, agreement=None, expected=None, kappa=None, se=None, low=None, high=None, note="no item in common"
        )
    codes: dict[Hashable, int] = {}
    pairs = [
        (codes.setdefault(x, len(codes)), codes.setdefault(y, len(codes)))
        for x, y in zip(rater_1, rater_2, strict=True)
    ]
    table = np.zeros((len(codes), len(codes)))
    np.add.at(table, tuple(np.array(pairs).T), 1.0)
    table /= n
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    agreement, expected = float(np.trace(table)), float(rows @ columns)
    if expected >= 1 - 1e-12:
        return Kappa(
            n=n, agreement=agreement, expected=expected, kappa=None, se=None, low=None, high=None,
            note="both raters gave one and the same label to everything: kappa is not defined",
        )  # fmt: skip
    kappa = min(1.0, (agreement - expected) / (1 - expected))
    diagonal = np.diag(table)
    first = float(np.sum(diagonal * (1 - (rows + columns) * (1 - kappa)) ** 2))
    cross = table * (columns[:, None] + rows[None, :]) ** 2
    second = (1 - kappa) ** 2 * float(cross.sum() - np.trace(cross))
    third = (kappa - expected * (1 - kappa)) ** 2
    se = math.sqrt(max(0.0, first + second - third) / n) / (1 - expected)
    half = z_two_sided(level) * se
    return Kappa(
        n=n,
        agreement=agreement,
        expected=expected,
        kappa=kappa,
        se=se,
        low=max(-1.0, kappa - half),
        high=min(1.0, kappa + half),
        note=None if n >= 30 else "fewer than 30 items: the interval is rough",
    )


_PLACES = {"first": 1, "tie": 0, "second": -1}


def position_bias(first_order: Sequence[str], swapped_order: Sequence[str], *, alpha: float = 0.05) -> PositionBias:
    """Each verdict is "first", "second" or "tie"; `swapped_order` is of the same pairs with the places exchanged, so
    that an unbiased judge turns "first" into "second". Over the inconsistent pairs: a fair coin, exactly tested."""
    if len(first_order) != len(swapped_order):
        raise ValueError(
            f"{len(first_order)} verdicts and {len(swapped_order)}: both orders of the same pairs are needed"
        )
    for word in (*first_order, *swapped_order):
        if word not in _PLACES:
            raise ValueError(f"verdict {word!r}: choose first, second or tie")
    leaning = [_PLACES[x] + _PLACES[y] for x, y in zip(first_order, swapped_order, strict=True)]
    first, second, n = sum(v > 0 for v in leaning), sum(v < 0 for v in leaning), len(leaning)
    contested = first + second
    p = float(mcnemar_exact(first, second)) if n else None
    rate = first / contested if contested else None
    low, high = wilson(rate, contested, z_two_sided(1 - alpha)) if rate is not None else (None, None)
    biased = p is not None and p <= alpha
    reason = "no pair" if n == 0 else f"{first} pairs lean to the first place, {second} to the second, p = {show_p(p)}"
    return PositionBias(
        n=n,
        consistent=n - contested,
        first=first,
        second=second,
        rate_first=rate,
        low=low,
        high=high,
        p=p,
        biased=biased,
        reason=reason,
    )
