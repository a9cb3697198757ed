"""A metric along an ordered axis (checkpoints, revisions): its noise band and which steps are real."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec
from numpy.typing import ArrayLike

from .correct import Correction
from .estimate import Estimate
from .paired import Comparison


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Estimates at each point, the steps between neighbours, and the smallest step one could have seen."""

    labels: tuple[str, ...]
    points: tuple[Estimate, ...]
    steps: tuple[Comparison, ...]
    """steps[i] compares point i + 1 with point i."""
    p_adjusted: tuple[float | None, ...]
    changed: tuple[bool, ...]
    """Whether a step is shown after correction."""
    overall: Comparison | None
    """Last against first."""
    smallest_visible: float | None
    correction: Correction
    alpha: float


def compare_trend(
    labels: Sequence[str],
    scores: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    correction: Correction = "holm",
    lower_is_better: bool = False,
) -> Trend:
    """scores: points x questions in the order of the axis, NaN where missing."""
    raise NotImplementedError
