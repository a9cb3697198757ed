"""A study task by task, and its trials one a line, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weigh.cli.study_flags import short_task
from weigh.cli.table import Column, Format, render
from weigh.cli.terminal import count, seconds
from weigh.pipeline.result_rows import percent
from weigh.pipeline.results import Row, Summary
from weigh.pipeline.study import StudyPlan
from weigh.pipeline.study_trials import StudyTrial
from weigh.records.arm import Arm

AXES = ("model", "agent", "revision", "tier")


def tasks_text(plan: StudyPlan, made: Summary, format: Format) -> str:
    """Tasks by arms: the match of each. What there is more of goes down; machines get one row for each pair."""
    rows = [row for row in made.rows if row.primary and not row.is_suite]
    arms = {arm.id: arm for arm in made.run.arms}
    if format in ("json", "csv"):
        flat = [_flat(plan, arms[row.arm], row) for row in rows]
        return render([Column(key, key) for key in (flat[0] if flat else ["task"])], flat, format)
    known = {(row.arm, row.task): row for row in rows}
    tasks = list(dict.fromkeys(row.task for row in rows))
    counts = {row.trials for row in rows if row.estimate is not None}
    cells = {pair: _cell(row, counted=len(counts) > 1) for pair, row in known.items()}
    varying = _varying(list(arms.values()))
    if len(tasks) > len(arms):
        columns = [Column("task", "task"), *(Column(arm, _label(arms[arm], varying), str, True) for arm in arms)]
        table: list[dict[str, Any]] = [
            {"task": short_task(plan, task), **{arm: cells.get((arm, task)) for arm in arms}} for task in tasks
        ]
    else:
        columns = [
            *(Column(axis, axis) for axis in varying or AXES[:1]),
            *(Column(f"task:{task}", short_task(plan, task), str, True) for task in tasks),
        ]
        table = [
            {**{axis: arms[arm].axes.get(axis) for axis in AXES}, **{f"task:{t}": cells.get((arm, t)) for t in tasks}}
            for arm in arms
        ]
    each = f"; {counts.pop()} trials each" if len(counts) == 1 else "; in brackets the trials" if counts else ""
    failed = "; failed trials are in no number" if any(row.failed for row in rows) else ""
    return f"{render(columns, table, format)}\n\nmatch in percent{each}{failed}"


def trials_text(plan: StudyPlan, trials: Sequence[StudyTrial], format: Format) -> str:
    """One line a trial."""
    rows: list[dict[str, Any]] = [
        {
            "id": one.id,
            "task": short_task(plan, one.task),
            "instance": one.instance,
            **{axis: one.arm.axes.get(axis) for axis in AXES},
            "epoch": one.epoch,
            "status": one.status,
            "match": one.match,
            "turns": one.turns,
            "tokens": one.tokens,
            "seconds": one.seconds,
            "why": one.why,
        }
        for one in trials
    ]
    machine = format in ("json", "csv")
    varying = AXES if machine else _varying([one.arm for one in trials])
    several = machine or len({(one.task, one.instance) for one in trials}) > len({one.task for one in trials})
    columns = [
        Column("id", "trial"),
        Column("task", "task"),
        *([Column("instance", "question")] if several else []),
        *(Column(axis, axis) for axis in varying),
        Column("epoch", "epoch", str, True),
        Column("status", "status"),
        Column("match", "match", lambda value: f"{value:g}", True),
        Column("turns", "turns", str, True),
        Column("tokens", "tokens", count, True),
        Column("seconds", "time", seconds, True),
        *([Column("why", "why")] if machine or any(row["why"] for row in rows) else []),
    ]
    return render(columns, rows, format)


def _cell(row: Row, *, counted: bool) -> str | None:
    mean = row.estimate.mean if row.estimate is not None else None
    if mean is None:
        return f"{sum(row.failed.values())} failed" if row.failed else None
    return percent(mean) + (f" ({row.trials})" if counted else "")


def _flat(plan: StudyPlan, arm: Arm, row: Row) -> dict[str, Any]:
    made = row.estimate
    return {
        "task": short_task(plan, row.task),
        "arm": arm.id,
        **{axis: arm.axes.get(axis) for axis in AXES},
        "trials": row.trials,
        "n": made.n if made else 0,
        "match": made.mean if made else None,
        "failed": dict(row.failed),
        "outcomes": dict(row.outcomes),
    }


def _varying(arms: Sequence[Arm]) -> list[str]:
    """The axes on which arms differ."""
    return [axis for axis in AXES if len({arm.axes.get(axis) for arm in arms}) > 1]


def _label(arm: Arm, axes: Sequence[str]) -> str:
    return "/".join(str(arm.axes.get(axis)) for axis in axes) or arm.id
