"""A study's matrix and its state, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weigh.cli.study_flags import short_task
from weigh.cli.table import Column, Format, render
from weigh.cli.terminal import count, seconds
from weigh.cli.words import many
from weigh.pipeline.study import StudyPlan
from weigh.pipeline.study_status import CellGroup, Forecast
from weigh.study.installations import find_installation

AXES = ("model", "agent", "revision", "tier")


def heading(plan: StudyPlan) -> list[str]:
    """What the study is, in a few lines: where each revision comes from and whether it is installed."""
    study, profile = plan.study, plan.profile
    lines = [f"study {study.name}: {profile.declared.description or 'profile ' + profile.name}"]
    for revision in plan.revisions:
        ready = find_installation(profile.recipe(revision).path)
        state = "installed" if ready is not None else "not built yet"
        shown = "" if revision.short == revision.name else f" = {revision.short}"
        lines.append(f"  revision {revision.name}{shown} ({state})")
    lines += [f"  left out: {line}" for line in plan.lacking]
    return lines


def matrix(plan: StudyPlan, groups: Sequence[CellGroup], format: Format) -> str:
    """A row for each arm: how many trials there are, are done, and remain."""
    rows: dict[str, dict[str, Any]] = {}
    for group in groups:
        row = rows.setdefault(
            group.arm.id,
            {**{axis: group.arm.axes.get(axis) for axis in AXES}, "tasks": 0, "trials": 0, "done": 0, "remaining": 0},
        )
        row["tasks"] += 1
        row["trials"] += group.planned
        row["done"] += group.planned - group.remaining
        row["remaining"] += group.remaining
    columns = [
        *(Column(axis, axis) for axis in AXES),
        *(Column(key, key, str, True) for key in ("tasks", "trials", "done", "remaining")),
    ]
    return render(columns, list(rows.values()), format)


def status_table(plan: StudyPlan, groups: Sequence[CellGroup], format: Format, *, every: bool) -> str:
    """A row for each task in each arm; those that are complete only where `every` or the format is for machines."""
    shown = [g for g in groups if every or format in ("json", "csv") or g.remaining]
    rows = [
        {
            **{axis: group.arm.axes.get(axis) for axis in AXES},
            "task": short_task(plan, group.task),
            "trials": group.planned,
            "done": group.done,
            "elsewhere": group.elsewhere,
            "running": group.running,
            "again": group.again,
            "failed": sum(group.failed.values()),
            "missing": group.missing,
            "state": state(group),
            "why": "; ".join([*group.reasons, *(f"{n} {status}" for status, n in group.outcomes.items())]) or None,
        }
        for group in shown
    ]
    numbers = ["trials", "done", "running", "failed", "missing"]
    if format in ("json", "csv") or any(row["elsewhere"] for row in rows):
        numbers.insert(2, "elsewhere")
    if format in ("json", "csv") or any(row["again"] for row in rows):
        numbers.insert(2, "again")
    columns = [
        *(Column(axis, axis) for axis in (*AXES, "task")),
        *(Column(key, key, str, True) for key in numbers),
        Column("state", "state"),
        Column("why", "why", _cut if format == "table" else str),
    ]
    return render(columns, rows, format)


def state(group: CellGroup) -> str:
    """One word for a cell group."""
    if group.remaining == 0:
        return "done"
    if group.running:
        return "running"
    if group.again:
        return "outdated"
    if group.partly:
        return "partly done"
    return "failed" if group.failed else "missing"


def why_again(plan: StudyPlan) -> str:
    """Why trials that ended run again."""
    if plan.request.again:
        return " (--force)"
    return ", since a scorer that looks into their sandbox, which is gone, was changed"


def outdated(plan: StudyPlan, groups: Sequence[CellGroup]) -> list[str]:
    """What of the numbers was made by scorers that are no longer the tasks' own."""
    old = {short_task(plan, g.task): 0 for g in groups if g.outdated or g.again}
    for group in groups:
        if group.outdated or group.again:
            old[short_task(plan, group.task)] += group.outdated + group.again
    if not old or plan.request.again:
        return []
    again = sum(g.again for g in groups)
    how = f" ({again} by running again{why_again(plan)})" if again else ""
    return [
        f"{many(sum(old.values()), 'trial')} of {', '.join(old)} carry scores by an older definition of their scorers; "
        f"weigh study run {plan.study.file} scores them anew{how}"
    ]


def totals(plan: StudyPlan, groups: Sequence[CellGroup]) -> str:
    """The whole matrix in one line."""
    planned = sum(g.planned for g in groups)
    parts = [f"{sum(g.done for g in groups)} done"]
    for word, number in (
        ("stored in other runs", sum(g.elsewhere for g in groups)),
        ("running", sum(g.running for g in groups)),
        ("failed", sum(sum(g.failed.values()) for g in groups)),
        ("missing", sum(g.missing for g in groups)),
    ):
        if number:
            parts.append(f"{number} {word}")
    outdated = sum(g.outdated for g in groups)
    if outdated:
        parts[0] += f" ({outdated} of them to be scored anew, since their scorer was changed)"
    again = sum(g.again for g in groups)
    if again:
        parts.insert(1, f"{again} to run again{why_again(plan)}")
    partly = sum(g.partly for g in groups)
    if partly:
        parts.append(f"{many(partly, 'cell')} partly done")
    return f"{many(planned, 'trial')}: {', '.join(parts)}"


def forecast_text(made: Forecast) -> str:
    """What remains, and what it will take."""
    if not made.trials:
        return "nothing remains"
    text = f"{many(made.trials, 'trial')} remain"
    if made.seconds is None or not made.known:
        return f"{text}; nothing like them is stored yet, so what they will take is not known"
    share = "" if made.known == made.trials else f" (for {made.known} of them something alike is stored)"
    parts = []
    if made.tokens is not None:
        parts.append(f"{count(made.tokens)} tokens ({count(made.generated or 0)} generated)")
    parts.append(f"{seconds(made.seconds)} of trials, {seconds(made.wall or 0)} with {made.concurrency} at a time")
    return f"{text}: about {', '.join(parts)}{share}"


def _cut(text: str) -> str:
    return text if len(text) <= 70 else text[:67] + "..."
