"""`weigh plot`: a picture for a paper or a slide, from the same numbers and the same charts as everything else."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weigh.cli.commands.results import level
from weigh.cli.flags import UsageError, add_store
from weigh.cli.picture import write_picture
from weigh.cli.terminal import say
from weigh.pipeline.plot import KINDS, draw
from weigh.pipeline.plot_rows import Drawing, Options
from weigh.report import charts
from weigh.report.paper import FORMATS, is_picture, styled
from weigh.store.layout import Store

HELP = """Draw a picture as SVG, PNG or PDF: scores by arm, paired differences, a score against a cost with its Pareto
front, single trials, a trend, or how often a path was taken."""

ABOUT = {
    "scores": "each arm's score on each task, with its interval",
    "differences": "paired differences by task, with what was too small to be seen",
    "cost": "a score against what a question costs, with the Pareto front",
    "trials": "every trial's cost as a point, with a box",
    "trend": "a metric along steps, checkpoints or revisions",
    "markers": "how many trials took each path",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shown = "; ".join(f"{name}: {ABOUT[name]}" for name in KINDS)
    parser.add_argument("kind", choices=tuple(KINDS), metavar="WHAT", help=shown)
    parser.add_argument(
        "refs", nargs="*", metavar="REF", help="runs, RUN:ARM or filters (model=qwen*); default: the latest run"
    )
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="a name that ends in .svg, .png or .pdf")
    parser.add_argument(
        "-t",
        "--task",
        action="append",
        default=[],
        metavar="SPEC",
        help="only this task (spec, short name or glob) or suite; repeatable",
    )
    parser.add_argument("--metric", metavar="NAME", help="a metric (default: each task's first)")
    parser.add_argument(
        "--cost", default="tokens", metavar="NAME",
        help="for cost and trials: tokens, new, cached, generated, seconds, cost, turns, tool_calls "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--log", action="store_true", help="for cost and trials: a logarithmic scale")
    parser.add_argument(
        "--over", metavar="AXIS",
        help="for scores and markers: along this axis of the arms (size, revision, tier, ...), a panel a task",
    )  # fmt: skip
    parser.add_argument("--axis", metavar="NAME", help="for trend: as in weigh trend")
    parser.add_argument("--order", metavar="V,V,...", help="for trend: the axis's values in order")
    parser.add_argument(
        "--errors", choices=("exclude", "zero", "fail"), default="exclude",
        help="how failed trials count (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--level", type=level, default=0.95, metavar="L", help="of the intervals (default: %(default)s)"
    )
    parser.add_argument("--title", default="", metavar="TEXT", help="above the picture (default: none)")
    parser.add_argument("--width", type=length, metavar="PX", help="of the drawn area, without labels")
    parser.add_argument("--font", metavar="NAME", help="a font that is installed here")
    parser.add_argument("--font-size", type=length, metavar="PT", help="of labels")
    parser.add_argument(
        "--theme", choices=("paper", "light", "dark"), default="paper",
        help="paper is on white, light and dark are without a ground (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=scale, default=2.0, metavar="N", help="pixels of a PNG for each of the picture (default: 2)"
    )
    add_store(parser)


def length(text: str) -> int:
    """Parse a width or a size."""
    if not text.isdecimal() or not 4 <= int(text) <= 4000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 4 to 4000")
    return int(text)


def scale(text: str) -> float:
    """Parse how many pixels one is."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 10:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0.1 to 10")
    return value


def run(args: argparse.Namespace) -> int:
    suffix = Path(args.output).suffix
    if not is_picture(suffix):
        raise UsageError(f"--output {args.output}: a picture's name ends in {', '.join(FORMATS)}")
    if args.log and args.kind not in ("cost", "trials"):
        raise UsageError(f"--log is for cost and trials; {args.kind} has a linear scale")
    drawing = draw(Store(args.store), args.kind, args.refs, Options(
        tasks=tuple(args.task), metric=args.metric, cost=args.cost, errors=args.errors, level=args.level,
        over=args.over, axis=args.axis, order=tuple(v.strip() for v in args.order.split(",")) if args.order else (),
    ))  # fmt: skip
    for note in drawing.notes:
        say(note)
    spec = specification(drawing, theme=args.theme, width=args.width, log=args.log)
    write_picture(styled(spec, title=args.title, font=args.font, font_size=args.font_size), args.output, args.scale)
    return 0


def specification(
    drawing: Drawing, *, theme: charts.Theme = "paper", width: int | None = None, log: bool = False
) -> dict[str, Any]:
    """The chart of a drawing.

    Raises:
        UsageError: A logarithmic scale for values that are not above 0.
    """
    settings: dict[str, Any] = {**drawing.settings, "theme": theme}
    if width is not None:
        settings["width"] = width
    if drawing.chart in ("strip", "pareto"):
        field = "value" if drawing.chart == "strip" else "x"
        if log and any(row[field] <= 0 for row in drawing.rows):
            raise UsageError("--log: some values are 0, which has no place on a logarithmic scale")
        settings["log"] = log
        make = charts.strip if drawing.chart == "strip" else charts.pareto
        return make(drawing.rows, drawing.more or (), **settings)
    simple: dict[str, Callable[..., dict[str, Any]]] = {
        "dots": charts.dots,
        "forest": charts.forest,
        "trend": charts.trend,
        "line": charts.line,
    }
    return simple[drawing.chart](drawing.rows, **settings)
