"""Pictures of costs: a score against what a question costs, and how a cost lies over single trials."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from weigh.analyze.estimate import Estimate, estimate
from weigh.analyze.front import pareto_front
from weigh.analyze.spread import spread
from weigh.pipeline.compare_rows import percent, plain
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.metrics import COSTS
from weigh.pipeline.plot_rows import Drawing, Options, info_of, is_chosen, labelled, named_arms, result_rows, tasks_of
from weigh.pipeline.results import suite_members
from weigh.pipeline.sides import Member
from weigh.records.errors import DefinitionError, suggest
from weigh.records.run import SuiteNode, TaskInfo
from weigh.records.trial import join_spec
from weigh.store.dataset import Dataset, open_dataset
from weigh.store.layout import Store

MOST_POINTS = 3000
"""Trials drawn of one arm; more are thinned out evenly at random, which the box is not."""


def cost(store: Store, words: Sequence[str], options: Options) -> Drawing:
    """A score against what a question costs, one point an arm, and the arms that no other beats in both."""
    _known_cost(options.cost)
    arms = named_arms(store, words)
    found = result_rows(store, arms, options)
    chosen = [(arm, row) for arm, row in found if is_chosen(row, options)]
    subjects = list(dict.fromkeys(row.task for _, row in chosen))
    suites = [row.task for _, row in chosen if row.is_suite and row.estimate is not None]
    subject = suites[0] if suites and not any(t in subjects for t in options.tasks if t not in suites) else None
    if subject is None:
        if len(subjects) != 1:
            raise DefinitionError(
                f"one picture shows one score against a cost; choose a task (or a suite with an aggregate) with -t: "
                f"{', '.join(subjects) or 'none is there'}"
            )
        subject = subjects[0]
    rows: list[dict[str, Any]] = []
    lower = False
    metric = None
    with open_dataset(store, sorted({m.run.id for _, m in arms})) as data:
        for name, member in arms:
            own = next((row for arm, row in chosen if arm == name and row.task == subject), None)
            suite = next((s for s in member.run.suites if s.name == subject), None)
            spent = _spent(data, member, suite, subject, options)
            if own is None or own.estimate is None or own.estimate.mean is None or spent is None:
                continue
            lower, metric = own.lower_is_better, info_of(own)
            one = percent if is_proportion(metric) else plain
            about = labelled(name, own.estimate, one)
            rows.append({
                "series": name, "x": spent.mean, "x_low": spent.low, "x_high": spent.high, "y": own.estimate.mean,
                "y_low": own.estimate.low, "y_high": own.estimate.high,
                "label": f"{about}; {plain(spent.mean or 0.0)} {COSTS[options.cost].unit} a question",
            })  # fmt: skip
    if not rows:
        raise DefinitionError(f"no arm has both a score and {options.cost} on {subject}")
    front = pareto_front([r["x"] for r in rows], [r["y"] for r in rows], lower_is_better=lower)
    unit = COSTS[options.cost].unit
    return Drawing(
        chart="pareto", rows=tuple(rows), more=tuple({"x": rows[i]["x"], "y": rows[i]["y"]} for i in front),
        settings={
            "x_title": f"{_titled(options.cost, unit)} a question", "y_title": f"{subject}, score",
            "percent": is_proportion(metric),
        },
    )  # fmt: skip


def trials(store: Store, words: Sequence[str], options: Options) -> Drawing:
    """How a cost lies over single trials: every trial a point, and a box."""
    _known_cost(options.cost)
    arms = named_arms(store, words)
    rows: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    notes: list[str] = []
    chance = random.Random(0)
    several = len({t for _, m in arms for t in _specs(m, options)}) > 1
    with open_dataset(store, sorted({m.run.id for _, m in arms})) as data:
        specs = list(dict.fromkeys(t for _, m in arms for t in _specs(m, options)))
        for spec in specs:
            for name, member in arms:
                values = _trial_values(data, member, spec, options)
                row = f"{spec}: {name}" if several else name
                made = spread(values)
                if not made.n:
                    continue
                boxes.append({
                    "row": row, "low": made.low, "q1": made.q1, "median": made.median, "q3": made.q3, "high": made.high,
                    "label": f"{row}: median {plain(made.median or 0.0)}, half of {made.n} trials between "
                             f"{plain(made.q1 or 0.0)} and {plain(made.q3 or 0.0)}",
                })  # fmt: skip
                shown = values.tolist()
                if len(shown) > MOST_POINTS:
                    notes.append(f"{row}: {MOST_POINTS} of {len(shown)} trials drawn; the box is of all")
                    shown = chance.sample(shown, MOST_POINTS)
                rows += [{"row": row, "value": v, "jitter": round(chance.random(), 3)} for v in shown]
    if not rows:
        raise DefinitionError(f"no trial of these runs has {options.cost}")
    unit = COSTS[options.cost].unit
    return Drawing(chart="strip", rows=tuple(rows), more=tuple(boxes), notes=tuple(notes),
                   settings={"x_title": f"{_titled(options.cost, unit)} a trial"})  # fmt: skip


def _specs(member: Member, options: Options) -> list[str]:
    return [join_spec(t.name, t.variant) for t in tasks_of(member, options)]


def _spent(data: Dataset, member: Member, suite: SuiteNode | None, subject: str, options: Options) -> Estimate | None:
    """What a question costs on a task, or on all tasks of a suite."""
    wanted = set(suite_members(suite)) if suite is not None else {subject}
    parts = [
        _question_costs(data, member, task, options)
        for task in member.run.tasks
        if join_spec(task.name, task.variant) in wanted
    ]
    whole = np.concatenate(parts) if parts else np.zeros(0)
    return estimate(whole, level=options.level) if whole.size else None


def _question_costs(data: Dataset, member: Member, task: TaskInfo, options: Options) -> Any:
    """One value a question: the mean of its trials'."""
    rows = data.sql(
        f"select avg({_expression(options.cost)}) as value from trials where run = ? and arm = ? and task = ? and "
        "variant = ? and status not in ('error', 'empty') group by instance_digest, instance_id order by all",
        (member.run.id, member.arm.id, task.name, task.variant),
    )
    return np.array([row["value"] for row in rows if row["value"] is not None], dtype=float)


def _trial_values(data: Dataset, member: Member, spec: str, options: Options) -> Any:
    task = next((t for t in member.run.tasks if join_spec(t.name, t.variant) == spec), None)
    if task is None:
        return np.zeros(0)
    rows = data.sql(
        f"select {_expression(options.cost)} as value from trials where run = ? and arm = ? and task = ? and "
        "variant = ? and status not in ('error', 'empty') order by instance_digest, instance_id, epoch",
        (member.run.id, member.arm.id, task.name, task.variant),
    )
    return np.array([row["value"] for row in rows if row["value"] is not None], dtype=float)


def _expression(name: str) -> str:
    if name != "tokens":
        return f'"{name}"::double'
    known = 'coalesce("new", cached, generated) is not null'
    return f'(case when {known} then coalesce("new", 0) + coalesce(cached, 0) + coalesce(generated, 0) end)::double'


def _known_cost(name: str) -> None:
    if name not in COSTS:
        raise DefinitionError(f"there is no cost {name!r}{suggest(name, COSTS)} (there are {', '.join(COSTS)})")


def _titled(name: str, unit: str | None) -> str:
    """`seconds`, `new tokens`, `tool calls`, `cost ($)`."""
    shown = name.replace("_", " ")
    if unit == "tokens" and name != "tokens":
        return f"{shown} tokens"
    return f"{shown} ({unit})" if unit == "$" else shown
