"""Two arms laid side by side, question by question: the step between the store and the statistics.

Questions pair by task and by what they are, never by position. What does not pair (a question that only one arm has,
one whose content changed, one that failed) is counted and named, so that nothing is dropped in silence.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from weigh.pipeline.questions import Errors, Questions, question_keys, questions
from weigh.pipeline.sides import Member, Side, contexts
from weigh.pipeline.task_names import choose_named
from weigh.plan.explain import Difference, differences, flatten
from weigh.records.arm import Axis
from weigh.records.errors import DefinitionError, suggest
from weigh.records.marker import MarkerSpec
from weigh.records.run import MetricInfo, TaskInfo
from weigh.records.trial import EMPTY, ERROR, join_spec
from weigh.store.columns import MEASURES
from weigh.store.dataset import Dataset

COSTS: Mapping[str, MetricInfo] = {
    name: MetricInfo(name=name, scorer=name, lower_is_better=True, bounds=None, unit=unit)
    for name, unit in (
        ("seconds", "s"),
        ("tokens", "tokens"),
        ("new", "tokens"),
        ("cached", "tokens"),
        ("generated", "tokens"),
        ("cost", "$"),
        ("turns", "turns"),
        ("tool_calls", "calls"),
        ("tool_errors", "calls"),
        ("answer_call", "calls"),
        ("files_read", "files"),
        ("files_written", "files"),
        ("model_seconds", "s"),
        ("tool_seconds", "s"),
    )
}
"""What a trial costs, comparable like a score: less is better. `tokens` is new, cached and generated together."""


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


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One side's questions of one task, contexts put together; keys carry the context."""

    questions: Questions
    context: tuple[tuple[Axis, ...], ...]
    failed: Mapping[str, float]
    timeouts: Mapping[str, float]
    ids: Mapping[str, str]


def task_pairs(a: Side, b: Side, wanted: Sequence[str] = ()) -> list[tuple[str, list[TaskInfo], list[TaskInfo]]]:
    """Tasks that both sides have: (name for tables, A's definitions, B's definitions).

    Where both sides restrict the variant, tasks pair by base name, for then the variant is what is compared.

    Args:
        wanted: Tasks to keep, as `weigh.pipeline.task_names` reads them; empty for all.

    Raises:
        DefinitionError: A wanted task is not there or not clear, or no task is shared.
    """
    by_base = any(m.variant is not None for s in (a, b) for m in s.members)

    def name_of(task: TaskInfo) -> str:
        return task.name if by_base else join_spec(task.name, task.variant)

    def tasks_of(side: Side) -> dict[str, list[TaskInfo]]:
        found: dict[str, list[TaskInfo]] = {}
        for member in side.members:
            seen: dict[str, TaskInfo] = {}
            for task in member.run.tasks:
                if not has_variant(member, task):
                    continue
                name = name_of(task)
                other = seen.setdefault(name, task)
                if other is not task:
                    specs = f"{join_spec(name, other.variant)} and {join_spec(name, task.variant)}"
                    raise DefinitionError(
                        f"'{side.label}' has {specs}, and it is not clear which one is meant; add variant=NAME to it "
                        "(variant= for the plain task)"
                    )
                found.setdefault(name, []).append(task)
        return found

    ours, theirs = tasks_of(a), tasks_of(b)
    shared = [name for name in ours if name in theirs]
    chosen = set(choose_named([*ours, *theirs], wanted))
    shared = [name for name in shared if name in chosen]
    if not shared:
        raise DefinitionError(
            f"{a.label} and {b.label} share no task: {', '.join(list(ours)[:6])} against {', '.join(list(theirs)[:6])}"
        )
    return [(name, ours[name], theirs[name]) for name in shared]


def has_variant(member: Member, task: TaskInfo) -> bool:
    """Whether a task has the variant that the side asks for."""
    return member.variant is None or fnmatch.fnmatchcase(task.variant, member.variant)


def refuse_versions(name: str, ours: Sequence[TaskInfo], theirs: Sequence[TaskInfo]) -> None:
    """Refuse two versions of a task: a difference of prompts would pass for one of models.

    Rows that changed or came are no other version; they simply do not pair. The wording of a prompt can be compared
    by registering it as a variant.

    Raises:
        DefinitionError: With the fields of the definitions that differ.
    """
    first, second = ours[0], theirs[0]
    if first.variant != second.variant:
        return
    found = version_differences(first, second)
    if found:
        shown = "; ".join(f"{d.field}: {_short(d.before)} against {_short(d.after)}" for d in found[:4])
        raise DefinitionError(
            f"task {name} was not the same in the two runs ({shown}); run it again on both, or register the new "
            "wording as a variant and compare variant=OLD with variant=NEW"
        )


def version_differences(first: TaskInfo, second: TaskInfo) -> list[Difference]:
    """The fields in which two definitions of a task differ, data left out."""
    data = ("data", "data_source")
    before, after = ({k: v for k, v in t.definition.items() if k not in data} for t in (first, second))
    return differences(flatten(before, "task"), flatten(after, "task"))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:60] + "..." + text[-17:]


def marker_metric(marker: MarkerSpec) -> MetricInfo:
    """Adoption of a behaviour as a metric: the share of trials in which the marker fired."""
    return MetricInfo(name=marker.scorer, scorer=marker.scorer, lower_is_better=marker.lower_is_better)


def pick_metric(tasks: Sequence[TaskInfo], name: str | None) -> MetricInfo:
    """The metric of a task by name (a cost is one too); its first where no name is given.

    Raises:
        DefinitionError: The task has no such metric.
    """
    if name is not None and name in COSTS:
        return COSTS[name]
    metrics = tasks[0].metrics
    if name is None:
        return metrics[0]
    others = [marker_metric(m) for m in tasks[0].markers]
    for metric in (*metrics, *others):
        if name in (metric.name, metric.scorer):
            return metric
    known = [*(m.name for m in (*metrics, *others)), *COSTS]
    spec = join_spec(tasks[0].name, tasks[0].variant)
    raise DefinitionError(f"task {spec} has no metric {name!r}{suggest(name, known)} (it has {', '.join(known)})")


def common_metric(ours: Sequence[TaskInfo], theirs: Sequence[TaskInfo], name: str | None) -> MetricInfo:
    """The metric by which two sides are compared on a task: that of the first, which the second must have too.

    Raises:
        DefinitionError: A side lacks it.
    """
    metric = pick_metric(ours, name)
    others = [*theirs[0].metrics, *(marker_metric(m) for m in theirs[0].markers)]
    if metric.scorer not in COSTS and metric.scorer not in {m.scorer for m in others}:
        have = ", ".join(m.name for m in others) or "none"
        raise DefinitionError(
            f"only one of the arms has the metric {metric.name!r} (the other has {have}); `weigh rescore` gives it to "
            "the other without running the model again"
        )
    return metric


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


def side_key(side: Side) -> tuple[Any, ...]:
    """What tells a side from another, where something about it is remembered."""
    return tuple((m.run.id, m.arm.id, m.variant) for m in side.members)


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


def cluster_names(
    data: Dataset, found: Questions, at: NDArray[Any], keys: NDArray[Any], rest: Sequence[str], field: str | None
) -> tuple[NDArray[Any] | None, str | None]:
    """What is not independent: a field the user names, the instances' own clusters, or a question that several arms
    of a side answered."""
    if field is None and found.clusters is None and not rest:
        return None, None
    digests = np.array([k.split("|")[0] for k in keys], dtype=object)
    if field is not None:
        values = metadata(data, field)
        if not any(d.split("#")[0] in values for d in digests):
            raise DefinitionError(f"--cluster {field}: no question has this metadata field")
        return np.array([values.get(d.split("#")[0], d) for d in digests], dtype=object), f"metadata {field}"
    if found.clusters is not None:
        own = found.clusters[at]
        return np.array(
            [c if c is not None else d for c, d in zip(own, digests, strict=True)], dtype=object
        ), "the data"
    if rest and np.unique(digests.astype(str)).size < digests.size:
        return digests, "questions that several arms of a side answered"
    return None, None


def metadata(data: Dataset, field: str) -> dict[str, str]:
    """A metadata field of every question that has it, by content digest; `cluster` and `task` are fields too."""
    made: dict[str, str] = data.remember(("metadata", field), lambda: _metadata(data, field))
    return made


def _metadata(data: Dataset, field: str) -> dict[str, str]:
    if field == "cluster":
        query = "select distinct instance_digest, cluster as value from trials where cluster is not null"
        rows = data.sql(query)
    else:
        path = "$.instance.metadata." + msgspec.json.encode(field).decode()
        query = (
            "select distinct instance_digest, json_extract_string(record, ?) as value from trials "
            "where json_extract_string(record, ?) is not null"
        )
        rows = data.sql(query, [path, path])
    return {row["instance_digest"]: row["value"] for row in rows}
