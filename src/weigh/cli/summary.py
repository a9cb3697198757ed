"""The table of results: one row a task and arm, the numbers `pipeline.results` made, nothing computed here."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from weigh.cli.table import WIDEST, Column, Format, render
from weigh.cli.terminal import count, dollars, seconds, terminal_width
from weigh.cli.words import few
from weigh.pipeline.result_rows import plain, summary_rows
from weigh.pipeline.results import Summary
from weigh.records.run import Run

MANY_ARMS = 6
"""Of more arms than these only the suites are shown, and what is left out is named."""


def _kinds(kinds: dict[str, int]) -> str:
    if not kinds:
        return "0"
    total = sum(kinds.values())
    return f"{total} ({', '.join(f'{n} {kind}' if len(kinds) > 1 else kind for kind, n in kinds.items())})"


def _total(kinds: dict[str, int]) -> str:
    return str(sum(kinds.values()))


def show_summary(
    summaries: Sequence[Summary], format: Format, *, every_metric: bool = False, whole: bool = False
) -> None:
    """Print the table on stdout."""
    print(summary_text(summaries, format, every_metric=every_metric, whole=whole))


def is_crowd(runs: Iterable[Run]) -> bool:
    """Whether there are so many arms that all about all of them fills pages."""
    return sum(len(run.arms) for run in runs) > MANY_ARMS


def summary_text(
    summaries: Sequence[Summary], format: Format, *, every_metric: bool = False, whole: bool = False
) -> str:
    """The table as text, with what lies below it: why numbers are missing, what MDE80 assumes.

    Args:
        whole: Also the tasks of suites where there are many arms; files always have them.
    """
    rows = summary_rows(summaries, every_metric=every_metric)
    if format in ("json", "csv"):
        keys = [k for k in rows[0] if k != "shown"] if rows else ["task"]
        return render([Column(k, k) for k in keys], rows, format)
    crowd = is_crowd(s.run for s in summaries)
    suites = [r for r in rows if r["suite"]]
    brief = crowd and not whole and not every_metric and any(r["score"] is not None for r in suites)
    rows = suites if brief else rows
    level = f"{100 * summaries[0].level:g} % interval" if summaries else "interval"
    kinds = _total if brief else _kinds
    cells = [r | r["shown"] | {"failed": kinds(r["failed"]), "outcomes": kinds(r["outcomes"])} for r in rows]
    for cell in cells:
        if cell["suite"] and not brief:  # its tasks are there and say it
            cell["failed"] = cell["outcomes"] = cell["seconds"] = cell["tokens"] = None
    one = brief and len({r["task"] for r in rows}) == 1
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
        "task": one,
        "metric": one,
        "failed": brief and not any(r["failed"] for r in rows),
        # The smallest difference belongs to two arms: of more, a comparison has it pair by pair.
        "mde80": crowd or any(len(s.run.arms) > 2 for s in summaries),
        "tokens": brief,
        "seconds": brief,
        "epochs": all(r["epochs"] <= 1 for r in rows),
        "outcomes": not any(r["outcomes"] for r in rows),
        "cost": brief or all(r["cost"] is None for r in rows),
    }
    text = render([c for c in columns if not hidden.get(c.key)], cells, format)
    head = [f"{rows[0]['task']} ({rows[0]['metric']})", ""] if one else []
    more = [*(_tallied(rows) if brief else []), *([_more(summaries, brief)] if crowd else [])]
    return "\n".join([*head, text, *_below(summaries, rows, mde80=not hidden["mde80"], more=more)])


def _tallied(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Failures and outcomes by kind, which the cells of many arms have no room for."""
    lines = []
    for key, title in (("failed", "failed"), ("outcomes", "no answer")):
        total: Counter[str] = Counter()
        for row in rows:
            total.update(row[key])
        shown = ", ".join(f"{n} {kind}" for kind, n in total.most_common())
        lines += [f"{title}: {shown}"] if shown else ["no trial failed"] if key == "failed" else []
    return lines


def _more(summaries: Sequence[Summary], brief: bool) -> str:
    """What there is besides, where not all was shown."""
    runs = [s.run for s in summaries]
    found = [f"-t TASK for tasks ('*' for all {len(runs[0].tasks)})"] if brief and len(runs) == 1 else []
    found += ["-t TASK for tasks"] if brief and not found else []
    if any(run.acts for run in runs):
        found += ["--effort for what trials took", "--markers for how often each fired"]
    compare = f"weigh compare {runs[0].id}" if len(runs) == 1 else "weigh compare"
    shown = f"weigh results {runs[0].id if len(runs) == 1 else 'RUN'} {', '.join(found)}; " if found else ""
    width = min(WIDEST, terminal_width() or WIDEST)
    return textwrap.fill(
        f"more: {shown}{compare} for differences, with MDE80", width, subsequent_indent="  ", break_on_hyphens=False
    )


def _below(
    summaries: Sequence[Summary], rows: Sequence[dict[str, Any]], *, mde80: bool, more: Sequence[str]
) -> list[str]:
    without: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["missing"]:
            without.setdefault((row["task"], row["missing"]), []).append(row["arm"])
    lines = [f"{few(arms)} on {task}: {why}" for (task, why), arms in without.items()]
    assumed = list(dict.fromkeys(r["mde80_assumption"] for r in rows if r["shown"]["mde80"] is not None))
    if assumed and mde80:
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
    lines += more
    return ["", *lines] if lines else []
