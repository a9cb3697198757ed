"""What a verdict is about. *Tasks like these*: the questions (or tasks) are draws from a larger world and are the
unit. *These tasks*: the questions are given, and only the luck of the epochs within each is in doubt."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .paired import Verdict

TASKS_LIKE_THESE = "tasks like these"
THESE_TASKS = "these tasks"


class GivenComparison(msgspec.Struct, frozen=True, kw_only=True):
    """b against a on exactly these questions; chance is only in the epochs."""

    n: int
    epochs_a: int
    """The fewest epochs that arm a has on a question."""
    epochs_b: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    method: str
    interval_method: str
    approximate: bool
    verdict: Verdict
    reason: str
    scope: str = THESE_TASKS
    alpha: float = 0.05
    lower_is_better: bool = False


def compare_given(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    *,
    alpha: float = 0.05,
    lower_is_better: bool = False,
    seed: int = 0,
) -> GivenComparison:
    raise NotImplementedError
