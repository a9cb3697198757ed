"""A trend as a person reads it: a table with a small plot in it, and what is shown and what is not."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from weigh.analyze.verdict import show_p
from weigh.cli.table import WIDEST, Column, Format, render
from weigh.cli.trend_plot import plot
from weigh.cli.words import few
from weigh.pipeline.compare_rows import percent, plain, points, signed, span
from weigh.pipeline.conclusion import amount, is_proportion
from weigh.pipeline.trend import Line, TrendReport

CORRECTIONS = {"holm": "Holm", "bh": "BH"}
PLOT = 32

FIELDS = (
    "task", "series", "metric", "point", "n", "score", "se", "low", "high", "level", "step_from", "step_n", "change",
    "change_low", "change_high", "p", "p_corrected", "method", "mde80", "verdict", "band_low", "band_high", "reason",
)  # fmt: skip
"""Columns of the CSV."""


def trend_text(report: TrendReport, format: Format) -> str:
    """Text or Markdown of all lines."""
    parts: list[str] = []
    for line in report.lines:
        parts += [f"## {_title(line)}" if format == "md" else _title(line), ""]
        rows = flat_rows(report, line)
        shown = [_cells(row, line) for row in rows]
        if format == "table":
            plots = plot(line)
            for row, text in zip(shown, plots[1:], strict=True):
                row["plot"] = text
        parts += [render(_columns(report, shown, plot(line)[0] if format == "table" else ""), shown, format), ""]
        parts += [_filled(text, format) for text in _about(line)]
        parts += [_filled(text, format, "**") for text in [conclude(line, report)]] + [""]
    parts += [_filled(text, format) for text in _below(report)]
    return "\n".join(parts).rstrip()


def _filled(text: str, format: Format, mark: str = "") -> str:
    if format == "md":
        return f"{mark}{text}{mark}" if mark else f"- {text}"
    return textwrap.fill(text, WIDEST, subsequent_indent="  " if not mark else "")


def _title(line: Line) -> str:
    series = "".join(f", {name} {value}" for name, value in line.series.items())
    return f"{line.task}, {line.metric.name}{series}"


def flat_rows(report: TrendReport, line: Line) -> list[dict[str, Any]]:
    """One row a point, with the step that led to it: raw numbers."""
    rows = []
    for point, step in zip(line.points, (None, *line.steps), strict=True):
        made = step.comparison if step is not None else None
        rows.append({
            "task": line.task,
            "series": ", ".join(f"{n}={v}" for n, v in line.series.items()),
            "metric": line.metric.name,
            "point": point.label,
            "n": point.estimate.n,
            "score": point.estimate.mean,
            "se": point.estimate.error,
            "low": point.estimate.low,
            "high": point.estimate.high,
            "level": 1 - report.options.alpha,
            "step_from": step.before if step else None,
            "step_n": made.n if made else None,
            "change": made.difference if made else None,
            "change_low": made.low if made else None,
            "change_high": made.high if made else None,
            "p": made.p if made else None,
            "p_corrected": made.p_adjusted if made else None,
            "method": made.method if made else None,
            "mde80": made.mde80 if made else None,
            "verdict": step.verdict if step else None,
            "band_low": step.band_low if step else None,
            "band_high": step.band_high if step else None,
            "reason": (step.withheld or step.comparison.reason) if step else None,
        })  # fmt: skip
    return rows


def as_csv(report: TrendReport) -> str:
    """The flat rows of all lines."""
    return render([Column(f, f) for f in FIELDS], [r for one in report.lines for r in flat_rows(report, one)], "csv")


def _cells(row: dict[str, Any], line: Line) -> dict[str, Any]:
    one, two = (percent, points) if is_proportion(line.metric) else (plain, signed)
    score = None if row["score"] is None else one(row["score"])
    if score is not None and row["se"] is not None:
        score += f" ± {one(row['se'])}"
    return {
        "point": row["point"],
        "n": str(row["n"]),
        "score": score,
        "interval": span(row["low"], row["high"], one),
        "change": None if row["change"] is None else two(row["change"]),
        "change_interval": span(row["change_low"], row["change_high"], two),
        "p": None if row["p"] is None else show_p(row["p"]),
        "p_corrected": None if row["p_corrected"] is None else show_p(row["p_corrected"]),
        "mde80": None if row["mde80"] is None else one(row["mde80"]),
        "verdict": row["verdict"],
    }


def _columns(report: TrendReport, shown: Sequence[dict[str, Any]], ends: str) -> list[Column]:
    level = f"{100 * (1 - report.options.alpha):g} %"
    columns = [
        Column("point", report.axis),
        Column("n", "n", str, True),
        Column("score", "score ± SE", str, True),
        Column("interval", f"{level} interval", str, True),
        Column("plot", ends),
        Column("change", "change", str, True),
        Column("change_interval", f"{level} of it", str, True),
        Column("p", "p", str, True),
        Column("p_corrected", f"p {CORRECTIONS.get(report.options.correction, '')}", str, True),
        Column("mde80", "MDE80", str, True),
        Column("verdict", "it is"),
    ]
    hidden = {"p_corrected"} if report.options.correction == "none" or _tested(report) < 2 else set()
    filled = {key for row in shown for key, value in row.items() if value is not None}
    return [c for c in columns if c.key in filled - hidden]


def _about(line: Line) -> Iterator[str]:
    for step in line.steps:
        if step.withheld:
            yield f"{step.before} -> {step.after}: no verdict: {step.withheld}"
        elif not step.comparison.n:
            yield f"{step.before} -> {step.after}: no question in common, so no step can be judged"
    empty = [p.label for p in line.points if not p.estimate.n]
    if empty:
        yield f"no scored question at {few(empty)}"


def conclude(line: Line, report: TrendReport) -> str:
    """One paragraph about a line."""
    if len(line.points) == 1:
        text = f"One point only on {report.axis} ({line.points[0].label}): there is nothing to compare it with."
        if line.alone is not None and line.alone.value is not None:
            seen = amount(line.alone.value, line.metric).lstrip("+")
            text += f" A second one would show (4 times in 5) a step of about {seen} or more, {line.alone.assumption}."
        return text
    shown = [s for s in line.steps if s.verdict in ("better", "worse")]
    judged = [s for s in line.steps if s.verdict != "withheld" and s.comparison.n]
    if not judged:
        return "No step can be judged."
    sentences = []
    one = len(line.steps) == 1
    if shown:
        names = few([f"{s.before} -> {s.after} ({amount(s.comparison.difference or 0.0, line.metric)})" for s in shown])
        sentences.append(
            f"The step is shown: {names}." if one else f"{len(shown)} of {len(line.steps)} steps shown: {names}."
        )
    else:
        sentences.append("The step is not shown." if one else f"None of {len(line.steps)} steps is shown.")
    sentences.append(_overall(line))
    if line.smallest_visible is not None:
        seen = amount(line.smallest_visible, line.metric).lstrip("+")
        sentences.append(f"This benchmark shows a step of about {seen} or more 4 times in 5 (before correction).")
    elif all(s.comparison.se == 0 for s in judged):
        sentences.append("No question changed its score, so the smallest step it could have shown cannot be measured.")
    else:
        sentences.append("Too few questions changed their score from one point to the next for any step to show.")
    return " ".join(s for s in sentences if s)


def _overall(line: Line) -> str:
    step = line.overall
    if step is None or step.comparison.difference is None:
        return ""
    made = step.comparison
    size = f"{amount(step.comparison.difference or 0.0, line.metric)}, p = {show_p(made.p)}"
    if step.withheld:
        return f"From {step.before} to {step.after} no verdict is given: {step.withheld}."
    word = "the evidence cannot tell" if made.verdict == "unresolved" else made.verdict
    return f"From {step.before} to {step.after} as a whole: {word} ({size})."


def _below(report: TrendReport) -> Iterator[str]:
    yield f"{report.axis}: {report.ordered_by}"
    yield from report.notes
    lower = sorted({one.metric.name for one in report.lines if one.metric.lower_is_better})
    yield from (f"{name}: lower is better" for name in lower)
    if report.options.errors != "exclude":
        yield f"failed trials counted as: {report.options.errors}"
    count = _tested(report)
    if count:
        tests = dict.fromkeys(s.comparison.method for one in report.lines for s in one.steps if s.comparison.n)
        kind = CORRECTIONS.get(report.options.correction)
        yield (
            f"change: paired with the point before; tests: {'; '.join(tests)}"
            + (f". p {kind}: corrected for {count} steps" if kind and count > 1 else "")
            + ". ░: where the point would lie had nothing changed"
        )


def _tested(report: TrendReport) -> int:
    """How many steps the correction counts."""
    return sum(s.comparison.p_adjusted is not None for one in report.lines for s in one.steps)
