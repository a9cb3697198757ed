"""`weigh trend`: a metric along checkpoints, steps, revisions or runs, and which steps are real."""

from __future__ import annotations

import argparse
from pathlib import Path

from weigh.cli.commands.compare import share
from weigh.cli.commands.plot import specification
from weigh.cli.compare_output import dumps, write
from weigh.cli.flags import add_format, add_store
from weigh.cli.picture import write_picture
from weigh.cli.trend_text import as_csv, trend_text
from weigh.pipeline.plot_scores import trend_drawing
from weigh.pipeline.trend import Options, trend
from weigh.report.paper import is_picture, styled
from weigh.store.layout import Store

HELP = """Follow a metric along an ordered axis: each point with its interval, each step tested question by question and
corrected for their number, and the smallest step that could have been seen."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sides", nargs="*", metavar="REF", help="runs, RUN:ARM or filters (model=qwen*); default: all runs of the store"
    )
    parser.add_argument(
        "--axis", metavar="NAME",
        help="step, checkpoint, revision or any axis; run for the order in which runs began (default: the first of "
        "step, checkpoint, revision that varies)",
    )  # fmt: skip
    parser.add_argument("--order", metavar="V,V,...", help="the axis's values in order, where names do not say it")
    parser.add_argument(
        "-t", "--task", action="append", default=[], metavar="SPEC",
        help="only this task: a spec, a short name (what follows a dot) or a glob; repeatable",
    )  # fmt: skip
    parser.add_argument("--metric", metavar="NAME", help="a metric or a cost (default: each task's first metric)")
    parser.add_argument("--cluster", metavar="FIELD", help="questions that share this metadata field belong together")
    parser.add_argument("--alpha", type=share, default=0.05, metavar="P", help="of the tests (default: %(default)s)")
    parser.add_argument(
        "--correction", choices=("holm", "bh", "none"), default="holm",
        help="for looking at many steps (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--errors", choices=("exclude", "zero", "fail"), default="exclude",
        help="how failed trials count (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write it to a file; .svg, .png and .pdf give a picture",
    )
    add_store(parser)
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    report = trend(
        Store(args.store),
        args.sides,
        Options(
            axis=args.axis,
            order=tuple(v.strip() for v in args.order.split(",")) if args.order else (),
            tasks=tuple(args.task),
            metric=args.metric,
            cluster=args.cluster,
            alpha=args.alpha,
            correction=args.correction,
            errors=args.errors,
        ),
    )
    if args.output and is_picture(Path(args.output).suffix):
        write_picture(styled(specification(trend_drawing(report))), args.output)
        print(trend_text(report, "table"))
    elif args.format == "json":
        write(dumps(report), args.output)
    elif args.format == "csv":
        write(as_csv(report), args.output)
    else:
        write(trend_text(report, args.format), args.output)
    return 0
