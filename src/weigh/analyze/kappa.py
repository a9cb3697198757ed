"""Do two judges agree beyond chance, and does a judge favour the answer that it reads first?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec


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
    """Inconsistent pairs in which it chose whatever came first both times."""
    second: int
    rate_first: float | None
    """Of the inconsistent pairs, the share that favours the first place; .5 is no bias."""
    low: float | None
    high: float | None
    p: float | None
    biased: bool
    reason: str


def cohen_kappa(rater_1: Sequence[Hashable], rater_2: Sequence[Hashable], *, level: float = 0.95) -> Kappa:
    raise NotImplementedError


def position_bias(
    first_order: Sequence[str], swapped_order: Sequence[str], *, alpha: float = 0.05
) -> PositionBias:
    """Each verdict is "first", "second" or "tie"; swapped_order is of the same pairs with the places exchanged."""
    raise NotImplementedError
