"""Trials by the path they took as flat rows, and the text of each cell: one place, for terminal, files and page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weigh.analyze.estimate import Estimate
from weigh.pipeline.compare_rows import percent, plain, quartiles
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.paths import PathRow
from weigh.records.run import MetricInfo

TAKEN = {True: "yes", False: "no", None: "unknown"}


def path_rows(rows: Sequence[PathRow]) -> list[dict[str, Any]]:
    """One flat row a task, arm and path."""
    made = []
    for row in rows:
        flat: dict[str, Any] = {
            "task": row.task, "arm": row.side, "path": TAKEN[row.taken], "trials": row.trials, "share": row.share,
            "questions": row.score.n, "metric": row.metric.name,
        }  # fmt: skip
        for name, one in {"score": row.score, **row.costs}.items():
            flat |= {name: one.mean, f"{name}_se": one.error, f"{name}_low": one.low, f"{name}_high": one.high}
        for name, middle in row.spreads.items():
            flat |= {f"{name}_median": middle.median, f"{name}_q1": middle.q1, f"{name}_q3": middle.q3}
        made.append(flat)
    return made


def path_cells(rows: Sequence[PathRow]) -> list[dict[str, Any]]:
    """The texts of those rows, costs by their names; None where there is nothing to say."""
    return [
        {
            "task": row.task, "arm": row.side, "path": TAKEN[row.taken], "trials": str(row.trials),
            "share": None if row.share is None else f"{100 * row.share:.0f} %", "questions": str(row.score.n),
            "score": _with_error(row.score, row.metric),
            **{name: quartiles(one, rounded) for name, one in row.spreads.items()},
        }
        for row in rows
    ]  # fmt: skip


def path_notes(marker: str) -> str:
    """What must be known with the rows.

    Args:
        marker: Its name, without the prefix.
    """
    return (
        f"Trials by whether the marker '{marker}' is set: the score over questions, costs as medians over "
        "trials with the interquartile range. Trials chose their path, so a difference between paths is no effect of "
        "the path: harder questions may lead to it. Compare arms for that."
    )


def rounded(value: float) -> str:
    """A number with three digits."""
    return plain(float(f"{value:.3g}"))


def _with_error(one: Estimate, metric: MetricInfo | None) -> str | None:
    if one.mean is None:
        return None
    shape = percent if is_proportion(metric) else rounded
    return shape(one.mean) + (f" ± {shape(one.error)}" if one.error is not None else "")
