"""`weigh power`: how many questions and epochs it takes to see a difference, and what there is can show."""

from __future__ import annotations

import argparse

from weigh.cli.commands.compare import margin, share
from weigh.cli.compare_output import dumps, write
from weigh.cli.flags import add_format, add_store
from weigh.cli.numbers import positive
from weigh.cli.power_text import as_csv, power_text
from weigh.pipeline.power import Options, power
from weigh.store.layout import Store

HELP = """Say how many questions and epochs it takes to see a difference, what a benchmark of this size can resolve, and
whether more questions or more epochs buy more. With two arms from their measured difference, with one from an assumed
correlation."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sides", nargs="+", metavar="A", help="one arm, or two: RUN, RUN:ARM or filters")
    parser.add_argument(
        "--detect", type=margin, metavar="D", help="the difference to see: 2pp (points) or 0.02 (default: 2pp)"
    )
    parser.add_argument(
        "--epochs", type=positive, metavar="N", help="plan for so many epochs (default: as they were run)"
    )
    parser.add_argument(
        "-t", "--task", action="append", default=[], metavar="SPEC",
        help="only this task: a spec, a short name (what follows a dot) or a glob; repeatable",
    )  # fmt: skip
    parser.add_argument("--metric", metavar="NAME", help="a metric or a cost (default: each task's first metric)")
    parser.add_argument("--cluster", metavar="FIELD", help="questions that share this metadata field belong together")
    parser.add_argument(
        "--correlation", type=correlation, default=0.5, metavar="R",
        help="of another arm's scores with A's, where only A is given (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--alpha", type=share, default=0.05, metavar="P", help="of the test (default: %(default)s)")
    parser.add_argument(
        "--power", type=share, default=0.8, metavar="P", help="chance to see the difference (default: %(default)s)"
    )
    parser.add_argument(
        "--errors", choices=("exclude", "zero", "fail"), default="exclude",
        help="how failed trials count (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", help="write it to a file instead of the terminal")
    add_store(parser)
    add_format(parser)


def correlation(text: str) -> float:
    """A number from -1 up to, but not, 1: at 1 the two arms would be the same."""
    try:
        value = float(text)
    except ValueError:
        value = 1.0
    if not -1 <= value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a correlation from -1 to below 1, e.g. 0.5")
    return value


def run(args: argparse.Namespace) -> int:
    report = power(
        Store(args.store),
        args.sides,
        Options(
            detect=args.detect,
            epochs=args.epochs,
            correlation=args.correlation,
            alpha=args.alpha,
            power=args.power,
            tasks=tuple(args.task),
            metric=args.metric,
            cluster=args.cluster,
            errors=args.errors,
        ),
    )
    if args.format == "json":
        write(dumps(report), args.output)
    elif args.format == "csv":
        write(as_csv(report), args.output)
    else:
        write(power_text(report, args.format), args.output)
    return 0
