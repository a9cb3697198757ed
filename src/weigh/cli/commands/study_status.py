"""`weigh study status`: every task in every arm: done, running, failed and why, missing, partly done."""

from __future__ import annotations

import argparse
import asyncio

from weigh.cli.flags import add_format
from weigh.cli.study_flags import add_part, add_study, changes_of, read
from weigh.cli.study_text import heading, status_table, totals
from weigh.cli.terminal import say
from weigh.pipeline.study import open_session, plan_study
from weigh.pipeline.study_status import cell_groups

HELP = """Show where a study stands, task by task and arm by arm: trials that are done, that run now, that failed (with
the commonest reasons), and that are missing. What is complete is left out unless --all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_part(parser)
    parser.add_argument("--all", action="store_true", help="also what is complete")
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
    if args.all or args.format in ("json", "csv") or any(g.remaining for g in groups):
        print(status_table(plan, groups, args.format, every=args.all))
    say(totals(plan, groups))
