"""`weigh agents install`: get command-line coding agents, each in a folder of its own."""

from __future__ import annotations

import argparse
import asyncio
import time

from weigh.cli.terminal import say, seconds
from weigh.execute.agents.install import find_agent, install_agent
from weigh.execute.agents.registry import agent_by_name

HELP = """Install coding agents (weigh ls agents) at the version weigh pins, or another (NAME@VERSION), into a folder of
weigh's cache; nothing else on the machine is touched. What is there already is left as it is. Nothing is ever installed
unasked: a run that needs a missing agent says so before its first token."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="+", help="an agent, e.g. pi or pi@0.73.1")


def run(args: argparse.Namespace) -> int:
    wanted = [(agent_by_name(name), version or None) for name, _, version in (n.partition("@") for n in args.name)]
    for agent, version in wanted:
        began, here = time.monotonic(), find_agent(agent, version) is not None
        if not here:
            say(f"installing {agent.package} {version or agent.version} from {agent.kind} ...")
        program = asyncio.run(install_agent(agent, version))
        how = "already here" if here else f"installed in {seconds(time.monotonic() - began)}"
        print(f"{agent.name} {program.version}  {len(program.packages)} packages  {how}  {program.path}")
    return 0
