"""Many arms: every pair on its own overlap, with corrections, fast."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec
from numpy.typing import ArrayLike

from .correct import Correction
from .paired import Verdict


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Arm b against arm a, on the questions that both have."""

    a: str
    b: str
    n: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    wins: int
    losses: int
    ties: int
    mde80: float | None
    approximate: bool
    method: str
    verdict: Verdict


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All pairs, a ranking, and tiers that the evidence does not separate."""

    names: tuple[str, ...]
    means: tuple[float | None, ...]
    counts: tuple[int, ...]
    pairs: tuple[Pair, ...]
    """One for each i < j, a = names[i], b = names[j], row by row."""
    tiers: tuple[tuple[str, ...], ...]
    correction: Correction
    shared: bool
    alpha: float


def compare_matrix(
    names: Sequence[str],
    scores: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    correction: Correction = "holm",
    shared: bool = False,
    lower_is_better: bool = False,
) -> Matrix:
    """scores: arms x questions, NaN where an arm has no score for a question."""
    raise NotImplementedError
