"""`weigh study show`: what a study has shown so far."""

from __future__ import annotations

import argparse
import asyncio

from weigh.cli.flags import add_format
from weigh.cli.study_flags import add_part, add_study, changes_of, read
from weigh.cli.study_results_text import results_text
from weigh.cli.study_tasks_text import tasks_text, trials_text
from weigh.cli.study_text import outdated
from weigh.cli.terminal import say
from weigh.pipeline.compare_options import Options
from weigh.pipeline.study import open_session, plan_study
from weigh.pipeline.study_results import study_results
from weigh.pipeline.study_status import cell_groups
from weigh.pipeline.study_trials import by_task, part_of, study_trials
from weigh.records.errors import StoreError

HELP = """Show what a study has shown so far, without running anything: for each arm the match, what trials took and
which paths they took; then, for each model by size, whether what is compared helps, and whether the sizes differ.
With --by task the match of each task in each arm, with --trials the trials one by one (`weigh trial ID` shows one)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_part(parser)
    show = parser.add_argument_group("output")
    what = show.add_mutually_exclusive_group()
    what.add_argument(
        "--by", choices=("arm", "task"), default="arm", help="a row for each arm (default), or task by task"
    )
    what.add_argument("--trials", action="store_true", help="list the trials, with their ids")
    add_format(show)


def run(args: argparse.Namespace) -> int:
    asyncio.run(_run(args))
    return 0


async def _run(args: argparse.Namespace) -> None:
    plan = await plan_study(read(args), changes_of(args, dry_run=True))
    session = await open_session(plan)
    if not any(run.id == session.manifest.id for run in session.store.runs()):
        raise StoreError(f"study {plan.study.name} has not run yet: weigh study run {plan.study.file}")
    if args.trials:
        print(trials_text(plan, study_trials(session), args.format))
        return
    made = None
    if args.by == "task":
        print(tasks_text(plan, by_task(session), args.format))
    else:
        made = study_results(session.store, part_of(session), plan.study.compare, Options(margin=plan.study.margin))
        print(results_text(made, args.format))
    for line in outdated(plan, cell_groups(session)):
        say(f"warning: {line}")
    if made is not None and not made.contrasts and args.format == "table":
        say("nothing is compared: the study has one revision, one tier and one agent")
