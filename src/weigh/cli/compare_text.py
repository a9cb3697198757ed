"""Two arms compared, as a person reads it: who A and B are, the table, what must be known with it, the conclusion."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from weigh.cli.table import WIDEST, Column, Format, render
from weigh.pipeline.compare_notes import CORRECTIONS, notes, some
from weigh.pipeline.compare_report import Report
from weigh.pipeline.compare_rows import cells, flat_rows
from weigh.pipeline.conclusion import conclude


def report_text(report: Report, format: Format) -> str:
    """Text or Markdown of one comparison."""
    rows = flat_rows(report)
    shown = [cells(row) for row in rows]
    parts = [*_heading(report, format), "", render(_columns(report, shown), shown, format), ""]
    below = notes(report, rows)
    if format == "md":
        parts += [f"- {line}" for line in below]
        parts += ["", f"**{conclude(report)}**"]
    else:
        parts += [textwrap.fill(line, WIDEST, subsequent_indent="  ") for line in below]
        parts += ["", textwrap.fill(conclude(report), WIDEST)]
    return "\n".join(parts)


def _heading(report: Report, format: Format) -> list[str]:
    mark = "- " if format == "md" else ""
    return [
        f"{mark}{letter}  {label}{'' if arms == (label,) else '  (' + some(arms) + ')'}"
        for letter, label, arms in (("A", report.a, report.arms_a), ("B", report.b, report.arms_b))
    ]


def _columns(report: Report, shown: Sequence[dict[str, Any]]) -> list[Column]:
    level = f"{100 * (1 - report.options.alpha):g} %"
    columns = [
        Column("task", "task"),
        Column("metric", "metric"),
        Column("n", "n", str, True),
        Column("a", "A", str, True),
        Column("b", "B", str, True),
        Column("difference", "B - A", str, True),
        Column("interval", f"{level} interval", str, True),
        Column("ratio", "B / A", str, True),
        Column("ratio_interval", f"{level} of it", str, True),
        Column("shift", "shift", str, True),
        Column("shift_interval", f"{level} of it", str, True),
        Column("p", "p", str, True),
        Column("p_corrected", f"p {CORRECTIONS.get(report.options.correction, '')}", str, True),
        Column("wins", "won / lost / tied", str, True),
        Column("mde80", "MDE80", str, True),
        Column("q", "q", str, True),
        Column("verdict", "B is"),
    ]
    empty = {c.key for c in columns if all(row[c.key] is None for row in shown)}
    if all(row["p_corrected"] in (None, row["p"]) for row in shown) and len(report.rows) + len(report.groups) < 3:
        empty.add("p_corrected")
    keep = {"task", "metric", "n", "a", "b", "difference", "p", "verdict"}
    return [c for c in columns if c.key in keep or c.key not in empty]
