"""A plan as a person reads it: a row a task, what epochs would buy, the advice, and what it rests on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from weigh.cli.table import WIDEST, Column, Format, render
from weigh.pipeline.compare_rows import percent, plain
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.power import DETECT, PowerReport, Row

FIELDS = (
    "task", "metric", "n", "epochs", "n_clusters", "design_effect", "se", "mde80", "detect", "power", "questions",
    "resolution", "epochs_needed", "questions_if_many_epochs", "between", "within", "method", "assumption", "advice",
    "missing",
)  # fmt: skip
"""Columns of the CSV."""


def flat_rows(report: PowerReport) -> list[dict[str, Any]]:
    """One row a task: raw numbers."""
    rows = []
    for row in report.rows:
        flat: dict[str, Any] = {"task": row.task, "metric": row.metric.name, "n": row.questions, "missing": row.missing}
        if row.plan is not None:
            flat |= {f: getattr(row.plan, f) for f in FIELDS if hasattr(row.plan, f)}
        rows.append({f: flat.get(f) for f in FIELDS})
    return rows


def as_csv(report: PowerReport) -> str:
    """The flat rows."""
    return render([Column(f, f) for f in FIELDS], flat_rows(report), "csv")


def power_text(report: PowerReport, format: Format) -> str:
    """Text or Markdown."""
    mark = "- " if format == "md" else ""
    parts = [f"{mark}A  {report.a}"] + ([f"{mark}B  {report.b}"] if report.b is not None else [])
    shown = [_cells(flat, row) for flat, row in zip(flat_rows(report), report.rows, strict=True)]
    parts += ["", render(_columns(report, shown), shown, format), ""]
    for row in report.rows:
        if row.plan is not None and row.plan.choices:
            parts += [*_epochs(row, format), ""]
    for line in [*_advice(report), *_below(report)]:
        parts.append(f"- {line}" if format == "md" else textwrap.fill(line, WIDEST, subsequent_indent="  "))
    return "\n".join(parts).rstrip()


def _cells(flat: dict[str, Any], row: Row) -> dict[str, Any]:
    plan = row.plan
    if plan is None:
        return {"task": row.task, "metric": row.metric.name, "n": str(row.questions)}
    one = percent if is_proportion(row.metric) else plain
    luck = None
    if plan.within is not None and plan.between is not None and plan.between + plan.within > 0:
        noise = plan.within / plan.epochs
        luck = f"{noise / (plan.between + noise):.0%}"
    return {
        "task": row.task,
        "metric": row.metric.name,
        "n": str(plan.n),
        "epochs": f"{plan.epochs:.3g}",
        "luck": luck,
        "mde80": None if plan.mde80 is None else one(plan.mde80),
        "detect": one(plan.detect),
        "power": None if plan.power is None else f"{plan.power:.0%}",
        "questions": None if plan.questions is None else str(plan.questions),
        "resolution": None if plan.resolution is None else f"{plan.resolution:.2g}",
        "epochs_needed": None if plan.epochs_needed is None else str(plan.epochs_needed),
    }


def _columns(report: PowerReport, shown: list[dict[str, Any]]) -> list[Column]:
    power = f"{report.options.power:.0%}"
    columns = [
        Column("task", "task"),
        Column("metric", "metric"),
        Column("n", "n", str, True),
        Column("epochs", "epochs", str, True),
        Column("luck", "luck", str, True),
        Column("mde80", "MDE80" if report.options.power == 0.8 else f"seen with {power}", str, True),
        Column("detect", "to see", str, True),
        Column("power", "power", str, True),
        Column("questions", "questions needed", str, True),
        Column("resolution", "q", str, True),
        Column("epochs_needed", "or epochs", str, True),
    ]
    filled = {key for row in shown for key, value in row.items() if value is not None}
    return [c for c in columns if c.key in filled]


def _epochs(row: Row, format: Format) -> Iterator[str]:
    """What other numbers of epochs would need and show."""
    plan = row.plan
    if plan is None:
        return
    one = percent if is_proportion(row.metric) else plain
    columns = [
        Column("epochs", "epochs", str, True),
        Column("questions", "questions needed", str, True),
        Column("trials", "trials of each arm", str, True),
        Column("mde80", f"MDE80 on these {plan.n}", str, True),
    ]
    rows = [
        {
            "epochs": str(c.epochs),
            "questions": str(c.questions),
            "trials": str(c.trials),
            "mde80": one(c.mde80),
        }
        for c in plan.choices
    ]
    yield f"{row.task}: to see {_size(plan.detect, row)}"
    if format == "md":
        yield ""
    yield render(columns, rows, format)


def _advice(report: PowerReport) -> Iterator[str]:
    for row in report.rows:
        if row.plan is not None:
            yield f"{row.task}: to see {_size(row.plan.detect, row)}, {row.plan.advice}."
        else:
            yield f"{row.task}: no plan: {row.missing}."


def _size(detect: float, row: Row) -> str:
    if is_proportion(row.metric):
        return f"{100 * detect:.3g} points"
    return f"{detect:.4g} {row.metric.unit or ''}".rstrip()


def _below(report: PowerReport) -> Iterator[str]:
    plans = [row.plan for row in report.rows if row.plan is not None]
    for text in dict.fromkeys(p.assumption for p in plans):
        more = " (--correlation, or name a second arm to measure it)" if text.startswith("assumed") else ""
        yield f"{text}{more}"
    for row in report.rows:
        if row.plan is not None and row.plan.n_clusters is not None:
            yield (
                f"{row.task}: {row.plan.n_clusters} clusters, from {row.cluster_from}, multiply the variance by "
                f"{row.plan.design_effect:.2f}; more questions are thought to come in clusters like these"
            )
    if any(p.within is None for p in plans):
        yield "one epoch: the variance within questions is unknown, so nothing is said about more epochs"
    kinds = ", ".join(dict.fromkeys(p.method for p in plans))
    if kinds:
        default = (
            "" if report.options.detect is not None else f"; --detect asks about another size than {100 * DETECT:g}pp"
        )
        yield (
            f"questions needed: for {report.options.power:.0%} power at alpha = {report.options.alpha:g} ({kinds}); "
            f"q: questions there are / questions needed{default}"
        )
