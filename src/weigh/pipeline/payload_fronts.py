"""Score against cost: which arms beat which in both, so that the page has the front of any choice of arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weigh.analyze.front import beaten_by
from weigh.pipeline.payload_costs import EVERY
from weigh.pipeline.payload_grid import ERRORS, LEVELS, Blocks


def front_rows(
    results: Mapping[str, int],
    blocks: Blocks,
    costs: Sequence[Mapping[str, Any]],
    tasks: Sequence[str],
    names: Sequence[str],
) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """By how failed trials count (and `|shared`), then cost, then the task's place (`EVERY`: the first suite's number).

    Args:
        results: Places of the rows of results, by lens; scores do not depend on the level.
        costs: Rows of `cost_rows`; their means are the costs.
        names: The costs to look at.

    Returns:
        Of each the task or suite that is scored (`subject`) and, by arm, the arms that beat it (`beaten`).
    """
    spent: dict[tuple[str, int], dict[int, float]] = {}
    for row in costs:
        if row["measure"] in names and row["mean"] is not None:
            spent.setdefault((row["measure"], row["task"]), {})[row["arm"]] = row["mean"]
    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for key in (errors + suffix for errors in ERRORS for suffix in ("", "|shared")):
        rows = blocks.read(results[f"{LEVELS[0]:g}|{key}"])
        scores: dict[str, dict[int, Mapping[str, Any]]] = {}
        for row in rows:
            if (row["primary"] or row["suite"]) and row["score"] is not None:
                scores.setdefault(row["task"], {}).setdefault(row["arm"], row)
        suite = next((row["task"] for row in rows if row["suite"] and row["score"] is not None), None)
        for (name, place), own in spent.items():
            subject = suite if place == EVERY else tasks[place]
            made = _front(own, scores.get(subject or "", {}))
            if made is not None:
                of_cost = found.setdefault(key, {}).setdefault(name, {})
                of_cost[str(place)] = {"subject": subject, "beaten": made}
    return found


def _front(costs: Mapping[int, float], scores: Mapping[int, Mapping[str, Any]]) -> dict[str, list[int]] | None:
    """None where fewer than two arms have both."""
    arms = sorted(set(costs) & set(scores))
    if len(arms) < 2:
        return None
    lower = bool(scores[arms[0]]["lower_is_better"])
    beaten = beaten_by([costs[i] for i in arms], [scores[i]["score"] for i in arms], lower_is_better=lower)
    return {str(arm): [arms[j] for j in by] for arm, by in zip(arms, beaten, strict=True) if by}
