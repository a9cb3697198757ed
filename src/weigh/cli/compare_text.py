"""Two arms compared, as a person reads it: who A and B are, the table, what must be known with it, the conclusion."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from weigh.cli.compare_rows import cells, flat_rows
from weigh.cli.table import Column, Format, render
from weigh.pipeline.compare import Report, TaskRow
from weigh.pipeline.conclusion import conclude

CORRECTIONS = {"holm": "Holm", "bh": "BH"}
WIDTH = 118


def report_text(report: Report, format: Format) -> str:
    """Text or Markdown of one comparison."""
    rows = flat_rows(report)
    shown = [cells(row) for row in rows]
    parts = [*_heading(report, format), "", render(_columns(report, shown), shown, format), ""]
    below = [*_unpaired(report), *_reasons(report), *_how(report, rows), *report.notes]
    if format == "md":
        parts += [f"- {line}" for line in below]
        parts += ["", f"**{conclude(report)}**"]
    else:
        parts += [textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in below]
        parts += ["", textwrap.fill(conclude(report), WIDTH)]
    return "\n".join(parts)


def _heading(report: Report, format: Format) -> list[str]:
    mark = "- " if format == "md" else ""
    return [
        f"{mark}{letter}  {label}{'' if arms == (label,) else '  (' + _some(arms) + ')'}"
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


def _unpaired(report: Report) -> list[str]:
    return [f"{row.task}: {row.pairing.note}" for row in report.rows if row.pairing.note]


def _reasons(report: Report) -> list[str]:
    """Why verdicts were withheld or could not be reached, the same reason once."""
    tasks: dict[str, list[str]] = {}
    for row in (*report.rows, *report.groups):
        reason = _reason(row)
        if reason:
            tasks.setdefault(reason, []).append(row.task if row.group is None else f"{row.task} {row.group}")
    lines = [f"{_some(names)}: {reason}" for reason, names in tasks.items()]
    for suite in report.suites:
        if suite.missing and report.total is None:
            lines.append(f"{suite.suite}: no aggregate, {suite.missing}")
        elif suite.withheld:
            lines.append(f"{suite.suite}: no verdict, since a task of it has none")
    return lines


def _reason(row: TaskRow) -> str | None:
    if row.withheld:
        return f"no verdict: {row.withheld}"
    made = row.score or row.cost
    if made is None or made.verdict in ("better", "worse") or made.reason.startswith("the evidence cannot tell: "):
        return None
    return made.reason


def _how(report: Report, rows: Sequence[dict[str, Any]]) -> list[str]:
    lower = sorted({r["metric"] for r in rows if r["lower_is_better"] and r["kind"] == "task"})
    lines = [f"{name}: lower is better" for name in lower]
    lines += [
        f"{row.task}: {row.score.n_clusters} clusters, from {row.cluster_from}, are the units"
        for row in report.rows
        if row.cluster_from and row.score is not None
    ]
    zeros = [f"{r['task']} {r['n_zero']}" for r in rows if r["n_zero"]]
    if zeros:
        lines.append(f"questions left out of B / A because a cost is 0 (not out of the shift): {', '.join(zeros)}")
    late = [r for r in report.rows if r.cost is not None and r.cost.timeouts_a + r.cost.timeouts_b]
    lines += [
        f"{r.task}: {r.cost.timeouts_a} questions of A and {r.cost.timeouts_b} of B timed out; they count with what "
        "they had cost by then"
        for r in late
        if r.cost is not None
    ]
    if any(r["approximate"] for r in rows):
        lines.append(
            "~: the interval is approximate and disagrees with the test about zero; the verdict follows the test"
        )
    if any(row.given is not None for row in report.rows):
        lines.append(
            "first line of a task: questions like these (questions are drawn from more of their kind); "
            "`these questions`: only the luck of the epochs is in doubt"
        )
    if report.options.errors != "exclude":
        lines.append(f"failed trials counted as: {report.options.errors}")
    lines.append(_tests(report, rows))
    return lines


def _tests(report: Report, rows: Sequence[dict[str, Any]]) -> str:
    tests: dict[str, None] = dict.fromkeys(r["method"] for r in rows if r["method"] not in (None, "none"))
    text = f"tests: {'; '.join(tests)}" if tests else "no test was possible"
    kind = report.options.correction
    for level, word in (("task", "tasks"), ("group", "subgroups")):
        counted = sum(r["kind"] == level and r["p_corrected"] is not None for r in rows)
        if counted > 1 and kind in CORRECTIONS:
            text += f". p {CORRECTIONS[kind]}: corrected for {counted} {word}"
    if any(r["mde80"] is not None for r in rows):
        text += ". MDE80: the smallest difference that would have shown 4 times in 5"
    if any(r["q"] is not None for r in rows):
        text += ". q: questions there were / questions needed to show a difference like the one seen"
    return text


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
