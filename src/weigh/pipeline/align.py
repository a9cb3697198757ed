"""Two arms laid side by side, question by question: the step between the store and the statistics.

Questions pair by task and by what they are, never by position. What does not pair (a question that only one arm has,
one whose content changed, one that failed) is counted and named, so that nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from weigh.pipeline.clusters import cluster_names
from weigh.pipeline.column import column
from weigh.pipeline.questions import Errors
from weigh.pipeline.sides import Side, contexts, side_key
from weigh.records.arm import Axis
from weigh.records.run import MetricInfo, TaskInfo
from weigh.store.dataset import Dataset


class Aligned(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one task for two arms, question by question.

    Attributes:
        task: The spec (or base name, where variants are what is compared).
        metric: Which.
        keys, ids: The paired questions' keys and instance ids. Shape (n,).
        context: Of each, the values of the axes that vary within a side; empty tuples where none does.
        a, b: Epochs reduced. Shape (n,).
        epochs_a, epochs_b: The single epochs of each; empty lists where no question was asked more than once.
        clusters: Questions that belong together; None when all are independent.
        cluster_from: Where the clusters come from, for people.
        failed_a, failed_b: Share of failed epochs of every question that both planned, also of lost ones.
        timeouts_a, timeouts_b: Share of timed-out epochs of each paired question.
        only_a, only_b: Ids of questions that only one side has.
        changed: Ids that both have with different content.
        lost: Ids of questions that all epochs of one side failed on.
    """

    task: str
    metric: MetricInfo
    keys: NDArray[Any]
    ids: NDArray[Any]
    context: tuple[tuple[Axis, ...], ...]
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    epochs_a: list[list[float]]
    epochs_b: list[list[float]]
    clusters: NDArray[Any] | None
    cluster_from: str | None
    failed_a: NDArray[np.float64]
    failed_b: NDArray[np.float64]
    timeouts_a: NDArray[np.float64]
    timeouts_b: NDArray[np.float64]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """How many questions pair."""
        return int(self.a.size)


def align(
    data: Dataset,
    a: Side,
    b: Side,
    task: str,
    ours: Sequence[TaskInfo],
    theirs: Sequence[TaskInfo],
    metric: MetricInfo,
    *,
    errors: Errors = "exclude",
    cluster: str | None = None,
) -> Aligned:
    """Pair the questions of one task.

    Args:
        errors: How failed trials count.
        cluster: A metadata field to cluster by, instead of the instances' own clusters.

    Raises:
        DefinitionError: A filter is ambiguous, or the metric cannot be computed.
    """
    key = ("align", side_key(a), side_key(b), task, metric, errors, cluster)
    made: Aligned = data.remember(key, lambda: _align(data, a, b, task, ours, theirs, metric, errors, cluster))
    return made


def _align(
    data: Dataset, a: Side, b: Side, task: str, ours: Sequence[TaskInfo], theirs: Sequence[TaskInfo],
    metric: MetricInfo, errors: Errors, cluster: str | None,
) -> Aligned:  # fmt: skip
    rest = contexts([a, b])
    first = column(data, a, ours, metric, rest, errors)
    second = column(data, b, theirs, metric, rest, errors)
    x, y = first.questions, second.questions
    at_x, at_y = _paired(x.keys, y.keys)
    keys = x.keys[at_x]
    planned = sorted({*first.failed} & {*second.failed})
    silent = {*x.lost, *y.lost}
    lost = [k for k in planned if k in silent] if silent else []
    only_a = [first.ids[k] for k in first.ids if k not in second.ids]
    only_b = [second.ids[k] for k in second.ids if k not in first.ids]
    changed = sorted(set(only_a) & set(only_b))
    clusters, source = cluster_names(data, x, at_x, keys, rest, cluster)
    repeated = bool(x.n and y.n and (x.epochs.max() > 1 or y.epochs.max() > 1))
    lists_x, lists_y = (x.epoch_lists(), y.epoch_lists()) if repeated else ([], [])
    return Aligned(
        task=task,
        metric=metric,
        keys=keys,
        ids=x.ids[at_x],
        context=tuple(first.context[i] for i in at_x),
        a=x.values[at_x],
        b=y.values[at_y],
        epochs_a=[lists_x[i] for i in at_x] if repeated else [],
        epochs_b=[lists_y[i] for i in at_y] if repeated else [],
        clusters=clusters,
        cluster_from=source,
        failed_a=_shares_of(first.failed, planned),
        failed_b=_shares_of(second.failed, planned),
        timeouts_a=_shares_of(first.timeouts, keys),
        timeouts_b=_shares_of(second.timeouts, keys),
        only_a=tuple(sorted(set(only_a) - set(changed))),
        only_b=tuple(sorted(set(only_b) - set(changed))),
        changed=tuple(changed),
        lost=tuple(sorted(first.ids[k] for k in lost)),
    )


def _paired(ours: NDArray[Any], theirs: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the keys that both have, in the order of the first."""
    if np.array_equal(ours, theirs) and len({*ours.tolist()}) == ours.size:
        return np.arange(ours.size), np.arange(ours.size)
    _, at, other = np.intersect1d(ours.astype(str), theirs.astype(str), return_indices=True)
    order = np.argsort(at)
    return at[order], other[order]


def _shares_of(shares: Mapping[str, float], keys: Sequence[str] | NDArray[Any]) -> NDArray[np.float64]:
    """Shares of questions by key; mostly nothing failed and nothing was late."""
    return np.array([shares[k] for k in keys]) if any(shares.values()) else np.zeros(len(keys))
