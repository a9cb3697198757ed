"""`weigh study run`: build what is missing, run what remains, and show what came of it."""

from __future__ import annotations

import argparse
import asyncio

from weigh.cli.commands.run import close
from weigh.cli.flags import add_format
from weigh.cli.numbers import above_zero, natural, positive
from weigh.cli.progress import watcher
from weigh.cli.study_flags import add_part, add_study, changes_of, read
from weigh.cli.study_results_text import results_text
from weigh.cli.study_text import forecast_text, heading, matrix, totals
from weigh.cli.terminal import say
from weigh.execute.stop import StopSignal
from weigh.pipeline.compare_options import Options
from weigh.pipeline.request import RunResult
from weigh.pipeline.study import StudyPlan, open_session, plan_study, study_in_use
from weigh.pipeline.study_results import study_results
from weigh.pipeline.study_status import cell_groups, forecast
from weigh.store.layout import Store

HELP = """Run what remains of a study: every task in every arm (model x agent x revision x tier), as often as the study
says. Revisions are installed first where they are not. Repeating the command resumes it; failed trials run again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_part(parser)
    bounds = parser.add_argument_group("bounds")
    bounds.add_argument("--dry-run", action="store_true", help="print the plan, as `weigh study plan` does, and stop")
    bounds.add_argument(
        "--allow-errors",
        type=natural,
        default=0,
        metavar="N",
        help="exit 0 although up to N trials failed (default: 0)",
    )
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


def run(args: argparse.Namespace) -> int:
    if args.dry_run:
        asyncio.run(_dry(args))
        return 0
    watch = watcher(quiet=args.quiet)
    plan, result = asyncio.run(_run(args, watch))
    made = study_results(Store(plan.request.store), result.run, plan.study.compare, Options(margin=plan.study.margin))
    print(results_text(made, args.format))
    named = f" {args.study}" if args.study else ""
    return close(result, plan.request, watch, f"weigh study show{named} --trials, then weigh trial ID")


async def _dry(args: argparse.Namespace) -> None:
    plan = await plan_study(read(args), changes_of(args, dry_run=True))
    session = await open_session(plan)
    groups = cell_groups(session)
    for line in heading(plan):
        say(line)
    print(matrix(plan, groups, args.format))
    say(totals(plan, groups))
    say(forecast_text(forecast(session, groups)))


async def _run(args: argparse.Namespace, watch: object) -> tuple[StudyPlan, RunResult]:
    plan = await plan_study(read(args), changes_of(args))
    stop = StopSignal()
    # The whole plan is checked before the first build, which may take minutes.
    session = await open_session(plan, watch, stop)  # type: ignore[arg-type]
    if not args.quiet:
        for line in plan.lacking:
            say(f"left out: {line}")
    # What is all stored needs no installation.
    remain = {str(group.arm.axes["revision"]) for group in cell_groups(session) if group.remaining}
    notice = (lambda text: None) if args.quiet else say
    async with study_in_use(plan, f"run {session.manifest.id}", notice, only=remain):
        with watch, stop.on_signals():  # type: ignore[attr-defined]
            return plan, await session.execute()
