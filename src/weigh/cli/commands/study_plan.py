"""`weigh study plan`: the matrix of a study, what is done, what remains, and what that will take."""

from __future__ import annotations

import argparse
import asyncio

from weigh.cli.flags import add_format
from weigh.cli.study_flags import add_part, add_study, changes_of, read
from weigh.cli.study_text import forecast_text, heading, matrix, totals
from weigh.cli.terminal import say
from weigh.pipeline.planning import plan_warnings
from weigh.pipeline.study import open_session, plan_study
from weigh.pipeline.study_status import cell_groups, forecast

HELP = """Show the matrix of a study: arms, trials, what the store has, what remains, and the tokens and time that will
take by what is stored. Finds every wrong name. Builds nothing, starts no model, writes nothing."""


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
    groups = cell_groups(session)
    for line in heading(plan):
        say(line)
    print(matrix(plan, groups, args.format))
    say(totals(plan, groups))
    say(forecast_text(forecast(session, groups)))
    for line in (*session.prepared.warnings, *plan_warnings(session.request, session.prepared)):
        say(f"warning: {line}")
