"""`weigh duel`: two models, question by question, until it is settled which is better."""

from __future__ import annotations

import argparse
import asyncio
import re
import shlex
import sys
import time
from typing import Any

from weigh.cli.commands.compare import margin, share
from weigh.cli.commands.run import limit
from weigh.cli.flags import UsageError, add_format, add_store
from weigh.cli.main import INTERRUPTED
from weigh.cli.numbers import from_zero, natural, positive
from weigh.cli.table import Column, render
from weigh.cli.terminal import count, is_live, say, seconds
from weigh.cli.words import many
from weigh.execute.stop import StopSignal
from weigh.pipeline.conclusion import amount, is_proportion
from weigh.pipeline.duel import DuelOptions, DuelResult, duel
from weigh.pipeline.duel_standing import Standing
from weigh.pipeline.request import ArmStarted, Event, Notice, RunRequest
from weigh.records.run import MetricInfo

HELP = """Ask two models the same questions, in random order, and stop as soon as it is settled whether B is better,
worse, or (with --margin) equivalent. Looking after every question is allowed for. The trials are those of an ordinary
run: what is stored is not asked again, and repeating the command goes on. Exit code 0: settled, 3: not settled,
1: trials failed."""

EVERY = 0.2
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(q|questions?|s|seconds?|m|min|minutes?|h|hours?|k?tok|tokens?|ktokens?)?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs=2, metavar="MODEL", help="A and B, as provider/name[::key=value,...]")
    what = parser.add_argument_group("what")
    what.add_argument(
        "-t",
        "--task",
        action="append",
        default=[],
        metavar="SPEC",
        help="a task; of several, all questions count alike",
    )
    what.add_argument("-l", "--limit", type=limit, metavar="N", help="only these questions: 100, 10-20 or 0.1")
    what.add_argument("--metric", metavar="NAME", help="which score (default: the task's first)")
    end = parser.add_argument_group("when it ends")
    end.add_argument(
        "--margin", type=margin, metavar="M", help="differences smaller than this do not matter: 2pp or 0.02"
    )
    end.add_argument(
        "--budget", action="append", default=[], type=budget, metavar="N",
        help="give up after 200 (questions), 10m or 600s, 50000tok; repeatable",
    )  # fmt: skip
    end.add_argument(
        "--alpha", type=share, default=0.05, metavar="P", help="chance of a wrong answer (default: %(default)s)"
    )
    end.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the order of the questions (default: %(default)s)"
    )
    how = parser.add_argument_group("how")
    how.add_argument("--harness", default="default", metavar="NAME", help="a harness preset or a TOML/YAML file of one")
    how.add_argument(
        "-o", "--option", action="append", default=[], metavar="KEY=VALUE", help="change one of its settings"
    )
    how.add_argument("--temperature", type=from_zero, metavar="T", help="instead of what the tasks say")
    how.add_argument("--max-tokens", type=positive, metavar="N", help="most tokens to generate in one answer")
    how.add_argument(
        "--concurrency", type=positive, metavar="N",
        help="questions in flight (default: 2 for models that run here, else 8)",
    )  # fmt: skip
    keep = parser.add_argument_group("names")
    add_store(keep)
    keep.add_argument("--name", metavar="NAME", help="what the run is called (default: made of what is run)")
    keep.add_argument("--group", metavar="NAME", help="runs of one group belong together")
    keep.add_argument("--tag", action="append", default=[], metavar="TAG", help="a word to find the run by; repeatable")
    show = parser.add_argument_group("output")
    show.add_argument(
        "--allow-errors", type=natural, default=0, metavar="N", help="do not exit 1 for up to N failed trials"
    )
    show.add_argument("-q", "--quiet", action="store_true", help="no progress, only the result")
    add_format(show)


def budget(text: str) -> tuple[str, float]:
    """Parse `200`, `10m` or `50000tok` into what is limited and by how much."""
    found = _BUDGET.fullmatch(text.strip().lower())
    if found is None or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no budget: write 200 (questions), 600s, 10m or 50000tok")
    number, unit = float(found[1]), found[2] or "q"
    if unit.startswith("q"):
        if number != int(number):
            raise argparse.ArgumentTypeError(f"'{text}': questions come whole")
        return "questions", number
    if unit.startswith(("t", "k")):
        return "tokens", number * (1000 if unit.startswith("k") else 1)
    return "seconds", number * {"s": 1, "m": 60, "h": 3600}[unit[0]]


class Line:
    """The live line: the running interval, redrawn in place a few times a second; nothing where that cannot be."""

    def __init__(self, *, quiet: bool) -> None:
        self.live = is_live() and not quiet
        self.quiet = quiet
        self.next = 0.0
        self.last: Standing | None = None
        self.metric: MetricInfo | None = None

    def standing(self, now: Standing) -> None:
        """Show where it stands."""
        self.last = now
        if self.live and time.monotonic() >= self.next:
            self.next = time.monotonic() + EVERY
            sys.stderr.write(f"\r\x1b[2K{standing_text(now)}")
            sys.stderr.flush()

    def event(self, event: Event) -> None:
        """Say what happens beside the questions."""
        if self.quiet:
            return
        if isinstance(event, Notice):
            self.close()
            say(event.text)
        elif isinstance(event, ArmStarted) and event.seconds >= 1:
            self.close()
            say(f"{event.arm} started in {seconds(event.seconds)}")

    def close(self) -> None:
        """Take the line away."""
        if self.live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def standing_text(now: Standing) -> str:
    """One line of where it stands."""
    text = f"{now.questions} of {now.total} questions"
    if now.difference is not None:
        text += f"  B - A {now.difference:+.3f} [{now.low:+.3f}, {now.high:+.3f}]"
    text += f"  won {now.wins}, lost {now.losses}, tied {now.ties}"
    return text + (f", {now.skipped} left out (failed)" if now.skipped else "")


def request_of(args: argparse.Namespace) -> tuple[RunRequest, DuelOptions]:
    """What the flags ask for."""
    if not args.task:
        raise UsageError("which task? -t task (weigh ls tasks, weigh ls suites)")
    limits = dict(args.budget)
    if len(limits) < len(args.budget):
        raise UsageError("--budget is given twice for the same thing")
    tokens, most = limits.get("tokens"), limits.get("questions")
    request = RunRequest(
        models=tuple(args.models),
        tasks=tuple(args.task),
        store=args.store,
        limit=args.limit,
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        concurrency=args.concurrency,
        harness=args.harness,
        overrides=tuple(args.option),
        name=args.name,
        group=args.group,
        tags=tuple(args.tag),
        allow_errors=args.allow_errors,
        max_seconds=limits.get("seconds"),
        max_tokens_total=None if tokens is None else int(tokens),
        command=("weigh", *sys.argv[1:]),
    )
    options = DuelOptions(
        margin=args.margin,
        max_questions=None if most is None else int(most),
        alpha=args.alpha,
        order=args.seed,
        metric=args.metric,
    )
    return request, options


def run(args: argparse.Namespace) -> int:
    request, options = request_of(args)
    line = Line(quiet=args.quiet)
    try:
        made = asyncio.run(execute(request, options, line))
    finally:
        line.close()
    print(table(made, args.format))
    return close(made, request)


async def execute(request: RunRequest, options: DuelOptions, line: Line) -> DuelResult:
    """The duel, with Ctrl-C asking for an orderly end."""
    stop = StopSignal()
    with stop.on_signals():
        return await duel(request, options, line.standing, line.event, stop)


def flat(made: DuelResult) -> dict[str, Any]:
    """The result as one row of plain values."""
    now = made.standing
    return {
        "a": made.a,
        "b": made.b,
        "metric": made.metric.name,
        "asked": now.questions,
        "total": now.total,
        "n": now.n,
        "score_a": now.mean_a,
        "score_b": now.mean_b,
        "difference": now.difference,
        "low": now.low,
        "high": now.high,
        "wins": now.wins,
        "losses": now.losses,
        "ties": now.ties,
        "failed_a": now.failed_a,
        "failed_b": now.failed_b,
        "skipped": now.skipped,
        "alpha": made.options.alpha,
        "margin": made.options.margin,
        "verdict": made.verdict,
        "ended": made.ended,
        "withheld": made.withheld,
        "saved": made.saved,
        "fixed_design": made.fixed,
        "fixed_design_for": made.fixed_for,
        "run": made.run.run.id,
    }


def table(made: DuelResult, format: str) -> str:
    """The result, a row."""
    row = flat(made)
    if format in ("json", "csv"):
        return render([Column(k, k) for k in row], [row], format)  # type: ignore[arg-type]
    metric, now = made.metric, made.standing
    shown = row | {
        "asked": f"{now.questions} of {now.total}",
        "score_a": _score(now.mean_a, metric),
        "score_b": _score(now.mean_b, metric),
        "difference": None if now.difference is None else amount(now.difference, metric),
        "interval": f"{_plain(now.low, metric)} to {_plain(now.high, metric)}",
        "wins": f"{now.wins} / {now.losses} / {now.ties}",
    }
    columns = [
        Column("a", "A"),
        Column("b", "B"),
        Column("metric", "metric"),
        Column("asked", "questions", str, True),
        Column("score_a", "A", str, True),
        Column("score_b", "B", str, True),
        Column("difference", "B - A", str, True),
        Column("interval", f"{100 * (1 - made.options.alpha):g} % at any time", str, True),
        Column("wins", "won / lost / tied", str, True),
        Column("verdict", "B is"),
    ]
    return render(columns, [shown], format)  # type: ignore[arg-type]


def _score(value: float | None, metric: MetricInfo) -> str | None:
    if value is None:
        return None
    return f"{100 * value:.1f}" if is_proportion(metric) else f"{value:.4g}"


def _plain(value: float, metric: MetricInfo) -> str:
    return f"{100 * value:+.1f}" if is_proportion(metric) else f"{value:+.4g}"


def close(made: DuelResult, request: RunRequest) -> int:
    """What it means, what was saved, what failed; the exit code."""
    now, result = made.standing, made.run
    say()
    say(conclusion(made))
    say(savings(made))
    if made.clustered:
        say(f"questions of a cluster belong together: {now.n} clusters are the units, each counting alike")
    usage = "" if result.usage.total is None else f", {count(result.usage.total)} tokens"
    say(
        f"{result.executed} trials run, {result.reused} reused, {seconds(result.seconds)}{usage}; stored as "
        f"{result.run.id} in {request.store}"
    )
    if result.stopped and "interrupt" in result.stopped:
        say(f"interrupted; go on with\n  {shlex.join(request.command)}")
        return INTERRUPTED
    failed = sum(result.failed.values())
    if failed:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(result.failed.items(), key=lambda item: -item[1]))
        say(
            f"{many(failed, 'trial')} failed: {kinds} ({now.failed_a} of A, {now.failed_b} of B); "
            f"{many(now.skipped, 'question')} left out, and repeating the command runs them again"
        )
    if failed > request.allow_errors:
        return 1
    return 0 if made.verdict in ("better", "worse", "equivalent") else 3


def conclusion(made: DuelResult) -> str:
    """The verdict in a sentence."""
    now, metric = made.standing, made.metric
    if made.withheld:
        return f"no verdict: {made.withheld}"
    if now.verdict == "equivalent" and made.options.margin is not None:
        size = amount(made.options.margin, metric).lstrip("+")
        return f"settled: {made.b} and {made.a} are equivalent, a difference of {size} or more is ruled out"
    if now.verdict in ("better", "worse"):
        return f"settled: {made.b} is {now.verdict} than {made.a}"
    return f"not settled ({made.ended}): the difference lies between {_plain(now.low, metric)} and " + (
        f"{_plain(now.high, metric)}" + (" points" if is_proportion(metric) else "")
    )


def savings(made: DuelResult) -> str:
    """What stopping early saved, or what it would take."""
    now = made.standing
    unit = "cluster" if made.clustered else "question"
    fixed = ""
    if made.fixed is not None:
        known = "" if now.verdict == "unresolved" else " that knew so beforehand"
        fixed = f"; a test of fixed size{known} needs {many(made.fixed, unit)} {made.fixed_for} 4 times out of 5"
    if now.verdict == "unresolved":
        return f"asked {now.questions} of {many(now.total, 'question')}{fixed}"
    spared = f"{made.saved} of {many(now.total, 'question')}" if made.saved else "no question"
    return f"asked {many(now.questions, 'question')} and saved {spared} ({2 * made.saved} trials){fixed}"
