"""A comparison of two arms as flat rows: the raw numbers, for CSV and JSON, and the text of each cell made from them.

One place turns numbers into cells, so that terminal, Markdown, CSV and JSON cannot say different things.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weigh.analyze.spread import Spread
from weigh.analyze.verdict import show_p
from weigh.pipeline.compare_report import Report, SuiteRow, TaskRow
from weigh.pipeline.conclusion import is_proportion
from weigh.records.run import MetricInfo

Shape = Callable[[float], str]

FIELDS = (
    "kind", "task", "group", "metric", "unit", "lower_is_better", "scope", "n", "mean_a", "mean_b", "difference", "se",
    "low", "high", "level", "interval_method", "approximate", "ratio", "ratio_low", "ratio_high", "n_zero", "shift",
    "shift_low", "shift_high", "p", "p_corrected", "method", "wins", "losses", "ties", "n_clusters", "mde80", "q",
    "p_tasks", "p_equivalence", "margin", "verdict", "reason", "only_a", "only_b", "changed", "lost",
)  # fmt: skip
"""Columns of the CSV."""


def flat_rows(report: Report) -> list[dict[str, Any]]:
    """Tasks (each followed by its subgroups and its narrower scope), then suites."""
    rows: list[dict[str, Any]] = []
    for row in report.rows:
        rows.append(task_row(row, report))
        if row.given is not None:
            rows.append(given_row(row, report))
        rows += [task_row(group, report) for group in report.groups if group.task == row.task]
    if report.total is not None:
        rows.append(task_row(report.total, report) | {"kind": "total"})
    for suite in report.suites:
        if suite.comparison is not None:
            rows.append(suite_row(suite, report))
            if suite.given is not None:
                rows.append(given_suite_row(suite, report))
    for level in report.levels:
        rows.append(task_row(level, report) | {"kind": "level"})
        if level.given is not None:
            rows.append(given_row(level, report))
    return [{field: row.get(field) for field in FIELDS} for row in rows]


def _base(metric: MetricInfo | None, report: Report) -> dict[str, Any]:
    return {
        "metric": metric.name if metric else None,
        "unit": metric.unit or ("proportion" if is_proportion(metric) else None) if metric else None,
        "lower_is_better": metric.lower_is_better if metric else None,
        "level": 1 - report.options.alpha,
    }


def _numbers(made: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(made, name, None) for name in names}


def task_row(row: TaskRow, report: Report) -> dict[str, Any]:
    """A task or a subgroup."""
    made: Any = row.score or row.cost
    flat = _base(row.metric, report) | {
        "kind": "task" if row.group is None else "group",
        "task": row.task,
        "group": row.group,
        "scope": "tasks like these",
        "p_corrected": made.p_adjusted,
        "verdict": row.verdict,
        "reason": row.withheld or made.reason,
        "only_a": len(row.pairing.only_a),
        "only_b": len(row.pairing.only_b),
        "changed": len(row.pairing.changed),
        "lost": len(row.pairing.lost),
    }
    flat |= _numbers(made, (
        "n", "mean_a", "mean_b", "difference", "se", "low", "high", "interval_method", "approximate", "p", "method",
        "wins", "losses", "ties", "n_clusters", "mde80", "ratio", "ratio_low", "ratio_high", "n_zero", "shift",
        "shift_low", "shift_high", "p_equivalence", "margin",
    ))  # fmt: skip
    flat["q"] = getattr(made, "resolution", None)
    if row.cost is not None and row.cost.mean_a is not None and row.cost.mean_b is not None:
        flat["difference"] = row.cost.mean_b - row.cost.mean_a
    return flat


def given_row(row: TaskRow, report: Report) -> dict[str, Any]:
    """The same task, when only these questions are meant."""
    return _given(row.given, row, report) | {"task": row.task, "group": row.group}


def given_suite_row(row: SuiteRow, report: Report) -> dict[str, Any]:
    """The same suite, when only these questions are meant."""
    return _given(row.given, row, report) | {"task": row.suite, "metric": row.aggregation}


def _given(made: Any, row: TaskRow | SuiteRow, report: Report) -> dict[str, Any]:
    names = ("scope", "n", "mean_a", "mean_b", "difference", "se", "low", "high", "interval_method", "approximate", "p",
             "method", "reason")  # fmt: skip
    return (
        _base(row.metric, report)
        | _numbers(made, names)
        | {
            "kind": "given",
            "p_corrected": getattr(made, "p_adjusted", None),
            "verdict": "withheld" if row.withheld else getattr(made, "verdict", None),
        }
    )


def suite_row(row: SuiteRow, report: Report) -> dict[str, Any]:
    """A suite's aggregate."""
    made = row.comparison
    names = ("scope", "n", "mean_a", "mean_b", "difference", "se", "low", "high", "approximate", "p", "method", "wins",
             "losses", "ties", "mde80", "p_tasks", "p_equivalence", "margin", "reason")  # fmt: skip
    return (
        _base(row.metric, report)
        | _numbers(made, names)
        | {
            "kind": "suite",
            "task": row.suite,
            "metric": row.aggregation,
            "interval_method": "t",
            "q": getattr(made, "resolution", None),
            "verdict": row.verdict,
        }
        | ({"reason": row.withheld} if row.withheld else {})
    )


def percent(value: float) -> str:
    """A proportion in percent."""
    return f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of proportions in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


def plain(value: float) -> str:
    """Any other number."""
    return f"{value:.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def signed(value: float) -> str:
    """Any other difference."""
    return f"{value:+.0f}" if abs(value) >= 10_000 else f"{value:+.4g}"


def cells(row: dict[str, Any]) -> dict[str, Any]:
    """The texts of a row; None where there is nothing to say."""
    proportion = row["unit"] == "proportion"
    one, two = (percent, points) if proportion else (plain, signed)
    indent = {"given": "- these questions", "group": f"- {row['group']}", "level": f"{row['task']}, {row['group']}"}
    return {
        "task": indent.get(row["kind"], row["task"]),
        "metric": row["metric"],
        "n": str(row["n"]),
        "a": _shown(row["mean_a"], one),
        "b": _shown(row["mean_b"], one),
        "difference": _shown(row["difference"], two),
        "interval": span(row["low"], row["high"], two, "~" if row["approximate"] else ""),
        "ratio": _shown(row["ratio"], lambda v: f"{v:.3f}"),
        "ratio_interval": span(
            row["ratio_low"], row["ratio_high"], lambda v: f"{v:.3f}", "~" if row["approximate"] else ""
        ),
        "shift": _shown(row["shift"], signed),
        "shift_interval": span(row["shift_low"], row["shift_high"], signed),
        "p": _shown(row["p"], show_p),
        "p_corrected": _shown(row["p_corrected"], show_p),
        "wins": None if row["wins"] is None or not row["n"] else f"{row['wins']} / {row['losses']} / {row['ties']}",
        "mde80": _shown(row["mde80"], percent if proportion else plain),
        "q": _shown(row["q"], lambda v: f"{v:.2f}" if v < 10 else f"{v:.0f}"),
        "verdict": row["verdict"],
    }


def _shown(value: float | None, shape: Shape) -> str | None:
    return None if value is None else shape(value)


def span(low: float | None, high: float | None, shape: Shape, mark: str = "") -> str | None:
    """An interval, or None where an end is missing."""
    return None if low is None or high is None else f"{mark}{shape(low)} to {shape(high)}"


def quartiles(one: Spread, shape: Shape, *, always: bool = False) -> str | None:
    """`median [q1-q3]`; the bracket is left out where all three are shown alike, unless it is `always` wanted."""
    if one.median is None or one.q1 is None or one.q3 is None:
        return None
    middle, low, high = shape(one.median), shape(one.q1), shape(one.q3)
    return middle if low == middle == high and not always else f"{middle} [{low}-{high}]"
