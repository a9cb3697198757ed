"""`weigh compare`: is B better than A, task by task and as a whole?

The numbers are those of `analyze`; what happens here is finding them, and withholding a verdict where the evidence
does not carry one: when the arms failed unequally, or when seconds were taken on machines that cannot be compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.correct import Correction
from weigh.analyze.cost import CostComparison, compare_costs
from weigh.analyze.family import correct_comparisons
from weigh.analyze.paired import Comparison, compare_pairs
from weigh.analyze.scope import GivenComparison, compare_given
from weigh.analyze.suite import SuiteComparison, compare_suite
from weigh.analyze.unequal import UnequalFailures, failed_unequally
from weigh.define.difference import refuse_whole
from weigh.pipeline.align import Aligned, align
from weigh.pipeline.cached_share import cautions
from weigh.pipeline.clusters import metadata
from weigh.pipeline.metrics import COSTS, common_metric
from weigh.pipeline.questions import Errors
from weigh.pipeline.results import suite_members, suite_tree
from weigh.pipeline.sides import Side, contexts, find_sides, side_key
from weigh.pipeline.task_pairs import refuse_versions, task_pairs
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo, Run, SuiteNode, TaskInfo
from weigh.store.dataset import Dataset, open_dataset
from weigh.store.layout import Store

ALL = "all questions"
"""The name of what is about the questions of several tasks together."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to compare.

    Attributes:
        tasks: Specs or base names; empty for all that both have.
        suite: Only this suite's tasks and aggregate.
        metric: A metric or a cost (`tokens`, `seconds`, ...); None for each task's first.
        by: A metadata field whose values make subgroups, or an axis that varies within the sides (`tier`).
        cluster: A metadata field whose values make clusters.
        alpha: Of the tests.
        margin: Differences this small are equivalent; None asks for no equivalence.
        correction: Over tasks, and over subgroups.
        errors: How failed trials count.
        method: As in `compare_pairs`.
        seed: Of the bootstrap and of Monte-Carlo permutations.
        shared: Only questions that are paired in every context (each model, tier ... within the sides), and suites
            without the tasks that are not paired.
        bootstrap: Whether to add bootstrap intervals and the test of a ratio (JSON has them; no table does).
    """

    tasks: tuple[str, ...] = ()
    suite: str | None = None
    metric: str | None = None
    by: str | None = None
    cluster: str | None = None
    alpha: float = 0.05
    margin: float | None = None
    correction: Correction = "holm"
    errors: Errors = "exclude"
    method: str = "auto"
    seed: int = 0
    shared: bool = False
    bootstrap: bool = True


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """What was and was not paired.

    Attributes:
        paired: Questions compared.
        only_a, only_b, changed, lost: Ids of those that were not: missing on one side, of another content, failed.
        failures: The failures of both arms held against each other.
    """

    paired: int
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    failures: UnequalFailures | None = None

    @property
    def note(self) -> str | None:
        """What did not pair, in words; None when all did."""
        parts = [
            f"{len(ids)} {what} ({', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''})"
            for ids, what in (
                (self.only_a, "only in A"),
                (self.only_b, "only in B"),
                (self.changed, "changed"),
                (self.lost, "without an answer, since trials failed"),
            )
            if ids
        ]
        return "not paired: " + ", ".join(parts) if parts else None


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """One task (or subgroup of one) compared.

    Attributes:
        task: The task's spec.
        group: The subgroup's value; None for the whole task.
        metric: Which.
        score: The comparison of scores; None for a cost.
        cost: The comparison of costs; None for a score.
        given: The same for *these tasks* only, when both arms have epochs enough.
        pairing: What was and was not paired.
        withheld: Why no verdict is given although there are numbers.
        cluster_from: Where clusters come from.
    """

    task: str
    metric: MetricInfo
    pairing: Pairing
    group: str | None = None
    score: Comparison | None = None
    cost: CostComparison | None = None
    given: GivenComparison | None = None
    withheld: str | None = None
    cluster_from: str | None = None

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `equivalent`, `unresolved`, or `withheld`."""
        if self.withheld is not None:
            return "withheld"
        made = self.score or self.cost
        return made.verdict if made is not None else "unresolved"


class SuiteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A suite's aggregate compared; `missing` says why there is none. `metric` is that of its first task.

    Attributes:
        given: The same for *these tasks* only; of a pooled suite whose questions have epochs enough.
    """

    suite: str
    aggregation: str
    metric: MetricInfo | None = None
    comparison: SuiteComparison | None = None
    given: GivenComparison | None = None
    missing: str | None = None
    withheld: str | None = None

    @property
    def verdict(self) -> str:
        """As of a task."""
        if self.withheld is not None:
            return "withheld"
        return self.comparison.verdict if self.comparison is not None else "unresolved"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Two arms compared.

    Attributes:
        a, b: Labels; a difference is b - a.
        arms_a, arms_b: The run and arm behind each.
        rows: Tasks in the order of the runs.
        groups: Subgroups, when asked for.
        levels: The questions of all tasks together at each value of an axis, when `by` is one.
        total: A cost over the questions of all tasks; no part of the family that is corrected.
        suites: Aggregates.
        options: How it was compared.
        notes: Lines for people.
        cautions: Sentences that belong with the conclusion: why numbers are not like for like.
    """

    a: str
    b: str
    arms_a: tuple[str, ...]
    arms_b: tuple[str, ...]
    rows: tuple[TaskRow, ...]
    groups: tuple[TaskRow, ...] = ()
    levels: tuple[TaskRow, ...] = ()
    total: TaskRow | None = None
    suites: tuple[SuiteRow, ...] = ()
    options: Options = Options()
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


def compare(store: Store, words: Sequence[str], options: Options | None = None) -> list[Report]:
    """Compare what the words name: every later side with the first one.

    Raises:
        StoreError, DefinitionError: See `find_sides` and `task_pairs`; a wrong metric, field or method.
    """
    options = options or Options()
    sides = find_sides(store, words)
    with open_sides(store, sides) as data:
        return [compare_sides(store, data, sides[0], side, options) for side in sides[1:]]


def open_sides(store: Store, sides: Iterable[Side]) -> Dataset:
    """The data set of all runs that sides need."""
    return open_dataset(store, sorted({m.run.id for s in sides for m in s.members}))


def compare_sides(store: Store, data: Dataset, a: Side, b: Side, options: Options) -> Report:
    """Compare side b with side a."""
    aligned: dict[str, Aligned] = {}
    paired: dict[str, tuple[Sequence[TaskInfo], Sequence[TaskInfo]]] = {}
    rows: list[TaskRow] = []
    groups: list[TaskRow] = []
    notes: list[str] = []
    suites = _suites(a, b, options.suite) if options.suite or not options.tasks else []
    wanted = options.tasks or (tuple(suite_members(suites[0])) if options.suite else ())
    axis = axis_values(a, b, options.by) if options.by else None
    # What of it can be used again at another level.
    key = (side_key(a), side_key(b), options.metric, options.errors, options.cluster, options.shared)
    for name, ours, theirs in task_pairs(a, b, wanted):
        refuse_versions(name, ours, theirs)
        try:
            metric = common_metric(ours, theirs, options.metric)
        except DefinitionError as error:
            notes.append(f"{name}: not compared: {error}")
            continue
        if metric.name in COSTS and options.margin is not None:
            raise DefinitionError(
                "--margin is a difference of scores; hold a cost against a limit with `weigh gate --max-ratio`"
            )
        if options.margin is not None and metric.bounds == (0.0, 1.0):
            refuse_whole(options.margin, "--margin")
        paired[name] = (ours, theirs)
        aligned[name] = align(data, a, b, name, ours, theirs, metric, errors=options.errors, cluster=options.cluster)
    if options.shared:
        aligned, left_out = in_every_context(aligned)
        if left_out:
            notes.append(f"--shared leaves out {', '.join(left_out)}: no question of it is in every context")
    for pairs in aligned.values():
        rows.append(compare_task(pairs, options, withheld=host_difference(store, a, b, pairs.metric)))
        if options.by and axis is None:
            groups += _subgroups(data, pairs, options, key)
    if not rows:
        raise DefinitionError("nothing can be compared: " + "; ".join(notes))
    rows = _corrected(rows, options.correction)
    if options.shared:
        suites = [kept for s in suites if (kept := _shared_suite(s, aligned)) is not None]
    return Report(
        a=a.label,
        b=b.label,
        arms_a=side_names(a),
        arms_b=side_names(b),
        rows=tuple(rows),
        groups=tuple(_corrected(groups, options.correction)),
        levels=tuple(_corrected(_levels(list(aligned.values()), rows, axis, options), options.correction)),
        total=_total(data, list(aligned.values()), rows, options, (*key, *aligned)),
        suites=tuple(_suite_row(s, aligned, rows, options) for s in suites),
        options=options,
        notes=tuple(notes),
        cautions=cautions(data, a, b, {name: paired[name] for name in aligned}, options.metric),
    )


def compare_task(pairs: Aligned, options: Options, *, group: str | None = None, withheld: str | None = None) -> TaskRow:
    """Compare one task's aligned questions. Raises `DefinitionError` for a method that does not fit."""
    failures = failed_unequally(pairs.failed_a, pairs.failed_b, alpha=options.alpha)
    pairing = Pairing(
        paired=pairs.n,
        only_a=pairs.only_a,
        only_b=pairs.only_b,
        changed=pairs.changed,
        lost=pairs.lost,
        failures=failures,
    )
    if failures.unequal and options.errors == "exclude":
        withheld = failures.reason
    base = TaskRow(
        task=pairs.task,
        metric=pairs.metric,
        pairing=pairing,
        group=group,
        withheld=withheld,
        cluster_from=pairs.cluster_from,
    )
    if pairs.metric.name in COSTS:
        late_a, late_b = (pairs.timeouts_a > 0).tolist(), (pairs.timeouts_b > 0).tolist()
        cost = compare_costs(
            pairs.a, pairs.b, alpha=options.alpha, timed_out_a=late_a, timed_out_b=late_b, test_ratio=options.bootstrap
        )
        return msgspec.structs.replace(base, cost=cost)
    try:
        score = compare_pairs(
            pairs.a,
            pairs.b,
            clusters=None if pairs.clusters is None else pairs.clusters.tolist(),
            alpha=options.alpha,
            margin=options.margin,
            method=options.method,
            lower_is_better=pairs.metric.lower_is_better,
            seed=options.seed,
            bootstrap=options.bootstrap,
        )
    except ValueError as error:
        raise DefinitionError(f"task {pairs.task}: {error}") from None
    given = None
    if pairs.epochs_a and pairs.metric.reduce == "mean":
        given = compare_given(
            pairs.epochs_a,
            pairs.epochs_b,
            alpha=options.alpha,
            margin=options.margin,
            lower_is_better=pairs.metric.lower_is_better,
            seed=options.seed,
        )
    return msgspec.structs.replace(base, score=score, given=given)


def _total(
    data: Dataset, aligned: Sequence[Aligned], rows: Sequence[TaskRow], options: Options, key: tuple[Any, ...]
) -> TaskRow | None:
    """A cost of several tasks together: ratios and ranks need no common scale of scores."""
    if len(aligned) < 2 or aligned[0].metric.name not in COSTS:
        return None
    whole = data.remember(("total", key), lambda: together(aligned))
    return compare_task(whole, options, withheld=next((r.withheld for r in rows if r.withheld), None))


def together(aligned: Sequence[Aligned]) -> Aligned:
    """The questions of several tasks as those of one."""
    clusters = None
    if any(p.clusters is not None for p in aligned):
        clusters = np.concatenate([p.clusters if p.clusters is not None else p.keys for p in aligned])
    repeated = all(p.epochs_a or not p.n for p in aligned)
    return msgspec.structs.replace(
        subset(aligned[0], np.zeros(0, dtype=bool)),
        task=ALL,
        keys=np.concatenate([p.keys for p in aligned]),
        ids=np.concatenate([p.ids for p in aligned]),
        context=tuple(itertools.chain.from_iterable(p.context for p in aligned)),
        a=np.concatenate([p.a for p in aligned]),
        b=np.concatenate([p.b for p in aligned]),
        epochs_a=[e for p in aligned for e in p.epochs_a] if repeated else [],
        epochs_b=[e for p in aligned for e in p.epochs_b] if repeated else [],
        clusters=clusters,
        failed_a=np.concatenate([p.failed_a for p in aligned]),
        failed_b=np.concatenate([p.failed_b for p in aligned]),
        timeouts_a=np.concatenate([p.timeouts_a for p in aligned]),
        timeouts_b=np.concatenate([p.timeouts_b for p in aligned]),
    )


def axis_values(a: Side, b: Side, name: str) -> int | None:
    """The place of an axis among those that tell the contexts of two sides apart; None where it is no such axis.

    Raises:
        DefinitionError: It is an axis on which the sides do not vary, or what they are compared by.
    """
    rest = contexts([a, b])
    if name in rest:
        return rest.index(name)
    axes = {axis for side in (a, b) for m in side.members for axis in m.arm.axes}
    if name not in axes:
        return None
    ours, theirs = a.values(name), b.values(name)
    if ours == theirs:
        raise DefinitionError(
            f"--by {name}: both sides have only {', '.join(map(str, ours))}; there is nothing to split"
        )
    raise DefinitionError(f"--by {name}: {a.label} and {b.label} have no value of it in common; it is what is compared")


def in_every_context(aligned: dict[str, Aligned]) -> tuple[dict[str, Aligned], list[str]]:
    """Only the questions that are paired in every context that any task has; and the tasks of which none is left."""
    every = {context for pairs in aligned.values() for context in pairs.context}
    kept: dict[str, Aligned] = {}
    for name, pairs in aligned.items():
        held: dict[str, set[Any]] = {}
        own = [str(key).split("|")[0] for key in pairs.keys]
        for question, context in zip(own, pairs.context, strict=True):
            held.setdefault(question, set()).add(context)
        keep = np.array([held[question] == every for question in own], dtype=bool)
        if keep.all() and keep.size:
            kept[name] = pairs
        elif keep.any():
            kept[name] = msgspec.structs.replace(
                subset(pairs, keep), failed_a=pairs.failed_a, failed_b=pairs.failed_b, only_a=pairs.only_a,
                only_b=pairs.only_b, changed=pairs.changed, lost=pairs.lost,
            )  # fmt: skip
    return kept, [name for name in aligned if name not in kept]


def _levels(aligned: Sequence[Aligned], rows: Sequence[TaskRow], axis: int | None, options: Options) -> list[TaskRow]:
    """All tasks together at each value of an axis."""
    if axis is None or len({(p.metric.lower_is_better, p.metric.bounds) for p in aligned}) > 1:
        return []
    whole = together(aligned)
    found = [context[axis] for context in whole.context]
    withheld = next((r.withheld for r in rows if r.withheld), None)
    labels = np.array([str(v) for v in found], dtype=object)
    return [
        compare_task(subset(whole, labels == str(value)), options, group=str(value), withheld=withheld)
        for value in dict.fromkeys(found)
    ]


def _shared_suite(suite: SuiteNode, aligned: dict[str, Aligned]) -> SuiteNode | None:
    """A suite without the tasks that are not paired; None where none is. One with weights stays as it is."""
    if suite.weights:
        return suite
    members: list[str | SuiteNode] = []
    for member in suite.members:
        if isinstance(member, str):
            members += [member] if member in aligned and aligned[member].n else []
        elif (inner := _shared_suite(member, aligned)) is not None:
            members.append(inner)
    return msgspec.structs.replace(suite, members=tuple(members)) if members else None


def subset(pairs: Aligned, keep: Any) -> Aligned:
    """The aligned questions at some positions; what did not pair stays with the whole."""
    at = np.flatnonzero(keep)
    return msgspec.structs.replace(
        pairs,
        keys=pairs.keys[at],
        ids=pairs.ids[at],
        context=tuple(pairs.context[i] for i in at),
        a=pairs.a[at],
        b=pairs.b[at],
        epochs_a=[pairs.epochs_a[i] for i in at] if pairs.epochs_a else [],
        epochs_b=[pairs.epochs_b[i] for i in at] if pairs.epochs_b else [],
        clusters=None if pairs.clusters is None else pairs.clusters[at],
        failed_a=np.zeros(0),
        failed_b=np.zeros(0),
        timeouts_a=pairs.timeouts_a[at],
        timeouts_b=pairs.timeouts_b[at],
        only_a=(),
        only_b=(),
        changed=(),
        lost=(),
    )


def _subgroups(data: Dataset, pairs: Aligned, options: Options, key: tuple[Any, ...]) -> list[TaskRow]:
    """Subgroups by a metadata field."""
    field = options.by or ""
    parts = data.remember(("groups", key, pairs.task, field), lambda: _split(data, pairs, field))
    return [compare_task(part, options, group=label) for label, part in parts]


def _split(data: Dataset, pairs: Aligned, field: str) -> list[tuple[str, Aligned]]:
    """The questions by their value of a metadata field."""
    values = metadata(data, field)
    own = [values.get(key.split("|")[0].split("#")[0]) for key in pairs.keys]
    if not any(v is not None for v in own):
        raise DefinitionError(
            f"--by {field}: no question of {pairs.task} has this metadata field, and no axis on which the arms of a "
            "side differ is called so"
        )
    labels = np.array([v if v is not None else "(none)" for v in own], dtype=object)
    return [(str(label), subset(pairs, labels == label)) for label in sorted(set(labels))]


def _corrected(rows: Sequence[TaskRow], correction: Correction) -> list[TaskRow]:
    """Rows whose verdicts follow the corrected p; withheld ones take no part. Each scope is a family of its own."""
    out = list(rows)
    for part in ("score", "cost", "given"):
        places = [i for i, row in enumerate(rows) if row.withheld is None and getattr(row, part) is not None]
        fixed = correct_comparisons([getattr(rows[i], part) for i in places], correction)
        for i, one in zip(places, fixed, strict=True):
            out[i] = msgspec.structs.replace(out[i], **{part: one})
    return out


def suites_of(side: Side) -> list[SuiteNode]:
    """Suites that the runs of a side were started with."""
    return list({s.name: s for m in side.members for s in m.run.suites}.values())


def _suites(a: Side, b: Side, wanted: str | None) -> list[SuiteNode]:
    """Suites of side A (of B, where A has none), or the wanted one."""
    if wanted is None:
        return suites_of(a) or suites_of(b)
    found = {s.name: s for s in (*suites_of(b), *suites_of(a))}
    if wanted not in found:
        raise DefinitionError(
            f"neither run was started with a suite {wanted!r} (they have {', '.join(found) or 'none'})"
        )
    return [found[wanted]]


def _suite_row(suite: SuiteNode, aligned: dict[str, Aligned], rows: Sequence[TaskRow], options: Options) -> SuiteRow:
    base = SuiteRow(suite=suite.name, aggregation=suite.aggregation)
    members = suite_members(suite)
    lacking = [m for m in members if m not in aligned or aligned[m].n == 0]
    if suite.aggregation == "none":
        return msgspec.structs.replace(base, missing="this suite has no aggregation")
    if lacking:
        return msgspec.structs.replace(base, missing=f"no paired questions for {', '.join(lacking)}")
    if len({aligned[m].metric.lower_is_better for m in members}) > 1 or options.metric in COSTS:
        return msgspec.structs.replace(base, missing="its tasks' numbers cannot be added up")
    made = compare_suite(
        suite_tree(suite),
        {m: (aligned[m].a, aligned[m].b) for m in members},
        clusters={m: c.tolist() for m in members if (c := aligned[m].clusters) is not None} or None,
        alpha=options.alpha,
        margin=options.margin,
        lower_is_better=aligned[members[0]].metric.lower_is_better,
        seed=options.seed,
    )
    withheld = next((r.withheld for r in rows if r.task in members and r.withheld), None)
    whole = together([aligned[m] for m in members])
    given = None
    if suite.aggregation == "pooled" and whole.epochs_a:
        given = compare_given(
            whole.epochs_a, whole.epochs_b, alpha=options.alpha, margin=options.margin,
            lower_is_better=whole.metric.lower_is_better, seed=options.seed,
        )  # fmt: skip
    return msgspec.structs.replace(base, comparison=made, given=given, withheld=withheld, metric=whole.metric)


def host_difference(store: Store, a: Side, b: Side, metric: MetricInfo) -> str | None:
    """Seconds are only comparable between machines of one class under one load; says why when they are not."""
    if metric.unit != "s":
        return None

    def conditions(side: Side) -> set[str]:
        return {c for m in side.members for c in run_conditions(store, m.run)}

    ours, theirs = conditions(a), conditions(b)
    if ours == theirs and len(ours) == 1:
        return None
    shown = f"{' | '.join(sorted(ours)) or 'unknown'} against {' | '.join(sorted(theirs)) or 'unknown'}"
    return f"seconds were not taken under the same conditions: {shown}"


def run_conditions(store: Store, run: Run) -> set[str]:
    """Host class and concurrency of every invocation that executed trials of a run."""
    folder = store.open(run.id)
    return {
        f"{i.plan.get('host_class', 'unknown host')}, concurrency {i.plan.get('concurrency') or 'default'}"
        for i in folder.invocations()
        if i.summary.get("executed") or i.ended is None  # one that runs, or was killed, has executed something too
    }


def side_names(side: Side) -> tuple[str, ...]:
    """The run and arm behind a side."""
    return tuple(f"{m.run.id}:{m.arm.id}" for m in side.members)
