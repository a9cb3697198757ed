"""`weigh study clean`: remove what a study made in the cache."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from weigh.cli.ask import confirm
from weigh.cli.flags import UsageError
from weigh.cli.study_flags import add_study, read
from weigh.cli.terminal import say, size
from weigh.cli.words import many
from weigh.pipeline.study import plan_study
from weigh.study.holds import studies_of, users_of
from weigh.study.installations import find_installation, installations, remove
from weigh.study.skills import frozen_skills, remove_skill

HELP = """Remove the installations of a study's revisions and its copies of Skills from weigh's cache, or with --all
those of every study. What a run uses at the moment stays. Results are not touched; the next run builds what it needs
again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    parser.add_argument("--all", action="store_true", help="what every study made")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    here, skills, own = installations(), frozen_skills(), ""
    if not args.all:
        plan = await plan_study(read(args))
        wanted = {recipe.path for recipe in plan.recipes}
        here = [path for path in here if path in wanted]
        skills = frozen_skills({path.name.rpartition("-")[0] for path in plan.skills})
        own = str(Path(plan.study.file).resolve()) if plan.study.file else ""
    used = {path: users for path in (*here, *skills) if (users := users_of(path))}
    here, skills = ([path for path in paths if path not in used] for paths in (here, skills))
    others = {s for path in here for s in studies_of(path) if s != own and Path(s).is_file()} if not args.all else set()
    if here:
        bytes_used = sum(found.used for path in here if (found := find_installation(path)) is not None)
        what = f"{many(len(here), 'installation')} ({size(bytes_used)})"
        if others:
            say(f"also used by {', '.join(sorted(others))}, whose next run builds them again")
        if not args.yes and not confirm(f"remove {what}?"):
            raise UsageError("nothing removed (-y removes without asking)")
    elif not used:
        say("there is nothing to remove")
    for path in here:
        used.update({path: users} if (users := await remove(path)) else {})
        if path not in used:
            print(f"removed {path}")
    for path in skills:
        used.update({path: users} if (users := await remove_skill(path)) else {})
    for path, users in used.items():
        say(f"kept {path}: in use by {', '.join(users)}")
    return 1 if used else 0
