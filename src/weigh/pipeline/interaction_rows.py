"""The effect along an axis as flat rows, and the text of each cell: one place, for terminal, files and page."""

from __future__ import annotations

from typing import Any

from weigh.analyze.verdict import show_p
from weigh.pipeline.compare_rows import percent, plain, points, signed, span
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.interaction import InteractionReport, is_cost


def interaction_rows(report: InteractionReport) -> list[dict[str, Any]]:
    """One flat row a task and level, and one for the contrast."""
    rows: list[dict[str, Any]] = []
    for row in report.rows:
        base: dict[str, Any] = {"task": row.task, "metric": row.metric.name, "axis": report.axis}
        for level, effect in zip(row.made.levels, row.made.effects, strict=True):
            rows.append(base | {
                "level": level, "n": effect.n, "mean_a": effect.mean_a, "mean_b": effect.mean_b,
                "difference": effect.difference, "low": effect.low, "high": effect.high, "p": effect.p,
                "p_corrected": None, "method": effect.method, "verdict": effect.verdict,
                "approximate": effect.approximate,
            })  # fmt: skip
        rows.append(base | {
            "level": "change", "n": row.made.n, "mean_a": None, "mean_b": None, "difference": row.made.contrast,
            "low": row.made.low, "high": row.made.high, "p": row.made.p, "p_corrected": row.p_adjusted,
            "method": row.made.method, "verdict": row.verdict, "approximate": row.made.approximate,
        })  # fmt: skip
    return rows


def interaction_cells(report: InteractionReport) -> list[dict[str, Any]]:
    """The texts of those rows; None where there is nothing to say."""
    by_task = {row.task: row for row in report.rows}
    shown = []
    for flat in interaction_rows(report):
        row = by_task[flat["task"]]
        one, two = (percent, points) if is_proportion(row.metric) else (plain, signed)
        change = flat["level"] == "change"
        shown.append({
            "task": row.task, "metric": row.metric.name,
            "level": _change(report) if change else flat["level"], "n": flat["n"],
            "a": None if flat["mean_a"] is None else one(flat["mean_a"]),
            "b": None if flat["mean_b"] is None else one(flat["mean_b"]),
            "difference": None if flat["difference"] is None else two(flat["difference"]),
            "interval": span(flat["low"], flat["high"], two, "~" if flat["approximate"] else ""),
            "p": None if flat["p"] is None else show_p(flat["p"]),
            "p_corrected": None if flat["p_corrected"] is None else show_p(flat["p_corrected"]),
            "verdict": flat["verdict"],
        })  # fmt: skip
    return shown


def _change(report: InteractionReport) -> str:
    if len(report.levels) == 2:
        return "change"
    # Names have no distance: it says whether the effect rises in the order shown, and no more.
    return "slope a step" if report.ordered else "slope, in this order"


def interaction_notes(report: InteractionReport) -> list[str]:
    """What must be known with the rows."""
    lines = []
    for row in report.rows:
        told = row.withheld or row.made.reason
        how = "the same questions at every level" if row.made.paired else "different questions at each level"
        lost = f"; {row.dropped} paired questions that not every level has are left out" if row.dropped else ""
        lines.append(f"{row.task}: {told} ({how}{lost})")
    if report.left_out:
        lines.append(f"No question is paired at {report.axis} {', '.join(report.left_out)}.")
    if not report.ordered:
        lines.append(f"The values of {report.axis} are names: they are taken in the order in which the runs have them.")
    if any(is_cost(row.metric) for row in report.rows):
        lines.append("Costs are compared here by their plain differences, not by ratios.")
    if any(flat["approximate"] for flat in interaction_rows(report)):
        lines.append(
            "~: the interval is approximate and disagrees with the test about zero; the verdict follows the test."
        )
    lines.append("The verdicts of single levels do not answer whether levels differ; the last line of each task does.")
    return lines
