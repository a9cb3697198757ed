"""One side's questions of one task: those of all its arms put together, each in the context it was asked in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from weigh.pipeline.metrics import COSTS
from weigh.pipeline.questions import Errors, Questions, question_keys, questions
from weigh.pipeline.sides import Side, side_key
from weigh.pipeline.task_pairs import has_variant
from weigh.pipeline.values import did_fail, read_values
from weigh.records.arm import Axis
from weigh.records.run import MetricInfo, TaskInfo
from weigh.store.dataset import Dataset


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One side's questions of one task, contexts put together; keys carry the context."""

    questions: Questions
    context: tuple[tuple[Axis, ...], ...]
    failed: Mapping[str, float]
    timeouts: Mapping[str, float]
    ids: Mapping[str, str]


def column(
    data: Dataset, side: Side, tasks: Sequence[TaskInfo], metric: MetricInfo, rest: Sequence[str], errors: Errors
) -> Column:
    """One side's questions of one task, of all its arms; the key of a question carries its context."""
    key = ("column", side_key(side), tuple((t.name, t.variant) for t in tasks), metric, tuple(rest), errors)
    made: Column = data.remember(key, lambda: _column(data, side, tasks, metric, rest, errors))
    return made


def _column(
    data: Dataset, side: Side, tasks: Sequence[TaskInfo], metric: MetricInfo, rest: Sequence[str], errors: Errors
) -> Column:
    variants = {(t.name, t.variant) for t in tasks}
    parts: list[tuple[tuple[Axis, ...], Questions]] = []
    failed: dict[str, float] = {}
    timeouts: dict[str, float] = {}
    ids: dict[str, str] = {}
    served: set[tuple[str, tuple[Axis, ...]]] = set()
    for member in side.members:
        context = tuple(member.axis(name) for name in rest)
        for task in member.run.tasks:
            if (task.name, task.variant) not in variants or not has_variant(member, task):
                continue
            if (task.name, context) in served:
                continue  # an older run of the same arm
            served.add((task.name, context))
            rows = read_values(data, task, metric, member)
            found = questions(rows, metric, errors)
            suffix = "" if not rest else "|" + "|".join(map(str, context))
            found = msgspec.structs.replace(
                found,
                keys=_suffixed(found.keys, suffix),
                lost=tuple(k + suffix for k in found.lost),
            )
            parts.append((context, found))
            _shares(rows, suffix, failed, timeouts, ids, metric.scorer in COSTS)
    if len(parts) == 1:
        whole = parts[0][1]
    else:
        whole = _joined([p for _, p in parts])
    context_of = tuple(c for c, p in parts for _ in range(p.n))
    return Column(questions=whole, context=context_of, failed=failed, timeouts=timeouts, ids=ids)


def _suffixed(keys: NDArray[Any], suffix: str) -> NDArray[Any]:
    return keys if not suffix else np.array([k + suffix for k in keys], dtype=object)


def _shares(
    rows: Any, suffix: str, failed: dict[str, float], timeouts: dict[str, float], ids: dict[str, str], is_cost: bool
) -> None:
    """Share of failed and of timed-out epochs of every question, and its id. A score that is missing has failed too."""
    names, starts = question_keys(rows)
    if not starts.size:
        return
    keys = names.tolist() if not suffix else [key + suffix for key in names]
    status = rows.status
    bad = did_fail(status)
    if not is_cost:
        bad |= np.isnan(rows.value)
    ids.update(zip(keys, rows.instance_id[starts].tolist(), strict=True))
    total = np.diff(np.append(starts, rows.value.size))
    for shares, flags in ((failed, bad), (timeouts, status == "timeout")):
        shares.update(zip(keys, (np.add.reduceat(flags.astype(np.int64), starts) / total).tolist(), strict=True))


def _joined(parts: Sequence[Questions]) -> Questions:
    none = np.zeros(0)
    clusters = None
    if any(p.clusters is not None for p in parts):
        clusters = np.concatenate([p.clusters if p.clusters is not None else p.keys for p in parts])
    return Questions(
        keys=np.concatenate([p.keys for p in parts]) if parts else none.astype(object),
        ids=np.concatenate([p.ids for p in parts]) if parts else none.astype(object),
        values=np.concatenate([p.values for p in parts]) if parts else none,
        clusters=clusters,
        epochs=np.concatenate([p.epochs for p in parts]) if parts else none.astype(np.int64),
        flat=np.concatenate([p.flat for p in parts]) if parts else none,
        trials=sum(p.trials for p in parts),
        failed=sum(p.failed for p in parts),
        lost=tuple(k for p in parts for k in p.lost),
    )
