"""The numbers of runs as flat rows, and the text of each cell: one place, so that terminal, files and page agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weigh.pipeline.results import Row, Summary
from weigh.records.trial import join_spec

Shape = Callable[[float], str]


def percent(value: float) -> str:
    """A proportion as percent with one decimal."""
    return f"{100 * value:.1f}"


def plain(value: float) -> str:
    """A number that is no proportion."""
    return f"{value:.3f}"


def summary_rows(summaries: Sequence[Summary], *, every_metric: bool = False) -> list[dict[str, Any]]:
    """Flat rows: raw numbers for machines, and under `shown` what the cells of the table say."""
    flat = []
    for summary in summaries:
        proportions = {
            (join_spec(t.name, t.variant), m.name)
            for t in summary.run.tasks
            for m in t.metrics
            if m.bounds == (0.0, 1.0) and m.unit is None
        }
        for row in summary.rows:
            if row.primary or every_metric or row.is_suite:
                shape = percent if (row.task, row.metric) in proportions or _is_proportion(row) else plain
                flat.append(_flat(row, shape, summary.level))
    return flat


def _is_proportion(row: Row) -> bool:
    return row.is_suite and row.unit is None and not row.lower_is_better


def _flat(row: Row, shape: Shape, level: float) -> dict[str, Any]:
    e = row.estimate
    unit = row.unit or ("%" if shape is percent else "")
    shown: dict[str, str | None] = {"score": None, "interval": None, "mde80": None}
    if e is not None and e.mean is not None:
        error = f" ± {shape(e.error)}" if e.error is not None else ""
        shown["score"] = f"{shape(e.mean)}{error} {unit}".rstrip()
        if e.low is not None and e.high is not None:
            shown["interval"] = f"{shape(e.low)} to {shape(e.high)}"
    if row.mde80 is not None and row.mde80.value:  # a spread of 0 does not mean that 0 could be seen
        shown["mde80"] = shape(row.mde80.value)
    return {
        "run": row.run,
        "task": row.task,
        "arm": row.arm,
        "metric": row.metric,
        "suite": row.is_suite,
        "n": e.n if e else 0,
        "epochs": row.epochs,
        "score": e.mean if e else None,
        "se": e.se if e else None,
        "se_clustered": e.se_clustered if e else None,
        "n_clusters": e.n_clusters if e else None,
        "se_within": e.se_within if e else None,
        "se_between": e.se_between if e else None,
        "low": e.low if e else None,
        "high": e.high if e else None,
        "level": level,
        "interval_method": e.method if e else None,
        "mde80": row.mde80.value if row.mde80 else None,
        "mde80_assumption": row.mde80.assumption if row.mde80 else None,
        "lower_is_better": row.lower_is_better,
        "unit": row.unit,
        "trials": row.trials,
        "failed": dict(row.failed),
        "outcomes": dict(row.outcomes),
        "new": row.usage.new,
        "cached": row.usage.cached,
        "generated": row.usage.generated,
        "tokens": row.usage.total,
        "cost": row.usage.cost,
        "seconds": row.seconds,
        "missing": row.missing,
        "shown": shown,
    }
