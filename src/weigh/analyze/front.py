"""The Pareto front: what no other thing beats in both of two numbers."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], scores: Sequence[float], *, lower_is_better: bool = False) -> list[int]:
    """Places of the points that none costs less than at a score as good, by cost.

    Args:
        costs: Less is better.
        scores: More is better, unless `lower_is_better`.

    Raises:
        ValueError: The two differ in length.
    """
    worth, order = _by_cost(costs, scores, lower_is_better)
    front: list[int] = []
    for i in order:
        if not front or worth[i] > worth[front[-1]]:
            front.append(i)
    return front


def beaten_by(costs: Sequence[float], scores: Sequence[float], *, lower_is_better: bool = False) -> list[list[int]]:
    """For each point the places of those that beat it: cheaper at a score as good, or better at the same cost.

    Of points that are alike in both the first one counts as beating the others, so that the points that nothing beats
    are those of `pareto_front`, of all points as of any part of them.

    Raises:
        ValueError: The two differ in length.
    """
    worth, order = _by_cost(costs, scores, lower_is_better)
    return [[j for j in order[: order.index(i)] if worth[j] >= worth[i]] for i in range(len(costs))]


def _by_cost(costs: Sequence[float], scores: Sequence[float], lower_is_better: bool) -> tuple[list[float], list[int]]:
    """What each point is worth (more is better), and the places in order: cheapest first, then best first."""
    if len(costs) != len(scores):
        raise ValueError(f"{len(costs)} costs and {len(scores)} scores")
    worth = [-score if lower_is_better else score for score in scores]
    return worth, sorted(range(len(costs)), key=lambda i: (costs[i], -worth[i]))
