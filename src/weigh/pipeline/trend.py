"""`weigh trend`: a metric along an ordered axis (steps, checkpoints, revisions, runs), and which steps are real.

Neighbours answered the same questions, so a step is a paired comparison of its two ends, corrected for the number of
steps shown. Axes that also differ at one point of the axis (two models at each step) make lines of their own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.correct import Correction
from weigh.analyze.estimate import Estimate, Mde, mde_unpaired_assumption
from weigh.analyze.family import correct_comparisons
from weigh.analyze.paired import Comparison
from weigh.analyze.trend import compare_trend
from weigh.analyze.unequal import failed_unequally
from weigh.pipeline.answers import digest_of
from weigh.pipeline.axis import Ordered, Place, line_axes, order_axis, pick_axis, trend_members
from weigh.pipeline.clusters import metadata
from weigh.pipeline.column import Column, column
from weigh.pipeline.conditions import host_difference
from weigh.pipeline.metrics import pick_metric
from weigh.pipeline.questions import Errors
from weigh.pipeline.sides import Member, Side, contexts, open_sides
from weigh.pipeline.task_names import choose_named
from weigh.pipeline.task_pairs import has_variant, refuse_versions
from weigh.records.arm import Axis
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo, TaskInfo
from weigh.records.trial import join_spec
from weigh.store.dataset import Dataset
from weigh.store.layout import Store


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to follow.

    Attributes:
        axis: The ordered axis; None for the first of step, checkpoint and revision that varies. `run` orders runs by
            when they began.
        order: Its values in order, where neither numbers nor names say it.
        tasks: Specs or base names; empty for all.
        metric, cluster, alpha, correction, errors: As for `weigh compare`.
    """

    axis: str | None = None
    order: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    metric: str | None = None
    cluster: str | None = None
    alpha: float = 0.05
    correction: Correction = "holm"
    errors: Errors = "exclude"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the axis, the arms behind it, and its score."""

    label: str
    value: Axis
    arms: tuple[str, ...]
    estimate: Estimate


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """From one point to the next.

    Attributes:
        comparison: The paired comparison, its verdict corrected for all steps shown.
        withheld: Why no verdict is given although there are numbers.
        band_low, band_high: Where the second point would lie if nothing had changed since the first (at the level of
            the interval).
    """

    before: str
    after: str
    comparison: Comparison
    withheld: str | None = None
    band_low: float | None = None
    band_high: float | None = None

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `unresolved`, or `withheld`."""
        return "withheld" if self.withheld is not None else self.comparison.verdict


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One task along the axis, for one value of what else differs.

    Attributes:
        series: Values of the axes that make lines, by name; empty where there is one line.
        steps: Between neighbours; one fewer than points.
        overall: Last against first; not part of the correction.
        smallest_visible: The median over the steps' MDE80, where there is one.
        alone: With one point: what a comparison with a second one could show, and under which assumption.
    """

    task: str
    metric: MetricInfo
    series: dict[str, Axis]
    points: tuple[Point, ...]
    steps: tuple[Step, ...] = ()
    overall: Step | None = None
    smallest_visible: float | None = None
    alone: Mde | None = None


class TrendReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every task along the axis. `ordered_by` says where the order comes from."""

    axis: str
    ordered_by: str
    lines: tuple[Line, ...]
    options: Options = Options()
    notes: tuple[str, ...] = ()


def trend(store: Store, words: Sequence[str] = (), options: Options | None = None) -> TrendReport:
    """Follow a metric along an axis.

    Args:
        words: Runs (all their arms), `RUN:ARM`, filters; all runs of the store when empty.

    Raises:
        StoreError, DefinitionError: Nothing matches; no axis varies; the points share no task, or hold two versions
            of one; two arms at one point that nothing tells apart.
    """
    options = options or Options()
    members, wanted = _having(trend_members(store, words), options.tasks)
    axis = pick_axis(members, options.axis)
    ordered = order_axis(members, axis, options.order)
    notes = list(ordered.notes)
    names = line_axes(ordered)
    groups: dict[tuple[Axis, ...], list[Place]] = {}
    for place in ordered.places:
        for key in dict.fromkeys(tuple(m.axis(n) for n in names) for m in place.members):
            own = tuple(m for m in place.members if tuple(m.axis(n) for n in names) == key)
            groups.setdefault(key, []).append(msgspec.structs.replace(place, members=own))
    sides = [Side(label=p.label, members=p.members) for places in groups.values() for p in places]
    lines: list[Line] = []
    with open_sides(store, sides) as data:
        for key, places in groups.items():
            series = dict(zip(names, key, strict=True))
            lines += [_line(data, task, series, places, options) for task in _tasks(places, wanted)]
    notes += _lonely(lines, ordered)
    return TrendReport(
        axis=axis,
        ordered_by=ordered.by,
        lines=tuple(_corrected([one for one in lines if len(one.points) > 1] or lines, options)),
        options=options,
        notes=tuple(notes),
    )


def _having(members: Sequence[Member], wanted: Sequence[str]) -> tuple[list[Member], tuple[str, ...]]:
    """The arms whose runs have a wanted task, and the specs of these tasks.

    Raises `DefinitionError` for a task that none has.
    """
    chosen = choose_named((spec for m in members for spec, _ in _specs(m)), wanted)
    if not wanted:
        return list(members), tuple(chosen)
    return [m for m in members if any(spec in chosen for spec, _ in _specs(m))], tuple(chosen)


def _tasks(places: Sequence[Place], wanted: Sequence[str]) -> list[str]:
    known = list(dict.fromkeys(s for p in places for m in p.members for s, _ in _specs(m)))
    return [spec for spec in known if spec in wanted]


def _specs(member: Member) -> list[tuple[str, TaskInfo]]:
    return [(join_spec(t.name, t.variant), t) for t in member.run.tasks if has_variant(member, t)]


def _lonely(lines: Sequence[Line], ordered: Ordered) -> list[str]:
    """What is said about tasks with one point only; raises when no task has two although the axis has."""
    alone = [one for one in lines if len(one.points) == 1]
    if not alone or len(ordered.places) == 1:
        return []
    if len(alone) == len(lines):
        where = "; ".join(list(dict.fromkeys(f"{one.points[0].label} has {one.task}" for one in alone))[:4])
        raise DefinitionError(f"the points along the axis share no task ({where}); run one task on all of them")
    shown = ", ".join(f"{one.task} ({one.points[0].label})" for one in alone[:4])
    return [f"left out, since they have one point only: {shown}{' ...' if len(alone) > 4 else ''}"]


def _line(data: Dataset, spec: str, series: dict[str, Axis], places: Sequence[Place], options: Options) -> Line:
    found: list[tuple[Place, Side, list[TaskInfo]]] = []
    for place in places:
        tasks = [t for m in place.members for s, t in _specs(m) if s == spec]
        own = tuple(m for m in place.members if any(s == spec for s, _ in _specs(m)))
        if tasks:
            found.append((place, Side(label=place.label, members=own), tasks))
    for (_, _, before), (_, _, after) in itertools.pairwise(found):
        refuse_versions(spec, before, after)
    metric = pick_metric(found[-1][2], options.metric)
    columns = []
    for _, side, tasks in found:
        contexts([side])  # refuses two arms at one point that nothing tells apart
        columns.append(column(data, side, tasks, metric, (), options.errors))
    keys = list(dict.fromkeys(k for c in columns for k in c.questions.keys))
    table = _table(columns, keys)
    made = compare_trend(
        [p.label for p, _, _ in found],
        table,
        clusters=_clusters(data, columns, keys, options.cluster),
        alpha=options.alpha,
        correction="none",
        lower_is_better=metric.lower_is_better,
    )
    points = tuple(
        Point(
            label=place.label,
            value=place.value,
            arms=tuple(f"{m.run.id}:{m.arm.id}" for m in side.members),
            estimate=estimate,
        )
        for (place, side, _), estimate in zip(found, made.points, strict=True)
    )

    def step(i: int, j: int, comparison: Comparison) -> Step:
        return Step(
            before=points[i].label,
            after=points[j].label,
            comparison=comparison,
            withheld=host_difference(data, found[i][1], found[j][1], metric)
            or _unequal(columns[i], columns[j], options),
            **_band(points[j].estimate, comparison, metric),
        )

    return Line(
        task=spec,
        metric=metric,
        series=series,
        points=points,
        steps=tuple(step(i, i + 1, one) for i, one in enumerate(made.steps)),
        overall=step(0, len(points) - 1, made.overall) if made.overall is not None and len(points) > 2 else None,
        smallest_visible=made.smallest_visible,
        alone=mde_unpaired_assumption(points[0].estimate, alpha=options.alpha) if len(points) == 1 else None,
    )


def _table(columns: Sequence[Column], keys: Sequence[str]) -> Any:
    """Points x questions, NaN where a point has no value."""
    at = {key: i for i, key in enumerate(keys)}
    table = np.full((len(columns), len(keys)), np.nan)
    for row, one in zip(table, columns, strict=True):
        row[[at[k] for k in one.questions.keys]] = one.questions.values
    return table


def _clusters(data: Dataset, columns: Sequence[Column], keys: Sequence[str], field: str | None) -> list[str] | None:
    """What each question belongs to; None when all are independent."""
    known: Mapping[str, Any] = {}
    if field is not None:
        values = metadata(data, field)
        known = {k: values[digest_of(k)] for k in keys if digest_of(k) in values}
        if not known:
            raise DefinitionError(f"--cluster {field}: no question has this metadata field")
    else:
        known = {
            k: c
            for one in columns
            if one.questions.clusters is not None
            for k, c in zip(one.questions.keys, one.questions.clusters, strict=True)
            if c is not None
        }
    return [str(known.get(k, k)) for k in keys] if known else None


def _unequal(a: Column, b: Column, options: Options) -> str | None:
    if options.errors != "exclude":
        return None
    planned = sorted({*a.failed} & {*b.failed})
    made = failed_unequally([a.failed[k] for k in planned], [b.failed[k] for k in planned], alpha=options.alpha)
    return made.reason if made.unequal else None


def _band(point: Estimate, comparison: Comparison, metric: MetricInfo) -> dict[str, float | None]:
    """Where the point would lie had nothing changed: it leaves the band exactly when the interval of the step leaves
    out 0."""
    if point.mean is None or comparison.low is None or comparison.high is None:
        return {"band_low": None, "band_high": None}
    least, most = metric.bounds or (-math.inf, math.inf)
    return {
        "band_low": max(least, point.mean - comparison.high),
        "band_high": min(most, point.mean - comparison.low),
    }


def _corrected(lines: Sequence[Line], options: Options) -> list[Line]:
    """Verdicts by the p corrected for all steps of all lines; withheld steps take no part."""
    at = [(i, j) for i, one in enumerate(lines) for j, step in enumerate(one.steps) if step.withheld is None]
    fixed = correct_comparisons([lines[i].steps[j].comparison for i, j in at], options.correction)
    steps = [list(one.steps) for one in lines]
    for (i, j), comparison in zip(at, fixed, strict=True):
        steps[i][j] = msgspec.structs.replace(steps[i][j], comparison=comparison)
    return [msgspec.structs.replace(one, steps=tuple(own)) for one, own in zip(lines, steps, strict=True)]
