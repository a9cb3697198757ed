"""`weigh results`: the numbers of stored runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from weigh.cli.effort_text import adoption_text, effort_text
from weigh.cli.flags import add_format, add_store
from weigh.cli.summary import is_crowd, show_summary
from weigh.cli.table import Column, Format, render
from weigh.cli.terminal import count, seconds
from weigh.pipeline.effort import efforts
from weigh.pipeline.results import summarize
from weigh.pipeline.task_names import only_named
from weigh.records.run import Run
from weigh.records.trial import FAILURES, join_spec
from weigh.store.dataset import open_dataset
from weigh.store.layout import Store

HELP = """The numbers of runs: score with standard error and interval, what a comparison of this size could show, failed
trials, tokens, seconds. With --trials one line a trial instead."""

_TRIALS = """
select id, run, arm, task, variant, instance_id, epoch, status, error_kind, error_message, scores, "new", cached,
       generated, seconds from trials order by arm, task, variant, instance_id, epoch
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="*", default=["latest"], help="a run's id, the beginning of one, or its name")
    parser.add_argument(
        "-t", "--task", action="append", default=[], metavar="SPEC",
        help="only this task: a spec, a short name, a glob, or a suite with its tasks (repeatable)",
    )  # fmt: skip
    parser.add_argument("--metrics", action="store_true", help="every metric of a task, not only its first")
    parser.add_argument(
        "--errors", choices=("exclude", "zero", "fail"), default="exclude",
        help="how failed trials count: in no mean, as 0, or not at all (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--level", type=level, default=0.95, metavar="L", help="of the intervals (default: %(default)s)"
    )
    parser.add_argument(
        "--effort", action="store_true",
        help="what trials took, as medians with quartiles: seconds, turns, calls, errors, tokens, files "
        "(shown of runs of agents anyway)",
    )  # fmt: skip
    parser.add_argument(
        "--markers",
        action="store_true",
        help="how often each marker fired (shown of runs of agents anyway, without those that never did)",
    )
    parser.add_argument("--trials", action="store_true", help="list the trials (weigh trial ID shows one)")
    parser.add_argument("--failed", action="store_true", help="list only the trials that failed, with the reason")
    add_store(parser)
    add_format(parser)


def level(text: str) -> float:
    """Parse a confidence level."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.5 <= value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a level between 0.5 and 1, e.g. 0.95")
    return value


def run(args: argparse.Namespace) -> int:
    store = Store(args.store)
    runs = only_named(list({r.id: r for r in (store.find(ref) for ref in args.run)}.values()), args.task)
    if args.trials or args.failed:
        show_trials(store, runs, only_failed=args.failed, format=args.format)
        return 0
    if args.effort or args.markers:
        made = [efforts(store, r, errors=args.errors, level=args.level) for r in runs]
        texts = [effort_text(made, args.format)] if args.effort else []
        print("\n\n".join([*texts, *([adoption_text(made, args.format)] if args.markers else [])]))
        return 0
    show_summary(
        [summarize(store, r, errors=args.errors, level=args.level) for r in runs],
        args.format,
        every_metric=args.metrics,
        whole=bool(args.task),
    )
    acting = [r for r in runs if r.acts]
    if acting and not is_crowd(runs) and args.format in ("table", "md"):
        made = [efforts(store, r, errors=args.errors, level=args.level) for r in acting]
        print(f"\n{effort_text(made, args.format)}\n\n{adoption_text(made, args.format, every=False)}")
    return 0


def show_trials(store: Store, runs: Sequence[Run], *, only_failed: bool, format: Format) -> None:
    """One line a trial of the runs' tasks."""
    specs = {join_spec(task.name, task.variant) for one in runs for task in one.tasks}
    with open_dataset(store, [one.id for one in runs]) as data:
        rows = [row for row in map(row_of, data.sql(_TRIALS)) if row["task"] in specs]
    if only_failed:
        rows = [r for r in rows if r["status"] in FAILURES]
    columns = [
        Column("id", "trial"),
        Column("arm", "arm"),
        Column("task", "task"),
        Column("instance", "instance"),
        Column("epoch", "epoch", str, True),
        Column("status", "status"),
        Column("scores", "scores", show_scores),
        Column("tokens", "tokens", count, True),
        Column("seconds", "seconds", seconds, True),
        Column("error", "error"),
    ]
    if format == "table":
        columns = [c for c in columns if any(r[c.key] not in (None, {}, 0) for r in rows) or c.key == "id"]
    print(render(columns, rows, format))


def row_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the data set as the table shows it."""
    known = [v for v in (row["new"], row["cached"], row["generated"]) if v is not None]
    error = f"{row['error_kind']}: {row['error_message']}" if row["error_kind"] else None
    return {
        "id": row["id"],
        "arm": row["arm"],
        "task": join_spec(row["task"], row["variant"] or ""),
        "instance": row["instance_id"],
        "epoch": row["epoch"],
        "status": row["status"],
        "scores": dict(row["scores"] or {}),
        "tokens": sum(known) if known else None,
        "seconds": row["seconds"],
        "error": error,
    }


def show_scores(scores: dict[str, Any]) -> str:
    """Scores in one line."""
    return " ".join(f"{k}={'-' if v is None else format(v, 'g')}" for k, v in scores.items())
