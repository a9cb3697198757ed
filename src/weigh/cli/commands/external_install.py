"""`weigh external install`: get the programs of tasks that bring their own, each in an environment of its own."""

from __future__ import annotations

import argparse
import asyncio
import time

from weigh.cli.terminal import say, seconds
from weigh.define.external import ExternalEval
from weigh.define.registry import expand
from weigh.execute.venvs import find_venv, install_venv
from weigh.records.errors import DefinitionError

HELP = """Install what a task's own program needs, at the versions the task pins, into a virtual environment of its own
in weigh's cache; weigh's own environment is not touched. What is there already is left as it is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", nargs="+", help="a task that brings its own program, e.g. lm_eval_arc_easy")


def run(args: argparse.Namespace) -> int:
    _, tasks = expand(args.task)
    own = [task for task in tasks if isinstance(task, ExternalEval)]
    for task in tasks:
        if not isinstance(task, ExternalEval):
            raise DefinitionError(f"task {task.name!r} has no program of its own; there is nothing to install")
    for task in own:
        if not task.packages:
            say(f"{task.name}: its program needs no packages")
    for packages in dict.fromkeys(task.packages for task in own if task.packages):
        began, here = time.monotonic(), find_venv(packages) is not None
        if not here:
            say(f"installing {', '.join(packages)} ...")
        venv = asyncio.run(install_venv(packages))
        how = "already here" if here else f"installed in {seconds(time.monotonic() - began)}"
        print(f"{', '.join(packages)}  {len(venv.packages)} packages  {how}  {venv.path}")
    return 0
