"""`weigh compare`: is B really better than A, by how much, where, and at what cost?"""

from __future__ import annotations

import argparse
import importlib

from weigh.analyze.paired import METHODS
from weigh.cli.compare_output import formatted, write
from weigh.cli.compare_text import report_text
from weigh.cli.flags import add_format, add_store
from weigh.define.difference import parse_difference
from weigh.pipeline.compare import compare_sides
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_rows import flat_rows
from weigh.pipeline.conclusion import conclude
from weigh.pipeline.sides import Side, find_sides, open_sides
from weigh.records.errors import DefinitionError
from weigh.store.dataset import Dataset
from weigh.store.layout import Store

HELP = """Compare arms question by question. A, B ... are runs (id, name, `latest`), RUN:ARM, or filters on axes
(model=qwen*,harness=default). A run of several arms alone stands for its arms. Differences are B - A."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sides", nargs="+", metavar="A B", help="what to compare; A is the old one")
    parser.add_argument(
        "-t", "--task", action="append", default=[], metavar="SPEC",
        help="only this task: a spec, a short name (what follows a dot) or a glob; repeatable",
    )  # fmt: skip
    parser.add_argument("--suite", metavar="NAME", help="only this suite: its tasks and its aggregate")
    parser.add_argument(
        "--metric", metavar="NAME",
        help="a metric, marker:NAME, or a cost: tokens, new, cached, generated, seconds, model_seconds, tool_seconds, "
        "cost, turns, tool_calls, tool_errors, answer_call, files_read, files_written (default: each task's first "
        "metric)",
    )  # fmt: skip
    parser.add_argument(
        "--by", metavar="FIELD",
        help="subgroups by a metadata field, or by an axis on which the arms of a side differ (tier, model); "
        "marker:NAME splits trials by the path they took",
    )  # fmt: skip
    parser.add_argument(
        "--interaction", metavar="AXIS",
        help="does the effect differ along another axis, e.g. model size? (sides are filters that match several arms)",
    )  # fmt: skip
    parser.add_argument("--shared", action="store_true", help="only questions that all arms have")
    parser.add_argument("--rank", action="store_true", help="many arms: also Bradley-Terry strengths, as a view")
    parser.add_argument("--cluster", metavar="FIELD", help="questions that share this metadata field belong together")
    parser.add_argument("--alpha", type=share, default=0.05, metavar="P", help="of the tests (default: %(default)s)")
    parser.add_argument(
        "--margin", type=margin, metavar="M",
        help="differences smaller than this do not matter: 1pp (a percentage point) or 0.01",
    )  # fmt: skip
    parser.add_argument(
        "--correction", choices=("holm", "bh", "none"), default="holm",
        help="for looking at many tasks, pairs or subgroups (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--errors", choices=("exclude", "zero", "fail"), default="exclude",
        help="how failed trials count: in no mean, as 0, or as a refusal (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--method", choices=METHODS, default="auto",
        help="the test; sign-wald is what older viewers use, too eager with few contested questions (default: auto)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", help="write it to a file instead of the terminal")
    add_store(parser)
    add_format(parser)


def share(text: str) -> float:
    """A number strictly between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number between 0 and 1, e.g. 0.05")
    return value


def margin(text: str) -> float:
    """A difference: `1pp` is 0.01."""
    try:
        return parse_difference(text, "a margin")
    except DefinitionError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a margin: write 1pp for a percentage point, or 0.01"
        ) from None


def run(args: argparse.Namespace) -> int:
    store = Store(args.store)
    options = Options(
        tasks=tuple(args.task),
        suite=args.suite,
        metric=args.metric,
        by=args.by,
        cluster=args.cluster,
        alpha=args.alpha,
        margin=args.margin,
        correction=args.correction,
        errors=args.errors,
        method=args.method,
        shared=args.shared,
    )
    sides = find_sides(store, args.sides)
    with open_sides(store, sides) as data:
        text = _view(data, sides, options, args)
    write(text, args.output)
    return 0


def _view(data: Dataset, sides: list[Side], options: Options, args: argparse.Namespace) -> str:
    """What was asked for, in the form asked for."""
    marker = args.by is not None and args.by.startswith("marker:")
    if len(sides) > 2 or marker or args.interaction is not None or args.rank:
        # Two arms are the everyday question; what the other views need is only read for them.
        view = importlib.import_module("weigh.cli.compare_views").view
        return str(view(data, sides, options, args))
    report = compare_sides(data, sides[0], sides[1], options)
    return formatted(report, args.format, flat_rows, report_text, conclusion=conclude(report))
