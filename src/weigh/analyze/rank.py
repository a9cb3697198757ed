"""Who stands above whom, as a view: Bradley-Terry strengths and tiers that the evidence does not separate."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from numpy.typing import ArrayLike


class BradleyTerry(msgspec.Struct, frozen=True, kw_only=True):
    """Strengths on the log scale (mean 0), best first."""

    names: tuple[str, ...]
    strength: tuple[float, ...]
    se: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    contested: int
    note: str | None = None


def bradley_terry(names: Sequence[str], wins: ArrayLike, *, level: float = 0.95) -> BradleyTerry:
    """wins[i][j]: questions on which arm i beat arm j."""
    raise NotImplementedError


def tiers(names: Sequence[str], scores: Sequence[float], separated: ArrayLike) -> list[list[str]]:
    raise NotImplementedError
