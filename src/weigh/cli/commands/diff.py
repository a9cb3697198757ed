"""`weigh diff`: the questions on which two arms differ, one by one, with what each answered."""

from __future__ import annotations

import argparse

from weigh.cli.compare_output import dumps, write
from weigh.cli.flags import add_store
from weigh.cli.side_by_side import diff_markdown, diff_text
from weigh.pipeline.diff import SORTS, Options, Show, diff
from weigh.store.layout import Store

HELP = """Lay two arms' answers side by side, question by question: prompt, target, both outputs with what differs
marked, the scores of every epoch. A and B are written as for `weigh compare`; A is the old one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sides", nargs="+", metavar="A B", help="the two arms; A is the old one")
    parser.add_argument(
        "-t", "--task", metavar="SPEC", help="which task, also by short name (needed when the two share several)"
    )
    parser.add_argument("--metric", metavar="NAME", help="what decides won and lost (default: the task's first metric)")
    which = parser.add_argument_group("which questions").add_mutually_exclusive_group()
    which.add_argument("--flips", action="store_true", help="those with another score (default)")
    which.add_argument("--won", action="store_true", help="those on which B is better")
    which.add_argument("--lost", action="store_true", help="those on which B is worse")
    which.add_argument("--changed", action="store_true", help="those with another output, whatever the score")
    which.add_argument("--all", action="store_true", help="all")
    which.add_argument("--instance", metavar="ID", help="this one")
    parser.add_argument(
        "--sort", choices=SORTS, default="change",
        help="largest change of the score first, by id, least alike outputs first, or where B took most more tokens "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--limit", type=whole, default=10, metavar="N", help="the most to show, 0 for all (default: %(default)s)"
    )
    parser.add_argument("--full", action="store_true", help="whole prompts, and the outputs of every epoch")
    parser.add_argument(
        "--errors", choices=("exclude", "zero", "fail"), default="exclude",
        help="how failed trials count (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=("table", "md", "json"), default="table", help="how to print it (default: %(default)s)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write it to a file instead of the terminal")
    add_store(parser)


def whole(text: str) -> int:
    """A whole number of 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number; 0 shows all")
    return int(text)


def run(args: argparse.Namespace) -> int:
    made = diff(
        Store(args.store),
        args.sides,
        Options(
            task=args.task,
            metric=args.metric,
            show=_show(args),
            sort=args.sort,
            limit=args.limit or None,
            instance=args.instance,
            errors=args.errors,
        ),
    )
    if args.format == "json":
        text = dumps(made)
    elif args.format == "md":
        text = diff_markdown(made, full=args.full)
    else:
        text = diff_text(made, full=args.full, colour=False if args.output else None)
    write(text, args.output)
    return 0


def _show(args: argparse.Namespace) -> Show:
    names: tuple[Show, ...] = ("won", "lost", "changed", "all")
    return next((name for name in names if getattr(args, name)), "flips")
