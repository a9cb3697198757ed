"""Two arms that failed unequally get no verdict: what is missing may be what would have decided."""

from __future__ import annotations

import msgspec
from numpy.typing import ArrayLike


class UnequalFailures(msgspec.Struct, frozen=True, kw_only=True):
    """Failed trials of two arms on the same questions."""

    n: int
    failed_a: int
    failed_b: int
    p: float
    """Exact McNemar of the failures."""
    unequal: bool
    reason: str


def failed_unequally(
    failed_a: ArrayLike, failed_b: ArrayLike, *, alpha: float = 0.05, tolerance: float = 0.05
) -> UnequalFailures:
    raise NotImplementedError
