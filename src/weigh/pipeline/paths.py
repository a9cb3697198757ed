"""`weigh compare --by marker:NAME`: what the trials that took a path scored and cost, beside those that did not.

A marker is a boolean scorer of behaviour ("ran the CLI"). Which path a trial took was its own choice, so the numbers
describe and prove nothing about what the path does; they carry estimates and no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.estimate import Estimate, estimate, estimate_epochs
from weigh.analyze.spread import Spread, spread
from weigh.pipeline.compare_options import Options
from weigh.pipeline.metrics import COSTS, pick_metric
from weigh.pipeline.questions import questions
from weigh.pipeline.sides import Side
from weigh.pipeline.task_pairs import has_variant, task_pairs
from weigh.pipeline.values import read_values
from weigh.records.errors import DefinitionError, suggest
from weigh.records.run import MetricInfo, TaskInfo
from weigh.store.dataset import Dataset

PREFIX = "marker:"
MEASURED = ("tokens", "turns", "seconds")


class PathRow(msgspec.Struct, frozen=True, kw_only=True):
    """The trials of one arm on one task that did, or did not, take the path.

    Attributes:
        side, task: Which.
        taken: True, False, or None where the marker could not tell.
        trials: How many there are.
        share: Of the trials of which the marker could tell.
        metric: The score's metric.
        score: Over questions; a question counts with those of its epochs that took the path.
        costs: By name, the same for tokens, turns, seconds (and the cost asked for); empty without means.
        spreads: Of the same costs, median and quartiles over trials.
    """

    side: str
    task: str
    taken: bool | None
    trials: int
    share: float | None
    metric: MetricInfo
    score: Estimate
    costs: dict[str, Estimate]
    spreads: dict[str, Spread] = {}


class PathReport(msgspec.Struct, frozen=True, kw_only=True):
    """Trials by the path they took."""

    marker: str
    sides: tuple[str, ...]
    rows: tuple[PathRow, ...]
    options: Options = Options()


def compare_paths(data: Dataset, sides: Sequence[Side], marker: str, options: Options) -> PathReport:
    """Split each arm's trials by a marker.

    Raises:
        DefinitionError: No trial has this marker.
    """
    scorer = marker if marker.startswith(PREFIX) else PREFIX + marker
    rows: list[PathRow] = []
    found: dict[str, dict[int, list[TaskInfo]]] = {}
    for place, side in enumerate(sides[1:], 1):
        for name, ours, theirs in task_pairs(sides[0], side, options.tasks):
            found.setdefault(name, {0: ours})[place] = theirs
    for name, tasks in found.items():
        for place, side in enumerate(sides):
            rows += side_paths(data, side, name, tasks.get(place, ()), scorer, options)
    if not any(row.taken is not None for row in rows):
        known = _markers(data)
        raise DefinitionError(
            f"--by {scorer}: no trial has this marker{suggest(scorer, known)} (there are {', '.join(known) or 'none'})"
        )
    return PathReport(
        marker=scorer.removeprefix(PREFIX), sides=tuple(s.label for s in sides), rows=tuple(rows), options=options
    )


def _markers(data: Dataset) -> list[str]:
    query = "select distinct unnest(map_keys(scores)) as name from trials"
    return sorted(row["name"] for row in data.sql(query) if row["name"].startswith(PREFIX))


def side_paths(
    data: Dataset, side: Side, name: str, tasks: Sequence[TaskInfo], scorer: str, options: Options, *,
    means: bool = True,
) -> list[PathRow]:  # fmt: skip
    """The paths of one side's trials on one task.

    Args:
        name: The task's, for tables.
        tasks: Its definitions in the runs of the side, as `task_pairs` gives them.
        means: Whether costs get means beside their quartiles (JSON has them; no table does).
    """
    wanted_tasks = {(task.name, task.variant) for task in tasks}
    found = [
        (member, task)
        for member in side.members
        for task in member.run.tasks
        if (task.name, task.variant) in wanted_tasks and has_variant(member, task)
    ]
    if not found:
        return []
    metric = pick_metric([found[0][1]], None if options.metric in COSTS else options.metric)
    wanted = dict.fromkeys([*((options.metric,) if options.metric in COSTS else ()), *MEASURED])
    infos = [metric, *(COSTS[c] for c in wanted)]
    marked = np.concatenate([
        read_values(data, task, MetricInfo(name=scorer, scorer=scorer), member).value for member, task in found
    ])  # fmt: skip
    columns = [[read_values(data, task, info, member) for member, task in found] for info in infos]
    known = int(np.sum(~np.isnan(marked)))
    rows = []
    for taken in (True, False, None):
        keep = np.isnan(marked) if taken is None else (marked > 0) == taken if known else np.zeros(0, dtype=bool)
        keep = keep & ~np.isnan(marked) if taken is not None and known else keep
        trials = int(np.sum(keep))
        if not trials:
            continue
        asked = len(infos) if means else 1
        numbers = [_estimate(parts, keep, info, options) for parts, info in zip(columns[:asked], infos, strict=False)]
        rows.append(PathRow(
            side=side.label, task=name, taken=taken, trials=trials,
            share=trials / known if taken is not None else None, metric=metric, score=numbers[0],
            costs=dict(zip(wanted, numbers[1:], strict=True)) if means else {},
            spreads={
                name: spread(_known(parts, keep))
                for name, parts in zip(wanted, columns[1:], strict=True)
            },
        ))  # fmt: skip
    return rows


def _known(parts: Sequence[Any], keep: Any) -> Any:
    """The values of the kept trials that have one."""
    values = np.concatenate([p.value for p in parts])[keep]
    return values[~np.isnan(values)]


def _estimate(parts: Sequence[Any], keep: Any, metric: MetricInfo, options: Options) -> Estimate:
    """Over the questions of the kept trials, arms of a side counting as questions of their own."""
    start = 0
    lists: list[list[float]] = []
    clusters: list[Any] = []
    for rows in parts:
        here = keep[start : start + rows.value.size]
        start += rows.value.size
        chosen = msgspec.structs.replace(
            rows,
            **{
                f: getattr(rows, f)[here]
                for f in ("instance_digest", "instance_id", "cluster", "epoch", "value", "status")
            },
        )
        found = questions(
            chosen, msgspec.structs.replace(metric, reduce="mean"), options.errors if metric.bounds else "exclude"
        )
        lists += found.epoch_lists()
        clusters += (found.clusters if found.clusters is not None else found.keys).tolist()
    grouped = clusters if len(set(clusters)) < len(clusters) else None
    if any(len(values) > 1 for values in lists):
        return estimate_epochs(lists, clusters=grouped, level=1 - options.alpha)
    return estimate([values[0] for values in lists], clusters=grouped, bounds=metric.bounds, level=1 - options.alpha)
