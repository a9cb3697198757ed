"""`weigh ls runs`: what is in the store, newest first."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

from weigh.cli.flags import add_format, add_store
from weigh.cli.numbers import positive
from weigh.cli.table import Column, render
from weigh.cli.terminal import say, when
from weigh.cli.words import few
from weigh.records.run import Invocation, Run
from weigh.records.trial import join_spec
from weigh.store.done import done
from weigh.store.layout import Store

HELP = "Runs in the store, newest first: models, tasks, group, tags, and how the last time ended."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", nargs="?", help="only ids and names that match, e.g. 'demo*'")
    parser.add_argument("--group", metavar="NAME", help="only runs of this group")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="only runs with this tag; repeatable")
    parser.add_argument("-n", "--number", type=positive, metavar="N", help="only the newest N")
    add_store(parser)
    add_format(parser)


def wanted(run: Run, args: argparse.Namespace) -> bool:
    """Whether the filters let a run through."""
    named = not args.pattern or fnmatch(run.id, args.pattern) or fnmatch(run.name, args.pattern)
    return named and args.group in (None, run.group) and set(args.tag) <= set(run.tags)


def row_of(store: Store, run: Run) -> dict[str, Any]:
    """One run as a row; how it ended is what its last invocation says.

    What it holds is counted, except where a single invocation, which has ended, says it already.
    """
    folder = store.open(run.id)
    invocations = folder.invocations()
    last = invocations[-1] if invocations else None
    summary = last.summary if last else {}
    stored = done(folder) if len(invocations) > 1 or (last is not None and not summary) else None
    ended = None if last is None else "not ended" if last.ended is None else summary.get("stopped") or "done"
    return {
        "id": run.id,
        "created": run.created,
        "group": run.group,
        "tags": list(run.tags),
        "models": [a.id for a in run.arms],
        "tasks": [s.name for s in run.suites] or [join_spec(t.name, t.variant) for t in run.tasks],
        "trials": len(stored) if stored is not None else _executed(summary),
        "planned": _planned(run, last) if last is not None and not summary else None,
        "missing": summary.get("missing") or None,
        "failed": stored.failed if stored is not None else _failed(summary),
        "ended": ended,
    }


def _executed(summary: Mapping[str, Any]) -> int | None:
    """Trials of an invocation that ended, those taken from the store among them."""
    return (summary.get("executed") or 0) + (summary.get("reused") or 0) if summary else None


def _failed(summary: Mapping[str, Any]) -> int | None:
    return sum((summary.get("failed") or {}).values()) if summary else None


def _planned(run: Run, last: Invocation) -> int | None:
    """How many trials an invocation was asked for; None where that is not known, or only a part of the run."""
    cells, arms = last.plan.get("cells") or {}, last.provenance.get("models") or {}
    whole = len(cells) == len(run.tasks) and len(arms) == len(run.arms)
    return sum(cells.values()) * len(arms) if whole else None


def _so_far(row: Mapping[str, Any]) -> int | str | None:
    """Trials as the table shows them: `8 of 20` where a run did not end."""
    trials, planned = row["trials"], row["planned"]
    return trials if planned is None or trials >= planned else f"{trials} of {planned}"


def run(args: argparse.Namespace) -> int:
    store = Store(args.store)
    runs, problems = store.scan()
    rows = [row_of(store, r) for r in runs if wanted(r, args)][: args.number]
    if args.format in ("table", "md"):
        rows = [{**row, "trials": _so_far(row)} for row in rows]
    columns = [
        Column("id", "run"),
        Column("created", "created", when),
        Column("models", "models", few),
        Column("tasks", "tasks", few),
        Column("group", "group"),
        Column("tags", "tags", few),
        Column("trials", "trials", str, True),
        Column("missing", "to do", str, True),
        Column("failed", "failed", str, True),
        Column("ended", "ended"),
    ]
    if rows or args.format != "table":
        if args.format in ("json", "csv"):
            columns.insert(7, Column("planned", "planned"))
        shown = [c for c in columns if args.format != "table" or any(r[c.key] not in (None, []) for r in rows)]
        print(render(shown, rows, args.format))
    else:
        say(f"no runs in {args.store}" + (" that match" if runs else "; `weigh run` makes one"))
    for problem in problems:
        say(f"warning: {problem}")
    return 1 if problems else 0
