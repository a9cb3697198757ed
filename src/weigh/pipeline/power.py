"""`weigh power`: how many questions and epochs it takes to see a difference, from what runs have measured.

With two arms the variance of their paired difference is measured; with one, how alike another arm would be has to be
assumed, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.power import PowerPlan, plan_power
from weigh.pipeline.align import align
from weigh.pipeline.clusters import cluster_names
from weigh.pipeline.column import column
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.metrics import pick_metric
from weigh.pipeline.questions import Errors
from weigh.pipeline.sides import Side, contexts, open_sides, resolve_sides
from weigh.pipeline.task_names import choose_named
from weigh.pipeline.task_pairs import has_variant, refuse_versions, task_pairs
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo, TaskInfo
from weigh.records.trial import join_spec
from weigh.store.dataset import Dataset
from weigh.store.layout import Store

DETECT = 0.02
"""What is asked about when nothing is said, for proportions: 2 points."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to plan for.

    Attributes:
        detect: The difference to see, in the units of the metric; None for 2 points of a proportion.
        epochs: Plan for so many epochs instead of those that were run.
        correlation: Of another arm's scores with this one's over questions, where only one arm is given.
        alpha, power: Of the test.
        tasks, metric, cluster, errors: As for `weigh compare`.
    """

    detect: float | None = None
    epochs: int | None = None
    correlation: float = 0.5
    alpha: float = 0.05
    power: float = 0.8
    tasks: tuple[str, ...] = ()
    metric: str | None = None
    cluster: str | None = None
    errors: Errors = "exclude"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One task.

    Attributes:
        questions: How many questions the numbers come from.
        plan: None where there can be none; `missing` says why.
        cluster_from: Where clusters come from.
    """

    task: str
    metric: MetricInfo
    questions: int
    plan: PowerPlan | None = None
    missing: str | None = None
    cluster_from: str | None = None


class PowerReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every task planned; `b` is None where only one arm is given."""

    a: str
    b: str | None
    rows: tuple[Row, ...]
    options: Options = Options()
    notes: tuple[str, ...] = ()


def power(store: Store, words: Sequence[str], options: Options | None = None) -> PowerReport:
    """Plan with one arm or two.

    Raises:
        StoreError, DefinitionError: See `resolve_sides` and `task_pairs`; more than two arms.
    """
    options = options or Options()
    sides = resolve_sides(store, words)
    if len(sides) > 2:
        names = ", ".join(s.label for s in sides[:8])
        raise DefinitionError(f"a plan takes one arm or two, and there are {len(sides)}: {names}; name them as RUN:ARM")
    with open_sides(store, sides) as data:
        rows = _paired(data, sides[0], sides[1], options) if len(sides) == 2 else _single(data, sides[0], options)
    return PowerReport(
        a=sides[0].label, b=sides[1].label if len(sides) == 2 else None, rows=tuple(rows), options=options
    )


def _paired(data: Dataset, a: Side, b: Side, options: Options) -> list[Row]:
    rows = []
    for name, ours, theirs in task_pairs(a, b, options.tasks):
        refuse_versions(name, ours, theirs)
        metric = pick_metric(ours, options.metric)
        pairs = align(data, a, b, name, ours, theirs, metric, errors=options.errors, cluster=options.cluster)
        repeated = bool(pairs.epochs_a) and metric.reduce == "mean"
        first = pairs.epochs_a if repeated else pairs.a.reshape(-1, 1).tolist()
        second = pairs.epochs_b if repeated else pairs.b.reshape(-1, 1).tolist()
        clusters = None if pairs.clusters is None else pairs.clusters.tolist()
        row = Row(task=name, metric=metric, questions=pairs.n, cluster_from=pairs.cluster_from)
        rows.append(_planned(row, first, second, clusters, options))
    return rows


def _single(data: Dataset, side: Side, options: Options) -> list[Row]:
    rows = []
    rest = contexts([side])
    for name, tasks in _tasks(side, options.tasks).items():
        metric = pick_metric(tasks, options.metric)
        found = column(data, side, tasks, metric, rest, options.errors).questions
        lists = found.epoch_lists() if metric.reduce == "mean" else found.values.reshape(-1, 1).tolist()
        clusters, source = cluster_names(data, found, np.arange(found.n), found.keys, rest, options.cluster)
        row = Row(task=name, metric=metric, questions=found.n, cluster_from=source)
        rows.append(_planned(row, lists, None, None if clusters is None else clusters.tolist(), options))
    return rows


def _tasks(side: Side, wanted: Sequence[str]) -> dict[str, list[TaskInfo]]:
    found: dict[str, list[TaskInfo]] = {}
    for member in side.members:
        for task in member.run.tasks:
            if has_variant(member, task):
                found.setdefault(join_spec(task.name, task.variant), []).append(task)
    return {spec: found[spec] for spec in choose_named(found, wanted, f"{side.label} has no task", "it has")}


def _planned(
    row: Row, a: list[list[float]], b: list[list[float]] | None, clusters: list[Any] | None, options: Options
) -> Row:
    missing = _missing(row, a, b, options)
    if missing is None:
        detect = options.detect if options.detect is not None else DETECT
        try:
            plan = plan_power(
                a,
                b,
                detect=detect,
                epochs=options.epochs,
                clusters=clusters,
                correlation=options.correlation,
                alpha=options.alpha,
                power=options.power,
            )
        except ValueError as error:
            return msgspec.structs.replace(row, missing=str(error))
        return msgspec.structs.replace(row, plan=plan)
    return msgspec.structs.replace(row, missing=missing)


def _missing(row: Row, a: list[list[float]], b: list[list[float]] | None, options: Options) -> str | None:
    """Why there can be no plan."""
    if options.detect is None and not is_proportion(row.metric):
        unit = f" in {row.metric.unit}" if row.metric.unit else ""
        return f"{row.metric.name} is no proportion: say with --detect which difference{unit} is meant"
    if row.questions < 2:
        asked = "question is" if row.questions == 1 else "questions are"
        return f"{row.questions or 'no'} {asked} too few to measure a variance"
    if b is not None and a == b:
        return (
            "the two arms have equal scores on every question and epoch: a variance of 0 is no measurement to plan by"
        )
    if b is None and len({value for epochs in a for value in epochs}) == 1:
        return (
            f"every score is {a[0][0]:g}: a variance of 0 is no measurement to plan by, and if this is the best or "
            "worst score there is, no number of questions like these helps"
        )
    return None
