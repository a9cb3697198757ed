"""`weigh import table`: a file of per-question scores becomes a run."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from weigh.cli.flags import add_format, add_store
from weigh.cli.summary import show_summary
from weigh.cli.terminal import say
from weigh.cli.words import many
from weigh.pipeline.import_table import ImportRequest, import_table
from weigh.pipeline.results import summarize
from weigh.store.importers.table import Columns
from weigh.store.layout import Store

HELP = """Make a run of anybody's per-question scores, for compare, gate, power and all the rest. One row of the file
(CSV, TSV, JSONL or Parquet, .gz too) is one score of one question. Importing the same file again adds nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="scores.csv, .tsv, .jsonl or .parquet")
    what = parser.add_argument_group("columns (of nested JSON: a.b)")
    what.add_argument("--id", required=True, metavar="COL", help="names the question; imports pair by it")
    what.add_argument("--score", required=True, metavar="COL", help="a number, or true / false")
    what.add_argument("--model", metavar="COL", help="whose score it is; each model becomes an arm")
    what.add_argument("--cluster", metavar="COL", help="questions that belong together")
    what.add_argument("--epoch", metavar="COL", help="which repeat of the question it is")
    names = parser.add_argument_group("names")
    names.add_argument("--task", metavar="NAME", help="what the task is called (default: the file's name)")
    names.add_argument("--metric", metavar="NAME", help="what the score is called (default: its column's name)")
    names.add_argument("--name", metavar="RUN", help="what the run is called (default: the file's name)")
    names.add_argument("--group", metavar="NAME", help="runs of one group belong together")
    names.add_argument("--tag", action="append", default=[], metavar="TAG", help="a word to find it by; repeatable")
    score = parser.add_argument_group("the score")
    score.add_argument("--lower-is-better", action="store_true", help="for losses, errors and costs")
    score.add_argument(
        "--bounds", type=bounds, metavar="LOW,HIGH",
        help="its range (default: 0,1 when all scores lie there, else unknown); write --bounds=-1,1",
    )  # fmt: skip
    add_store(parser)
    add_format(parser)


def bounds(text: str) -> tuple[float, float]:
    """Parse `0,100`."""
    low, comma, high = text.partition(",")
    try:
        if comma and float("-inf") < float(low) < float(high) < float("inf"):
            return float(low), float(high)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"'{text}' is no range: write the lowest and the highest score, e.g. 0,100")


def run(args: argparse.Namespace) -> int:
    request = ImportRequest(
        file=Path(args.file),
        columns=Columns(id=args.id, score=args.score, model=args.model, cluster=args.cluster, epoch=args.epoch),
        store=args.store,
        task=args.task,
        metric=args.metric,
        name=args.name,
        group=args.group,
        tags=tuple(args.tag),
        lower_is_better=args.lower_is_better,
        bounds=args.bounds,
        command=("weigh", *sys.argv[1:]),
    )
    made = asyncio.run(import_table(request))
    show_summary([summarize(Store(args.store), made.run)], args.format)
    epochs = f" in {made.epochs} epochs" if made.epochs > 1 else ""
    say(
        f"{many(made.rows, 'row')}: {many(made.questions, 'question')} of {many(len(made.run.arms), 'model')}{epochs}, "
        f"{made.added or 'none'} of them new; stored as {made.run.id} in {args.store} (weigh results {made.run.id})"
    )
    return 0
