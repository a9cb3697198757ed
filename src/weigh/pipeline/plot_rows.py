"""What pictures share: which arms and numbers are meant, one unit a picture, and the words at a point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from weigh.analyze.estimate import Estimate
from weigh.pipeline.axis import trend_members
from weigh.pipeline.compare_rows import span
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.questions import Errors
from weigh.pipeline.results import Row, Summary, suite_members, summarize
from weigh.pipeline.sides import Member
from weigh.records.errors import suggest
from weigh.records.run import MetricInfo, TaskInfo
from weigh.records.trial import join_spec
from weigh.store.layout import Store


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to draw.

    Attributes:
        tasks: Specs, base names or suites; empty for all.
        metric: A metric; None for each task's first. For `trials` and `cost` the cost has its own field.
        cost: One of `COSTS`.
        errors, level: As for `weigh results`.
        axis, order: As for `weigh trend`.
        over: For `scores` and `markers`: draw along this axis of the arms, a panel a task.
    """

    tasks: tuple[str, ...] = ()
    metric: str | None = None
    cost: str = "tokens"
    errors: Errors = "exclude"
    level: float = 0.95
    axis: str | None = None
    order: tuple[str, ...] = ()
    over: str | None = None

    @property
    def alpha(self) -> float:
        """Of tests."""
        return round(1 - self.level, 10)


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """Rows for a chart.

    Attributes:
        chart: Its name in `weigh.report.charts`.
        rows: As that chart says.
        more: A second table, where it takes one.
        settings: Further arguments of the chart: titles, whether values are proportions.
        notes: What a reader has to know, for people.
    """

    chart: str
    rows: tuple[dict[str, Any], ...]
    more: tuple[dict[str, Any], ...] | None = None
    settings: dict[str, Any] = {}
    notes: tuple[str, ...] = ()


def named_arms(store: Store, words: Sequence[str]) -> list[tuple[str, Member]]:
    """The named arms with a short name each, in the order of their runs, oldest first."""
    members = trend_members(store, words or ["latest"])
    members.sort(key=lambda m: (m.run.created, [a.id for a in m.run.arms].index(m.arm.id)))
    shapes = ([m.arm.id for m in members], [m.run.name for m in members], [f"{m.run.name}:{m.arm.id}" for m in members],
              [f"{m.run.id}:{m.arm.id}" for m in members])  # fmt: skip
    names = next(shape for shape in shapes if len(set(shape)) == len(shape) or shape is shapes[-1])
    return list(zip(names, members, strict=True))


def result_rows(store: Store, arms: Sequence[tuple[str, Member]], options: Options) -> list[tuple[str, Row]]:
    summaries: dict[str, Summary] = {}
    found = []
    for name, member in arms:
        run = member.run
        if run.id not in summaries:
            summaries[run.id] = summarize(store, run, errors=options.errors, level=options.level)
        found += [(name, row) for row in summaries[run.id].rows if row.arm == member.arm.id]
    return found


def is_chosen(row: Row, options: Options) -> bool:
    by_metric = row.primary if options.metric is None else row.metric == options.metric and not row.is_suite
    return by_metric and (not options.tasks or row.task in options.tasks)


def nothing(found: Sequence[tuple[str, Row]], options: Options) -> str:
    if options.metric is not None:
        metrics = list(dict.fromkeys(row.metric for _, row in found if not row.is_suite))
        return f"no task has the metric {options.metric!r}{suggest(options.metric, metrics)} ({', '.join(metrics)})"
    return "no task has a number yet"


def info_of(row: Row) -> MetricInfo:
    """A row's number as a metric; a suite's is a proportion where its tasks' are."""
    bounds = row.bounds if not row.is_suite or row.lower_is_better else (0.0, 1.0)
    return MetricInfo(
        name=row.metric, scorer=row.metric, lower_is_better=row.lower_is_better, bounds=bounds, unit=row.unit
    )


def one_unit(
    items: Sequence[tuple[str, Any, MetricInfo]],
) -> tuple[MetricInfo | None, list[tuple[str, Any]], list[str]]:
    """What is measured in the same unit as the first, and a note about the rest."""
    if not items:
        return None, [], []

    def unit(metric: MetricInfo) -> tuple[Any, ...]:
        return ("proportion",) if is_proportion(metric) else (metric.name, metric.unit)

    first = items[0][2]
    kept = [(name, item) for name, item, metric in items if unit(metric) == unit(first)]
    left = dict.fromkeys(item.task for _, item, metric in items if unit(metric) != unit(first))
    return first, kept, [f"left out, since it has another unit: {', '.join(left)}"] if left else []


def values_of(made: Estimate | None) -> dict[str, Any]:
    return {
        "value": made.mean if made else None,
        "low": made.low if made else None,
        "high": made.high if made else None,
    }


def labelled(name: str, made: Estimate | None, one: Callable[[float], str]) -> str:
    if made is None or made.mean is None:
        return f"{name}: no number"
    around = span(made.low, made.high, one)
    return f"{name}: {one(made.mean)}{f' ({around})' if around else ''}, n {made.n}"


def tasks_of(member: Member, options: Options) -> list[TaskInfo]:
    """The tasks of an arm that are wanted by name, or as members of a suite."""
    wanted = set(options.tasks)
    for suite in member.run.suites:
        if suite.name in options.tasks:
            wanted.update(suite_members(suite))
    return [t for t in member.run.tasks if not wanted or join_spec(t.name, t.variant) in wanted]
