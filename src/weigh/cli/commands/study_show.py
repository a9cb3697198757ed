"""`weigh study show`: what a study has shown so far."""

from __future__ import annotations

import argparse
import asyncio

from weigh.cli.flags import add_format
from weigh.cli.study_flags import add_part, add_study, changes_of, read
from weigh.cli.study_results_text import results_text
from weigh.cli.study_text import outdated
from weigh.cli.terminal import say
from weigh.pipeline.compare import Options
from weigh.pipeline.study import open_session, plan_study
from weigh.pipeline.study_results import study_results
from weigh.pipeline.study_status import cell_groups
from weigh.records.errors import StoreError

HELP = """Show what a study has shown so far, without running anything: for each arm the match, what trials took and
which paths they took; then, for each model by size, whether what is compared helps, and whether the sizes differ."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_part(parser)
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    asyncio.run(_run(args))
    return 0


async def _run(args: argparse.Namespace) -> None:
    plan = await plan_study(read(args), changes_of(args, dry_run=True))
    session = await open_session(plan)
    if not any(run.id == session.manifest.id for run in session.store.runs()):
        raise StoreError(f"study {plan.study.name} has not run yet: weigh study run {plan.study.file}")
    made = study_results(session.store, session.manifest, plan.study.compare, Options(margin=plan.study.margin))
    print(results_text(made, args.format))
    for line in outdated(plan, cell_groups(session)):
        say(f"warning: {line}")
    if not made.contrasts and args.format == "table":
        say("nothing is compared: the study has one revision, one tier and one agent")
