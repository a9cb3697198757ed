"""One task for many arms: a sheet with a row for each arm and a column for each question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from weigh.pipeline.clusters import cluster_names
from weigh.pipeline.column import Column, column
from weigh.pipeline.compare_options import Options
from weigh.pipeline.metrics import pick_metric
from weigh.pipeline.sides import Side, contexts, side_key
from weigh.pipeline.task_names import choose_named
from weigh.pipeline.task_pairs import has_variant, refuse_versions, task_pairs
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo, TaskInfo
from weigh.records.trial import join_spec
from weigh.store.dataset import Dataset


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One task: a score for each arm and question. `values` and `failed` have the shape (arms, questions), NaN where an
    arm has none."""

    task: str
    metric: MetricInfo
    names: tuple[str, ...]
    values: NDArray[np.float64]
    failed: NDArray[np.float64]
    timeouts: NDArray[np.float64]
    clusters: NDArray[Any] | None


def tasks_meant(sides: Sequence[Side], words: Sequence[str]) -> tuple[str, ...]:
    """What words mean among the tasks of all sides together, as `task_pairs` names tasks."""
    if not words:
        return ()
    members = [member for side in sides for member in side.members]
    every = [join_spec(t.name, t.variant) for m in members for t in m.run.tasks if has_variant(m, t)]
    chosen = choose_named(every, words)
    by_base = any(member.variant is not None for member in members)
    return tuple(dict.fromkeys(spec.split(":")[0] for spec in chosen)) if by_base else tuple(chosen)


def shared_tasks(sides: Sequence[Side], wanted: Sequence[str]) -> dict[str, dict[int, list[TaskInfo]]]:
    """Tasks that at least two sides have, with each side's definitions by its place.

    Raises:
        DefinitionError: No two sides share a task, or they mean different ones by it.
    """
    found: dict[str, dict[int, list[TaskInfo]]] = {}
    failures: list[DefinitionError] = []
    for (i, a), (j, b) in combinations(enumerate(sides), 2):
        try:
            pairs = task_pairs(a, b, wanted)
        except DefinitionError as error:
            failures.append(error)
            continue
        for name, ours, theirs in pairs:
            refuse_versions(name, ours, theirs)
            found.setdefault(name, {}).update({i: ours, j: theirs})
    if not found:
        raise failures[0]
    return found


def fill_sheet(
    data: Dataset, sides: Sequence[Side], name: str, defined: Mapping[int, list[TaskInfo]], options: Options
) -> Sheet:
    """The sheet of a task, remembered with the data.

    Args:
        defined: By a side's place among `sides`: its definitions of the task.
        options: Which metric, how failed trials count, and what to cluster by.
    """
    key = ("sheet", tuple(map(side_key, sides)), name, options.metric, options.errors, options.cluster)
    made: Sheet = data.remember(key, lambda: _filled(data, sides, name, defined, options))
    return made


def _filled(
    data: Dataset, sides: Sequence[Side], name: str, defined: Mapping[int, list[TaskInfo]], options: Options
) -> Sheet:
    rest = contexts(sides)
    at = sorted(defined)
    metric = pick_metric(defined[at[0]], options.metric)
    columns: list[Column] = []
    for i in at:
        tasks = [t for t in defined[i] if any(has_variant(m, t) for m in sides[i].members)]
        own = pick_metric(tasks, options.metric or metric.name)
        columns.append(column(data, sides[i], tasks, own, rest, options.errors))
    keys = np.unique(np.concatenate([np.array(list(c.ids), dtype=str) for c in columns]))
    shape = (len(columns), keys.size)
    values, failed, timeouts = (np.full(shape, np.nan) for _ in range(3))
    clusters: NDArray[Any] | None = None
    for row, one in enumerate(columns):
        have = np.searchsorted(keys, one.questions.keys.astype(str))
        values[row, have] = one.questions.values
        planned = np.searchsorted(keys, np.array(list(one.failed), dtype=str))
        failed[row, planned] = list(one.failed.values())
        timeouts[row, planned] = list(one.timeouts.values())
        names, _ = cluster_names(
            data, one.questions, np.arange(one.questions.n), one.questions.keys, rest, options.cluster
        )
        if names is not None:
            clusters = keys.astype(object) if clusters is None else clusters
            clusters[have] = names
    return Sheet(
        task=name,
        metric=metric,
        names=tuple(sides[i].label for i in at),
        values=values,
        failed=failed,
        timeouts=timeouts,
        clusters=clusters,
    )


def only_shared(sheet: Sheet) -> Sheet:
    """Only the questions that all arms have."""
    keep = ~np.isnan(sheet.values).any(axis=0)
    return msgspec.structs.replace(
        sheet,
        values=sheet.values[:, keep],
        timeouts=sheet.timeouts[:, keep],
        clusters=None if sheet.clusters is None else sheet.clusters[keep],
    )
