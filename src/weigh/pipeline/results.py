"""`weigh results`: what a run shows, number by number, and what is missing from it.

One row is one metric of one task for one arm. A suite has a row of its own when all its members have a number; when
one is missing the row says which, and has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.estimate import Estimate, Mde, estimate, estimate_epochs, mde_unpaired_assumption
from weigh.analyze.suite import Branch, Leaf, score_suite
from weigh.pipeline.latest import current
from weigh.pipeline.questions import NONE, Errors, Questions, questions
from weigh.pipeline.result_mde import measured_mde, measured_suite_mde
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo, Run, SuiteNode, TaskInfo
from weigh.records.trial import FAILURES, join_spec
from weigh.records.usage import Usage
from weigh.store.dataset import Dataset, open_dataset, stretches
from weigh.store.layout import Store


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one task (or suite) for one arm.

    Attributes:
        run, arm: Which.
        task: The task's spec, or the suite's name.
        is_suite: Whether it is a suite's aggregate.
        metric: Its name.
        primary: Whether it is the task's first metric, the one that tables show unless asked for more.
        estimate: n questions, mean, standard error and interval; None when there is none (`missing` says why).
        mde80: About the smallest difference that a comparison of two such arms shows four times in five, and what that
            assumes.
        epochs: Epochs a question has (the most common number).
        trials: How many trials there are.
        failed: Failed trials by kind; they are in no mean unless `errors` says so. A suite's are those of its tasks.
        outcomes: Trials that ended without an answer, by status; they count as no match.
        usage: Tokens and dollars of all trials of this arm on this task.
        seconds: How long at least one of them was in flight: what one waited, whatever the concurrency, without the
            pauses between two invocations.
        missing: Why there is no number.
        lower_is_better, bounds, unit: As in `MetricInfo`.
    """

    run: str
    arm: str
    task: str
    metric: str
    is_suite: bool = False
    primary: bool = True
    estimate: Estimate | None = None
    mde80: Mde | None = None
    epochs: int = 1
    trials: int = 0
    failed: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    usage: Usage = Usage()
    seconds: float | None = None
    missing: str | None = None
    lower_is_better: bool = False
    bounds: tuple[float, float] | None = None
    unit: str | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a run.

    Attributes:
        run: Its manifest.
        rows: Tasks in the order of the plan, arms within, metrics within; suites after their tasks.
        errors: How failed trials were counted.
        level: Of the intervals.
        notes: Lines for people.
    """

    run: Run
    rows: tuple[Row, ...]
    errors: Errors = "exclude"
    level: float = 0.95
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> dict[str, int]:
        """Failed trials of the whole run, by kind; each trial counts once, however many metrics it has."""
        total: Counter[str] = Counter()
        for row in self.rows:
            if row.primary and not row.is_suite:
                total.update(row.failed)
        return dict(total)


def summarize(store: Store, run: Run, *, errors: Errors = "exclude", level: float = 0.95) -> Summary:
    """The numbers of a stored run.

    Args:
        errors: How failed trials count.
        level: Of the intervals.

    Raises:
        StoreError: The run cannot be read.
        DefinitionError: A metric cannot be computed (`pass@8` from 4 epochs), or `errors` cannot be applied.
    """
    run = current(store, run)
    with open_dataset(store, [run.id]) as data:
        return summarize_run(data, run, arm_totals(data, run.id), errors=errors, level=level)


def summarize_run(
    data: Dataset,
    run: Run,
    totals: Totals,
    *,
    errors: Errors = "exclude",
    level: float = 0.95,
    keep: Mapping[tuple[str, str], Collection[str]] | None = None,
    strict: bool = True,
) -> Summary:
    """The same from a data set that is open, which may hold other runs too.

    Args:
        totals: Of this run, from `arm_totals`.
        keep: By spec and metric: the keys of the only questions to count. A task that is not named has none.
        strict: Whether a metric that cannot be computed is an error; otherwise its rows say why they have no number.
    """
    rows: list[Row] = []
    by_arm: dict[tuple[str, str], dict[str, Row]] = {}
    paired: dict[tuple[str, str], list[Questions]] = {}
    first: dict[tuple[str, str], Questions] = {}
    for task in run.tasks:
        spec = join_spec(task.name, task.variant)
        for arm in run.arms:
            total = totals.get((arm.id, task.name, task.variant))
            for index, metric in enumerate(task.metrics):
                why = None
                try:
                    found = arm_questions(data, run, task, metric, arm.id, errors)
                except DefinitionError as error:
                    if strict:
                        raise
                    found, why = NONE, str(error)
                if keep is not None:
                    found = found.only(keep.get((spec, metric.name), ()))
                row = _row(run.id, arm.id, spec, metric, found, total, level)
                row = msgspec.structs.replace(row, primary=index == 0, missing=why or row.missing)
                rows.append(row)
                paired.setdefault((spec, metric.name), []).append(found)
                by_arm.setdefault((arm.id, metric.name if index else ""), {})[spec] = row
                if index == 0:
                    first[arm.id, spec] = found
    rows = [_with_mde(row, paired, level) for row in rows]
    for suite in run.suites:
        own = {arm.id: {s: first.get((arm.id, s), NONE) for s in suite_members(suite)} for arm in run.arms}
        made = [_suite_row(run.id, arm, suite, by_arm.get((arm, ""), {}), asked, level) for arm, asked in own.items()]
        if len(made) == 2 and all(row.estimate is not None for row in made):
            asked, others = own.values()
            both = {spec: (asked[spec], others[spec]) for spec in asked}
            found_mde = measured_suite_mde(suite_tree(suite), both, _alpha(level))
            made = [msgspec.structs.replace(row, mde80=found_mde or row.mde80) for row in made]
        rows += made
    return Summary(run=run, rows=tuple(rows), errors=errors, level=level)


def arm_questions(data: Dataset, run: Run, task: TaskInfo, metric: MetricInfo, arm: str, errors: Errors) -> Questions:
    """One arm's questions of a task by a metric."""
    values = data.values(task.name, metric.scorer, variant=task.variant, arm=arm, run=run.id)
    return questions(values, metric, errors)


def _row(
    run: str, arm: str, spec: str, metric: MetricInfo, found: Questions, total: Mapping[str, Any] | None, level: float
) -> Row:
    total = total or {}
    number: Estimate | None = None
    missing = None
    clusters = None if found.clusters is None else found.clusters.tolist()
    if found.n == 0:
        missing = "no trials" if found.trials == 0 else f"all {found.trials} trials failed"
    elif metric.reduce == "mean" and int(found.epochs.max()) > 1:
        number = estimate_epochs(found.epoch_lists(), clusters=clusters, bounds=metric.bounds, level=level)
    else:
        number = estimate(found.values, clusters=clusters, bounds=metric.bounds, level=level)
    return Row(
        run=run,
        arm=arm,
        task=spec,
        metric=metric.name,
        estimate=number,
        mde80=None if number is None else mde_unpaired_assumption(number, alpha=_alpha(level)),
        epochs=int(np.bincount(found.epochs).argmax()) if found.n else 0,
        trials=found.trials,
        failed=dict(total.get("failed", {})),
        outcomes=dict(total.get("outcomes", {})),
        usage=total.get("usage", Usage()),
        seconds=total.get("seconds"),
        missing=missing,
        lower_is_better=metric.lower_is_better,
        bounds=metric.bounds,
        unit=metric.unit,
    )


def _alpha(level: float) -> float:
    """Of the test whose intervals have a level; rounded, so that 1 - 0.9 is 0.1."""
    return round(1 - level, 10)


def _with_mde(row: Row, paired: Mapping[tuple[str, str], Sequence[Questions]], level: float) -> Row:
    """With two arms in the run, the MDE is measured from their paired differences instead of assumed."""
    arms = paired[row.task, row.metric]
    if len(arms) != 2 or row.estimate is None:
        return row
    found = measured_mde((arms[0], arms[1]), _alpha(level))
    return row if found is None else msgspec.structs.replace(row, mde80=found)


def suite_tree(suite: SuiteNode) -> Branch:
    """A suite in the form `analyze.suite` computes with."""
    children = tuple(Leaf(m) if isinstance(m, str) else suite_tree(m) for m in suite.members)
    return Branch(suite.name, children, suite.aggregation, suite.weights or None)  # type: ignore[arg-type]


def suite_members(suite: SuiteNode) -> list[str]:
    """Specs of all tasks in a suite, nested ones included."""
    return [spec for m in suite.members for spec in ([m] if isinstance(m, str) else suite_members(m))]


def pooled_estimate(
    lists: Sequence[Sequence[float]], bounds: tuple[float, float] | None, level: float = 0.95
) -> Estimate | None:
    """The mean over the questions of several tasks; each entry holds the epochs of one. None without any."""
    if not lists:
        return None
    if any(len(values) > 1 for values in lists):
        return estimate_epochs(lists, bounds=bounds, level=level)
    return estimate([values[0] for values in lists], bounds=bounds, level=level)


def _suite_row(
    run: str, arm: str, suite: SuiteNode, rows: Mapping[str, Row], asked: Mapping[str, Questions], level: float
) -> Row:
    members = suite_members(suite)
    lacking = [spec for spec in members if spec not in rows or rows[spec].estimate is None]
    blank = Row(run=run, arm=arm, task=suite.name, metric="aggregate", is_suite=True)
    if suite.aggregation == "none":
        return msgspec.structs.replace(blank, missing="this suite has no aggregation")
    if lacking:
        return msgspec.structs.replace(blank, missing=f"no aggregate: no number for {', '.join(lacking)}")
    directions = {rows[spec].lower_is_better for spec in members}
    if len(directions) > 1:
        return msgspec.structs.replace(blank, missing="no aggregate: in some tasks lower is better, in others higher")
    estimates = {spec: rows[spec].estimate for spec in members}
    number = score_suite(suite_tree(suite), {k: v for k, v in estimates.items() if v is not None}, level=level)
    bounds = {rows[spec].bounds for spec in members}
    if number.se is None and suite.aggregation == "pooled" and len(bounds) == 1:
        # Tasks of one question each, as in a study: none has a standard error, and together they are questions as any.
        number = (
            pooled_estimate([e for q in asked.values() for e in q.epoch_lists()], next(iter(bounds)), level) or number
        )
    return msgspec.structs.replace(
        blank,
        estimate=_within(number, bounds.pop() if len(bounds) == 1 else None),
        mde80=mde_unpaired_assumption(number, alpha=_alpha(level)),
        epochs=int(np.bincount(np.concatenate([q.epochs for q in asked.values()])).argmax()),
        trials=sum(rows[s].trials for s in members),
        failed=_added(rows[s].failed for s in members),
        outcomes=_added(rows[s].outcomes for s in members),
        metric=suite.aggregation,
        lower_is_better=directions.pop(),
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


def _within(number: Estimate, bounds: tuple[float, float] | None) -> Estimate:
    """The estimate with its interval cut at the values that the scores can have."""
    if bounds is None or number.low is None or number.high is None:
        return number
    return msgspec.structs.replace(number, low=max(number.low, bounds[0]), high=min(number.high, bounds[1]))


Totals = Mapping[tuple[str, str, str], Mapping[str, Any]]
_TOTALS = """
select arm, task, variant, status, error_kind, count(*) as trials,
       sum("new") as "new", sum(cached) as cached, sum(generated) as generated,
       case when count(cost) = count(*) then sum(cost) end as cost
from trials where run = ? group by all
"""


def arm_totals(data: Dataset, run: str) -> Totals:
    """Counts and costs of every arm of a run on every task, by (arm, task, variant)."""
    totals: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in data.sql(_TOTALS, [run]):
        key = (row["arm"], row["task"], row["variant"])
        entry = totals.setdefault(key, {"failed": Counter(), "outcomes": Counter(), "usages": []})
        if row["status"] in FAILURES:
            entry["failed"][row["error_kind"] or row["status"]] += row["trials"]
        elif row["status"] != "ok":
            entry["outcomes"][row["status"]] += row["trials"]
        entry["usages"].append(row)
    waited = _in_flight(data, run)
    for key, entry in totals.items():
        entry["seconds"] = waited.get(key)
        parts = entry.pop("usages")
        costs = [p["cost"] for p in parts]
        entry["usage"] = Usage(
            new=_sum(p["new"] for p in parts),
            cached=_sum(p["cached"] for p in parts),
            generated=_sum(p["generated"] for p in parts),
            cost=sum(costs) if None not in costs else None,
        )
    return totals


def _in_flight(data: Dataset, run: str) -> dict[tuple[str, str, str], float]:
    """By arm, task and variant: length of the union of the intervals in which its trials were in flight, in seconds."""
    found = data.arrays(
        "select arm, task, variant, started, seconds from trials where run = ? "
        "and started is not null and seconds is not null order by arm, task, variant, started",
        [run],
    )
    names = [np.ma.filled(found[name].astype(object), "") for name in ("arm", "task", "variant")]
    started, seconds = (np.ma.getdata(found[name]) for name in ("started", "seconds"))
    return {
        (names[0][at], names[1][at], names[2][at]): _covered(started[at:end], seconds[at:end])
        for at, end in stretches(names)
    }


def _covered(started: Any, seconds: Any) -> float:
    ends = np.maximum.accumulate(started + seconds)
    pauses = np.maximum(0.0, started[1:] - ends[:-1]).sum()
    return float(ends[-1] - started[0] - pauses)


def _sum(values: Any) -> int | None:
    known = [int(v) for v in values if v is not None]
    return sum(known) if known else None
