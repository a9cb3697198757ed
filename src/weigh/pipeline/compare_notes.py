"""What must be known with a table of comparisons: what did not pair, why there is no verdict, how it was tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weigh.pipeline.compare_report import Report, TaskRow

COUNTED = {
    "mean_of_tasks": "each task counts the same",
    "mean_of_suites": "each suite in it counts the same",
    "weighted": "each member counts by its weight",
}
"""What the mean of a suite is over, where that is not its questions."""
CORRECTIONS = {"holm": "Holm", "bh": "BH"}


def notes(report: Report, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lines for people. `rows` are those of `flat_rows`."""
    return [*_unpaired(report), *_reasons(report), *_how(report, rows), *report.notes]


def some(names: Sequence[str], most: int = 4) -> str:
    """The first of several names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _unpaired(report: Report) -> list[str]:
    """What did not pair; the same said once for all tasks it is said of."""
    tasks: dict[str, list[str]] = {}
    for row in report.rows:
        if row.pairing.note:
            tasks.setdefault(row.pairing.note, []).append(row.task)
    return [f"{some(names)}: {note}" for note, names in tasks.items()]


def _reasons(report: Report) -> list[str]:
    """Why verdicts were withheld or could not be reached, the same reason once."""
    tasks: dict[str, list[str]] = {}
    for row in (*report.rows, *report.groups):
        reason = _reason(row)
        if reason:
            tasks.setdefault(reason, []).append(row.task if row.group is None else f"{row.task} {row.group}")
    lines = [f"{some(names)}: {reason}" for reason, names in tasks.items()]
    if report.options.shared and any(row.pairing.only_a or row.pairing.only_b for row in report.rows):
        lines.append("only questions that both sides have in every context count (--shared)")
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
    lines += _weighted(report)
    units: dict[str, list[str]] = {}
    for row in report.rows:
        if row.cluster_from and row.score is not None:
            word = "cluster is the unit" if row.score.n_clusters == 1 else "clusters are the units"
            units.setdefault(f"{row.score.n_clusters} {word}, from {row.cluster_from}", []).append(row.task)
    lines += [f"{some(names)}: {what}" for what, names in units.items()]
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
    rough = [r for r in rows if r["approximate"]]
    if any(r["ratio"] is not None for r in rough):
        lines.append(
            "~: the interval of B / A disagrees with the test about 1; the verdict follows the test, and the shift is "
            "the number that belongs to it"
        )
    rough = [r for r in rough if r["ratio"] is None]
    if rough:
        alpha = report.options.alpha
        lost = any((r["p"] or 0.0) <= alpha < (r["p_corrected"] or 0.0) for r in rough)
        lines.append(
            "~: the interval is approximate and disagrees with the test about zero; the verdict follows the test"
            + (", corrected" if lost else "")
        )
    if any(row["kind"] == "given" for row in rows):
        lines.append(
            "first line of a task: questions like these (questions are drawn from more of their kind); "
            "`these questions`: only the luck of the epochs is in doubt"
        )
    if report.options.errors != "exclude":
        lines.append(f"failed trials counted as: {report.options.errors}")
    lines.append(_tests(report, rows))
    return lines


def _weighted(report: Report) -> list[str]:
    """Suites whose mean is not that of the questions that are won and lost; where tasks are equally large, it is."""
    found = []
    for suite in report.suites:
        if suite.comparison is None or suite.aggregation not in COUNTED:
            continue
        sizes = {row.pairing.paired for row in report.rows if row.task in suite.comparison.weights}
        if len(sizes) > 1:
            how = f"{COUNTED[suite.aggregation]}, however many questions it has"
            found.append(f"{suite.suite}: {how}; won / lost / tied counts questions")
    return found


def _tests(report: Report, rows: Sequence[dict[str, Any]]) -> str:
    tests: dict[str, None] = dict.fromkeys(r["method"] for r in rows if r["method"] not in (None, "none"))
    text = f"tests: {'; '.join(tests)}" if tests else "no test was possible"
    kind = report.options.correction
    for level, word in (("task", "tasks"), ("group", "subgroups"), ("level", f"values of {report.options.by}")):
        counted = sum(r["kind"] == level and r["p_corrected"] is not None for r in rows)
        if counted > 1 and kind in CORRECTIONS:
            text += f". p {CORRECTIONS[kind]}: corrected for {counted} {word}"
    if any(r["mde80"] is not None for r in rows):
        text += ". MDE80: about the smallest difference that would have shown 4 times in 5, taken alone"
    if any(r["q"] is not None for r in rows):
        text += ". q: questions there were / questions needed to show a difference like the one seen"
    return text
