"""Many arms compared as flat rows, one a task and pair."""

from __future__ import annotations

from typing import Any

from weigh.analyze.verdict import show_p
from weigh.pipeline.matrix import MatrixReport, MatrixRow, pair_name


def matrix_rows(report: MatrixReport) -> list[dict[str, Any]]:
    """One flat row a task and pair, for CSV and JSON; the difference is b - a."""
    rows: list[dict[str, Any]] = []
    for row in report.rows:
        made = row.matrix.pairs if row.matrix else ()
        base: dict[str, Any] = {
            "kind": "suite" if row.is_suite else "task",
            "task": row.task,
            "metric": row.metric.name,
        }
        for one in made:
            withheld = row.withheld.get(pair_name(one.a, one.b))
            verdict = "withheld" if withheld else one.verdict
            rows.append(base | {
                "a": one.a, "b": one.b, "n": one.n, "mean_a": one.mean_a, "mean_b": one.mean_b,
                "difference": one.difference, "low": one.low, "high": one.high, "ratio": None, "p": one.p,
                "p_corrected": one.p_adjusted, "method": one.method, "wins": one.wins, "losses": one.losses,
                "ties": one.ties, "mde80": one.mde80, "approximate": one.approximate,
                "verdict": verdict, "reason": withheld,
            })  # fmt: skip
        for name, cost in row.costs.pairs.items() if row.costs else ():
            b, _, a = name.partition(" against ")
            withheld = row.withheld.get(name)
            rows.append(base | {
                "a": a, "b": b, "n": cost.n, "mean_a": cost.mean_a, "mean_b": cost.mean_b, "difference": cost.shift,
                "low": cost.shift_low, "high": cost.shift_high, "ratio": cost.ratio, "p": cost.p,
                "p_corrected": cost.p_adjusted, "method": cost.method, "wins": None, "losses": None, "ties": None,
                "mde80": None, "approximate": cost.approximate,
                "verdict": "withheld" if withheld else cost.verdict, "reason": withheld or cost.reason,
            })  # fmt: skip
    return rows


def reach_told(row: MatrixRow) -> str | None:
    """That so few questions cannot separate any pair; None where they might."""
    if row.lowest is None or row.matrix is None:
        return None
    most, pairs = max(pair.n for pair in row.matrix.pairs), len(row.matrix.pairs)
    questions = f"{most} question{'s' if most != 1 else ''}"
    return (
        f"{questions} cannot separate any of the {pairs} pairs: even if all went one way, p corrected for so many "
        f"comparisons would be {show_p(row.lowest)}"
    )
