"""`weigh gate`: for CI. Exit 0: no change for the worse beyond the limits; 1: one is shown; 3: cannot tell."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from weigh.cli.commands.compare import share
from weigh.cli.compare_output import write
from weigh.cli.flags import UsageError, add_format, add_store
from weigh.cli.gate_output import answer, junit, markdown, reasons, table
from weigh.cli.terminal import say
from weigh.pipeline.gate import Condition, Options, gate
from weigh.pipeline.metrics import COSTS
from weigh.store.layout import Store

HELP = """May the candidate replace the baseline? Exit code 0: a change for the worse beyond the limits is ruled out (an
improvement passes), 1: one is shown, 3: the evidence cannot tell, 2: the command is wrong.

Scores are held with --max-drop, costs (tokens, seconds, turns, ...) with --max-ratio:
  weigh gate --baseline main --candidate pr --max-drop 1pp --metric tokens --max-ratio 1.10"""

EXIT = {"pass": 0, "regression": 1, "cannot tell": 3}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--baseline", required=True, metavar="A", help="a run, RUN:ARM or filter: what there is")
    parser.add_argument("--candidate", required=True, metavar="B", help="a run, RUN:ARM or filter: what shall come")
    limits = parser.add_argument_group("limits (repeatable; the first limit goes with the first metric of its kind)")
    limits.add_argument(
        "--max-drop", action="append", default=[], type=drop, metavar="D",
        help="the most a score may become worse: 1pp, 0.01, or 0 for not at all",
    )  # fmt: skip
    limits.add_argument(
        "--max-ratio", action="append", default=[], type=ratio, metavar="R",
        help="the most a cost may become of what it was: 1.10 for 10 %% more",
    )  # fmt: skip
    limits.add_argument(
        "--metric", action="append", default=[], metavar="NAME",
        help="a score for --max-drop (default: each task's first) or a cost for --max-ratio",
    )  # fmt: skip
    what = parser.add_argument_group("what is held")
    what.add_argument(
        "-t",
        "--task",
        action="append",
        default=[],
        metavar="SPEC",
        help="this task, also by short name or glob (default: all)",
    )
    what.add_argument("--suite", metavar="NAME", help="this suite's aggregate instead of each of its tasks")
    how = parser.add_argument_group("how")
    how.add_argument("--alpha", type=share, default=0.05, metavar="P", help="of each test (default: %(default)s)")
    how.add_argument("--cluster", metavar="FIELD", help="questions that share this metadata field belong together")
    how.add_argument(
        "--correction", choices=("holm", "bh", "none"), default="holm",
        help="of regressions for the number of checks (default: %(default)s)",
    )  # fmt: skip
    how.add_argument(
        "--errors", choices=("exclude", "zero", "fail"), default="exclude",
        help="how failed trials count: in no mean, as 0, or as a refusal (default: %(default)s)",
    )  # fmt: skip
    output = parser.add_argument_group("output")
    output.add_argument("--junit", metavar="FILE", help="also write JUnit XML, a test case for each check")
    output.add_argument(
        "--md", metavar="FILE", help="also write a Markdown summary; appended when it is $GITHUB_STEP_SUMMARY"
    )
    add_store(output)
    add_format(output)


def drop(text: str) -> float:
    """A drop: `1pp` is 0.01, `0` none at all."""
    number = text.strip().removesuffix("pp")
    try:
        value = float(number) / (100 if number != text.strip() else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no drop: write 1pp for a percentage point, 0.01, or 0")
    return value


def ratio(text: str) -> float:
    """A ratio of costs."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no ratio: write 1.10 for at most 10 % more")
    return value


def conditions(metrics: list[str], drops: list[float], ratios: list[float]) -> tuple[Condition, ...]:
    """Limits put to the metrics of their kind. Raises `UsageError` when they do not fit."""
    costs = [m for m in metrics if m in COSTS]
    scores = [m for m in metrics if m not in COSTS]
    if not drops and not ratios:
        raise UsageError("no limit: give --max-drop 1pp for scores, or --metric tokens --max-ratio 1.10 for costs")
    if costs and not ratios:
        raise UsageError(f"{costs[0]} is a cost: hold it with --max-ratio, e.g. --max-ratio 1.10")
    if scores and not drops:
        raise UsageError(f"{scores[0]} is a score: hold it with --max-drop, e.g. --max-drop 1pp")
    if ratios and not costs:
        raise UsageError(f"--max-ratio holds a cost: name it with --metric ({', '.join(COSTS)})")
    found: list[Condition] = []
    for name, limit in _together(scores or [None], drops, "--max-drop"):
        found.append(Condition(metric=name, max_drop=limit))
    for name, limit in _together(costs, ratios, "--max-ratio"):
        found.append(Condition(metric=name, max_ratio=limit))
    return tuple(found)


def _together(names: list[str] | list[None], limits: list[float], flag: str) -> list[tuple[str | None, float]]:
    if not limits:
        return []
    if len(limits) == 1:
        limits = limits * len(names)
    if len(limits) != len(names):
        kinds = ", ".join(str(n) for n in names if n) or "each task's first metric"
        raise UsageError(f"{flag} is given {len(limits)} times for {kinds}: give it once, or once for each --metric")
    return list(zip(names, limits, strict=True))


def run(args: argparse.Namespace) -> int:
    options = Options(
        conditions=conditions(args.metric, args.max_drop, args.max_ratio),
        tasks=tuple(args.task),
        suite=args.suite,
        alpha=args.alpha,
        errors=args.errors,
        cluster=args.cluster,
        correction=args.correction,
    )
    report = gate(Store(args.store), args.baseline, args.candidate, options)
    print(table(report, args.format))
    for line in reasons(report):
        say(line)
    if args.junit:
        write(junit(report), args.junit)
    if args.md:
        write_markdown(markdown(report), args.md)
    say(answer(report))
    return EXIT[report.outcome]


def write_markdown(text: str, target: str) -> None:
    """Write a summary; the page of a CI job is shared by its steps, and so appended to."""
    shared = os.environ.get("GITHUB_STEP_SUMMARY")
    if not shared or Path(shared) != Path(target):
        write(text, target)
        return
    try:
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
