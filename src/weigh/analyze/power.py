"""How many questions and epochs it takes to see a difference, and what a benchmark of this size can resolve."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class PowerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What this design can show and what it would take to show `detect`."""

    n: int
    epochs: float
    between: float | None
    """Variance of the true paired difference from question to question."""
    within: float | None
    """Variance that one epoch adds (both arms together); None with a single epoch."""
    se: float | None
    mde80: float | None
    detect: float
    power: float | None
    """Of this design for `detect`."""
    questions: int | None
    """Questions needed for `detect` at this number of epochs (N*)."""
    resolution: float | None
    """q = n / questions."""
    questions_if_many_epochs: int | None
    """Questions needed however many epochs are run."""
    epochs_needed: int | None
    """Epochs needed on these n questions; None when no number is enough or cannot be told."""
    assumption: str
    advice: str


def mcnemar_power(n: int, p_win: float, p_loss: float, alpha: float = 0.05) -> float:
    raise NotImplementedError


def normal_power(difference: float, se: float, alpha: float = 0.05) -> float:
    raise NotImplementedError


def questions_needed(difference: float, variance: float, alpha: float = 0.05, power: float = 0.8) -> float:
    raise NotImplementedError


def mcnemar_questions(p_win: float, p_loss: float, alpha: float = 0.05, power: float = 0.8) -> float | None:
    raise NotImplementedError


def plan_power(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]] | None = None,
    *,
    detect: float,
    correlation: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
) -> PowerPlan:
    raise NotImplementedError
