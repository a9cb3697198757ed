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
    if len(costs) != len(scores):
        raise ValueError(f"{len(costs)} costs and {len(scores)} scores")
    worth = [-score if lower_is_better else score for score in scores]
    front: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -worth[i])):
        if not front or worth[i] > worth[front[-1]]:
            front.append(i)
    return front
