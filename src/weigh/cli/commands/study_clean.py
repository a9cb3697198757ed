"""`weigh study clean`: remove installations from the cache."""

from __future__ import annotations

import argparse
import asyncio

from weigh.cli.ask import confirm
from weigh.cli.flags import UsageError
from weigh.cli.study_flags import add_study, read
from weigh.cli.terminal import say, size
from weigh.cli.words import many
from weigh.pipeline.study import plan_study
from weigh.study.installations import find_installation, installations, remove

HELP = """Remove the installations of a study's revisions from weigh's cache, or with --all those of every study.
Results are not touched; the next run builds what it needs again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--all", action="store_true", help="installations of every study")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    here = installations()
    if not args.all:
        wanted = {recipe.path for recipe in (await plan_study(read(args))).recipes}
        here = [path for path in here if path in wanted]
    if not here:
        say("there is nothing to remove")
        return 0
    used = sum(found.used for path in here if (found := find_installation(path)) is not None)
    if not args.yes and not confirm(f"remove {many(len(here), 'installation')} ({size(used)})?"):
        raise UsageError("nothing removed (-y removes without asking)")
    for path in here:
        await remove(path)
        print(f"removed {path}")
    return 0
