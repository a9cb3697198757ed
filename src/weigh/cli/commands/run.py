"""`weigh run`: tasks on models, with progress, the numbers, and an exit code that says whether trials failed."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys

from weigh.cli.ask import confirm
from weigh.cli.flags import UsageError, add_format, add_store
from weigh.cli.main import INTERRUPTED
from weigh.cli.numbers import above_zero, from_zero, natural, positive
from weigh.cli.progress import Watcher, watcher
from weigh.cli.summary import show_summary
from weigh.cli.table import Column, render
from weigh.cli.terminal import count, dollars, say, seconds
from weigh.execute.stop import StopSignal
from weigh.pipeline.request import Event, OnEvent, Plan, Planned, RunRequest, RunResult
from weigh.pipeline.results import summarize
from weigh.pipeline.run import run as run_pipeline
from weigh.store.layout import Store

HELP = """Run tasks on models. What the store already has is not run again: repeating a command resumes it, and a larger
limit or more epochs run only what is new. Trials that failed are run again."""

ASK_FROM = 50_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what")
    what.add_argument(
        "-m", "--model", action="append", default=[], metavar="SPEC",
        help="provider/name[::key=value,...], e.g. llamacpp/smollm2-135m-instruct; repeatable, each is an arm",
    )  # fmt: skip
    what.add_argument(
        "-t", "--task", action="append", default=[], metavar="SPEC",
        help="task[:variant]*[::key=value,...], suite, glob or FILE.py[:name]; repeatable, or a comma list",
    )  # fmt: skip
    what.add_argument(
        "-l", "--limit", type=limit, metavar="N",
        help="instances of each task: a number (100), a range (10-20: the 10th to the 20th) or a fraction (0.1)",
    )  # fmt: skip
    what.add_argument("-k", "--epochs", type=positive, default=1, metavar="N", help="ask each instance N times")
    how = parser.add_argument_group("how")
    how.add_argument("--harness", default="default", metavar="NAME", help="a harness preset or a TOML/YAML file of one")
    how.add_argument(
        "-o", "--option", action="append", default=[], metavar="KEY=VALUE",
        help="change one setting of the harness, e.g. limits.seconds=60; repeatable",
    )  # fmt: skip
    how.add_argument("--seed", type=int, metavar="N", help="sampling seed of the first epoch; later ones count up")
    how.add_argument("--temperature", type=from_zero, metavar="T", help="instead of what the tasks say")
    how.add_argument("--max-tokens", type=positive, metavar="N", help="most tokens to generate in one answer")
    how.add_argument("--concurrency", type=positive, metavar="N", help="trials in flight (default: the provider's own)")
    keep = parser.add_argument_group("names")
    add_store(keep)
    keep.add_argument("--name", metavar="NAME", help="what the run is called (default: made of what is run)")
    keep.add_argument("--group", metavar="NAME", help="runs of one group belong together")
    keep.add_argument("--tag", action="append", default=[], metavar="TAG", help="a word to find the run by; repeatable")
    bounds = parser.add_argument_group("bounds")
    bounds.add_argument("--dry-run", action="store_true", help="print the plan (trials, requests, tokens) and stop")
    bounds.add_argument(
        "--allow-errors",
        type=natural,
        default=0,
        metavar="N",
        help="exit 0 although up to N trials failed (default: 0)",
    )
    bounds.add_argument(
        "--skip-unavailable", action="store_true", help="leave out, by name, tasks that cannot run on this machine"
    )
    bounds.add_argument("--keep-failed", action="store_true", help="do not run failed trials of earlier times again")
    bounds.add_argument(
        "--max-seconds", type=above_zero, metavar="S", help="stop after S seconds, keeping what is done"
    )
    bounds.add_argument("--max-total-tokens", type=positive, metavar="N", help="stop after N tokens in all")
    bounds.add_argument(
        "--max-dollars", type=above_zero, metavar="D", help="stop after D dollars, where prices are known"
    )
    show = parser.add_argument_group("output")
    add_format(show)
    show.add_argument("-q", "--quiet", action="store_true", help="no progress, only results and failures")
    show.add_argument(
        "-y", "--yes", action="store_true", help=f"do not ask before a run of {ASK_FROM:,} requests or more"
    )


def limit(text: str) -> int | float | str:
    """Parse `100`, `10-20` or `0.1`."""
    first, dash, last = text.partition("-")
    try:
        if dash:
            if 1 <= int(first) <= int(last):
                return text
        elif "." in text:
            if 0 < float(text) <= 1:
                return float(text)
        elif int(text) > 0:
            return int(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"'{text}' is not a number (100), a range (10-20) or a fraction (0.1)")


def request_of(args: argparse.Namespace) -> RunRequest:
    """The request that the flags make."""
    if not args.model:
        raise UsageError("which model? -m provider/name (weigh ls models, weigh ls providers)")
    if not args.task:
        raise UsageError("which task? -t task (weigh ls tasks, weigh ls suites)")
    return RunRequest(
        models=tuple(args.model),
        tasks=tuple(args.task),
        store=args.store,
        limit=args.limit,
        epochs=args.epochs,
        seed=args.seed,
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        concurrency=args.concurrency,
        harness=args.harness,
        overrides=tuple(args.option),
        name=args.name,
        group=args.group,
        tags=tuple(args.tag),
        dry_run=args.dry_run,
        allow_errors=args.allow_errors,
        skip_unavailable=args.skip_unavailable,
        max_seconds=args.max_seconds,
        max_tokens_total=args.max_total_tokens,
        max_dollars=args.max_dollars,
        retry_failed=not args.keep_failed,
        command=("weigh", *sys.argv[1:]),
    )


def run(args: argparse.Namespace) -> int:
    request = request_of(args)
    if request.dry_run:
        result = asyncio.run(execute(request, None))
        print_plan(result.plan, args.format)
        return 0
    watch = watcher(quiet=args.quiet)
    with watch:
        result = asyncio.run(execute(request, asking(watch) if must_ask(args) else watch))
    show_summary([summarize(Store(request.store), result.run)], args.format)
    return close(result, request, watch)


async def execute(request: RunRequest, on_event: OnEvent | None) -> RunResult:
    """Run, with the first Ctrl-C asking for an orderly end and the second for an end at once."""
    stop = StopSignal()
    with stop.on_signals():
        return await run_pipeline(request, on_event, stop)


def must_ask(args: argparse.Namespace) -> bool:
    """Whether somebody is there to be asked before a very large run."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not (args.yes or args.dry_run)


def asking(watch: Watcher) -> OnEvent:
    """The watcher, with a question before a very large run begins."""

    def on_event(event: Event) -> None:
        watch(event)
        total = sum(r.requests for r in event.plan.rows) if isinstance(event, Planned) else 0
        if total >= ASK_FROM:
            watch.__exit__(None, None, None)
            if not confirm(f"{total:,} requests. Go on?"):
                raise UsageError("not started (-y starts without asking)")
            watch.__enter__()

    return on_event


def print_plan(plan: Plan, format: str) -> None:
    """What would run, a row for each model and task."""
    columns = [
        Column("arm", "model"),
        Column("task", "task"),
        Column("kind", "asks for"),
        Column("cells", "trials", str, True),
        Column("reused", "reused", str, True),
        Column("requests", "requests", str, True),
        Column("prompt_tokens", "prompt tokens (est.)", count, True),
        Column("max_generated", "generates at most", count, True),
    ]
    rows = [{c.key: getattr(r, c.key) for c in columns} for r in plan.rows]
    print(render(columns, rows, format))  # type: ignore[arg-type]
    for text in plan.skipped:
        say(text)
    say(
        f"dry run: {plan.cells} trials, {plan.reused} reused, {sum(r.requests for r in plan.rows)} requests, "
        f"about {count(sum(r.prompt_tokens for r in plan.rows))} prompt tokens (characters / 4); nothing was run"
    )


def close(result: RunResult, request: RunRequest, watch: Watcher, look: str | None = None) -> int:
    """The last lines of a run, and its exit code. The very last one says what failed.

    Args:
        look: Commands that show more of it, instead of `weigh results RUN`.
    """
    usage = result.usage
    parts = [f"{result.executed} run", f"{result.reused} reused"]
    if result.rescored:
        parts.append(f"{result.rescored} scored anew")
    parts.append(seconds(result.seconds))
    if usage.total is not None:
        parts.append(f"{count(usage.total)} tokens ({count(usage.generated or 0)} generated)")
    if usage.cost is not None:
        parts.append(dollars(usage.cost))
    say()
    look = look or f"weigh results {result.run.id}"
    say(f"{', '.join(parts)}; stored as {result.run.id} in {request.store} ({look})")
    for status, number in sorted(result.outcomes.items()):
        say(f"{number} ended without an answer ({status}) and count as no match")
    failed = sum(result.failed.values())
    if result.missing:
        resume = shlex.join(request.command)
        say(f"stopped early ({result.stopped}); {result.missing} of {result.plan.cells} trials are left; resume with")
        say(f"  {resume}")
    elif result.stopped:
        say(f"stopped early: {result.stopped}")
    say(last_line(result, request.allow_errors))
    if result.stopped and "interrupt" in result.stopped:
        return INTERRUPTED
    return 1 if failed > request.allow_errors or result.missing else 0


def last_line(result: RunResult, allowed: int) -> str:
    """How many trials failed and why, by kind."""
    failed = sum(result.failed.values())
    if not failed:
        return "no trial failed"
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(result.failed.items(), key=lambda item: -item[1]))
    text = f"{failed} of {result.plan.cells} trials failed: {kinds}"
    if failed <= allowed:
        return f"{text} (allowed: {allowed})"
    return f"{text}; they are in no score, and repeating the command runs them again"
