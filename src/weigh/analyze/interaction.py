"""Does the effect differ along another axis? A test of the difference of differences."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from numpy.typing import ArrayLike

from .paired import Comparison


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """How the effect of b against a changes along an ordered axis."""

    levels: tuple[str, ...]
    effects: tuple[Comparison, ...]
    n: int
    contrast: float | None
    """Two levels: effect at the last minus effect at the first. More: slope of the effect per step of the axis."""
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    method: str
    paired: bool
    differs: bool
    reason: str


def compare_interaction(
    levels: Sequence[str],
    pairs: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    paired: bool = True,
    positions: Sequence[float] | None = None,
    alpha: float = 0.05,
    lower_is_better: bool = False,
    seed: int = 0,
) -> Interaction:
    raise NotImplementedError
