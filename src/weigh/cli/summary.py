"""The table of results: one row a task and arm, the numbers `pipeline.results` made, nothing computed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weigh.cli.table import Column, Format, render
from weigh.cli.terminal import count, dollars, seconds
from weigh.pipeline.result_rows import plain, summary_rows
from weigh.pipeline.results import Summary


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
        Column("metric", "metric", spare=True),
        Column("n", "n", str, True),
        Column("epochs", "epochs", str, True),
        Column("score", "score ± SE", str, True),
        Column("interval", level, str, True),
        Column("mde80", "MDE80", str, True, spare=True),
        Column("failed", "failed", str, True),
        Column("outcomes", "no answer", str, True),
        Column("tokens", "tokens, total", count, True, spare=True),
        Column("cost", "cost, total", dollars, True, spare=True),
        Column("seconds", "wall time", seconds, True, spare=True),
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
        lines.append(f"MDE80: about the smallest difference that would show 4 times in 5, taken alone ({kinds})")
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
