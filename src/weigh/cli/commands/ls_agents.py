"""`weigh ls agents`: command-line coding agents that can be scaffolds."""

from __future__ import annotations

import argparse

from weigh.cli.flags import add_format
from weigh.cli.table import Column, render
from weigh.cli.terminal import say
from weigh.execute.agents.install import agents_dir, find_agent, missing
from weigh.execute.agents.registry import NAMES, agent_by_name

HELP = "Command-line coding agents: which version is pinned, whether it is installed, whether it works here."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    columns = [
        Column("name", "agent"),
        Column("version", "version"),
        Column("installed", "installed"),
        Column("package", "package"),
        Column("about", "what"),
    ]
    if args.format in ("json", "csv"):
        columns += [Column("path", "path"), Column("skills", "skills"), Column("problems", "problems", "; ".join)]
    rows = []
    problems: list[str] = []
    for name in NAMES:
        agent = agent_by_name(name)
        program, wrong = find_agent(agent), missing(agent)
        problems += [p for p in wrong if "is not installed" not in p]
        rows.append(
            {
                "name": name,
                "version": agent.version,
                "installed": "yes" if program else "no",
                "package": f"{agent.kind} {agent.package}",
                "about": agent.about,
                "path": program.path if program else None,
                "skills": agent.skills,
                "problems": wrong,
            }
        )
    print(render(columns, rows, args.format))
    if args.format == "table":
        for problem in dict.fromkeys(problems):
            say(problem)
        say(f"\nkept in {agents_dir()}; get one with weigh agents install NAME, use it as --harness NAME")
    return 0
