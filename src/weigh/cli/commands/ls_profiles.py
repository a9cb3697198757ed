"""`weigh ls profiles`: libraries that weigh can study without a profile of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from weigh.cli.flags import add_format
from weigh.cli.table import Column, render
from weigh.cli.terminal import say
from weigh.study.profile import load_profile, shipped_profiles

HELP = "Profiles of libraries that come with weigh; a study file names one as `profile:`, or a file of one's own."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    rows = []
    for name in shipped_profiles():
        profile = load_profile(name, Path.cwd())
        rows.append(
            {
                "name": name,
                "library": profile.declared.repository or profile.declared.package,
                "tasks": len(profile.tasks()),
                "tiers": ", ".join(profile.tiers()),
                "network": profile.declared.network,
                "what": profile.declared.description,
            }
        )
    columns = [
        Column("name", "profile"),
        Column("library", "revisions of"),
        Column("tasks", "tasks", str, True),
        Column("tiers", "tiers"),
        Column("network", "network"),
        Column("what", "what"),
    ]
    print(render(columns, rows, args.format))
    if args.format == "table":
        say("one of your own: weigh study new NAME")
    return 0
