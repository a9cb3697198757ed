"""The values of an arm's trials on a task, as the store has them: a score's, or what each trial cost."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from weigh.pipeline.metrics import COSTS
from weigh.pipeline.sides import Member
from weigh.records.run import MetricInfo, TaskInfo
from weigh.records.trial import EMPTY, ERROR
from weigh.store.columns import MEASURES
from weigh.store.dataset import Dataset


def read_values(data: Dataset, task: TaskInfo, metric: MetricInfo, member: Member) -> Any:
    """The trials of an arm on a task, as stored; what a failed trial had cost is no cost of an answer."""
    rows = _stored_values(data, task, metric, member)
    failed = did_fail(rows.status)
    return msgspec.structs.replace(rows, value=np.where(failed, np.nan, rows.value))


def did_fail(status: NDArray[Any]) -> NDArray[np.bool_]:
    """Of which trials the machinery failed; that is no outcome of theirs."""
    found: NDArray[np.bool_] = (status == ERROR) | (status == EMPTY)
    return found


def _stored_values(data: Dataset, task: TaskInfo, metric: MetricInfo, member: Member) -> Any:
    where: dict[str, Any] = {"variant": task.variant, "arm": member.arm.id, "run": member.run.id}
    if metric.name == "tokens" and metric.scorer in COSTS:
        parts = [data.values(task.name, measure=m, **where) for m in ("new", "cached", "generated")]
        known = np.array([p.value for p in parts])
        total = np.where(np.isnan(known).all(axis=0), np.nan, np.nansum(known, axis=0))
        return msgspec.structs.replace(parts[0], value=total)
    if metric.scorer in COSTS and metric.scorer in MEASURES:
        return data.values(task.name, measure=metric.scorer, **where)
    return data.values(task.name, metric.scorer, **where)
