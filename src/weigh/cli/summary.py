"""The table of results: one row a task and arm, the numbers `pipeline.results` made, nothing computed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weigh.cli.table import Column, Format, render
from weigh.cli.terminal import count, dollars, seconds
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


def _kinds(kinds: dict[str, int]) -> str:
    if not kinds:
        return "0"
    total = sum(kinds.values())
    return f"{total} ({', '.join(f'{n} {kind}' if len(kinds) > 1 else kind for kind, n in kinds.items())})"


def show_summary(summaries: Sequence[Summary], format: Format, *, every_metric: bool = False) -> None:
    """Print the table on stdout."""
    print(summary_text(summaries, format, every_metric=every_metric))


def summary_text(summaries: Sequence[Summary], format: Format, *, every_metric: bool = False) -> str:
    """The table as text, with what lies below it: why numbers are missing, what MDE80 assumes."""
    rows = summary_rows(summaries, every_metric=every_metric)
    if format in ("json", "csv"):
        keys = [k for k in rows[0] if k != "shown"] if rows else ["task"]
        return render([Column(k, k) for k in keys], rows, format)
    level = f"{100 * summaries[0].level:g} % interval" if summaries else "interval"
    cells = [r | r["shown"] | {"failed": _kinds(r["failed"]), "outcomes": _kinds(r["outcomes"])} for r in rows]
    for cell in cells:
        if cell["suite"]:
            cell["failed"] = cell["outcomes"] = cell["seconds"] = cell["tokens"] = None
    columns = [
        Column("run", "run"),
        Column("task", "task"),
        Column("arm", "arm"),
        Column("metric", "metric"),
        Column("n", "n", str, True),
        Column("epochs", "epochs", str, True),
        Column("score", "score ± SE", str, True),
        Column("interval", level, str, True),
        Column("mde80", "MDE80", str, True),
        Column("failed", "failed", str, True),
        Column("outcomes", "no answer", str, True),
        Column("tokens", "tokens", count, True),
        Column("cost", "cost", dollars, True),
        Column("seconds", "seconds", seconds, True),
    ]
    hidden = {
        "run": len(summaries) < 2,
        "epochs": all(r["epochs"] <= 1 for r in rows),
        "outcomes": not any(r["outcomes"] for r in rows),
        "cost": all(r["cost"] is None for r in rows),
    }
    text = render([c for c in columns if not hidden.get(c.key)], cells, format)
    return "\n".join([text, *_below(summaries, rows)])


def _below(summaries: Sequence[Summary], rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = [f"{r['arm']} on {r['task']}: {r['missing']}" for r in rows if r["missing"]]
    assumed = list(dict.fromkeys(r["mde80_assumption"] for r in rows if r["mde80"] is not None and not r["suite"]))
    if assumed:
        kinds = assumed[0] if len(assumed) == 1 else "; ".join(assumed[:2]) + (" ..." if len(assumed) > 2 else "")
        lines.append(f"MDE80: the smallest difference that would show 4 times in 5 ({kinds})")
    lines += [
        f"{r['arm']} on {r['task']}: SE {plain(r['se_clustered'])} allows for {r['n_clusters']} clusters "
        f"(questions taken as independent: {plain(r['se'])})"
        for r in rows
        if r["se_clustered"] is not None and r["se"] is not None
    ]
    if any(s.errors != "exclude" for s in summaries):
        lines.append(f"failed trials counted as: {summaries[0].errors}")
    lines += [note for s in summaries for note in s.notes]
    return ["", *lines] if lines else []
