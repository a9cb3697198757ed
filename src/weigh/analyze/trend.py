"""A metric along an ordered axis (checkpoints, revisions): its noise band and which steps are real.

Each point has its own interval, which is too wide for judging steps: neighbours answer the same questions, so a step
is a paired comparison on the questions that both have. Steps are corrected for their number.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from .correct import Correction, adjust
from .estimate import Estimate, estimate
from .paired import Comparison, compare_pairs


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
    """The median over steps of the change that one step would show with 80 % power (before correction)."""
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
    """`scores`: points x questions in the order of the axis, NaN where a point has no score for a question."""
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != len(labels):
        raise ValueError(f"scores have the shape {table.shape}; {len(labels)} points x questions are needed")
    if np.isinf(table).any():
        raise ValueError("scores: an infinity is no score")
    have = ~np.isnan(table)

    def names(keep: np.ndarray) -> list[Hashable] | None:
        return None if clusters is None else [clusters[i] for i in np.flatnonzero(keep).tolist()]

    def step(i: int, j: int) -> Comparison:
        keep = have[i] & have[j]
        return compare_pairs(
            table[i][keep], table[j][keep], clusters=names(keep), alpha=alpha, lower_is_better=lower_is_better,
            bootstrap=False,
        )  # fmt: skip

    points = tuple(
        estimate(row[keep], clusters=names(keep), level=1 - alpha) for row, keep in zip(table, have, strict=True)
    )
    steps = tuple(step(i, i + 1) for i in range(len(labels) - 1))
    adjusted = adjust([one.p for one in steps], correction)
    visible = [one.mde80 for one in steps if one.mde80 is not None]
    return Trend(
        labels=tuple(labels),
        points=points,
        steps=steps,
        p_adjusted=tuple(adjusted),
        changed=tuple(p is not None and p <= alpha for p in adjusted),
        overall=step(0, len(labels) - 1) if len(labels) > 1 else None,
        smallest_visible=float(np.median(visible)) if visible else None,
        correction=correction,
        alpha=alpha,
    )
