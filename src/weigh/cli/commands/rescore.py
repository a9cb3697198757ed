"""`weigh rescore`: today's scorers over stored outputs, without a model."""

from __future__ import annotations

import argparse
import asyncio

from weigh.cli.flags import add_format, add_store
from weigh.cli.summary import show_summary
from weigh.cli.terminal import say
from weigh.cli.words import many
from weigh.define.harness import load_harness
from weigh.define.registry import default
from weigh.define.spec import parse_task
from weigh.pipeline.rescore import rescore
from weigh.pipeline.results import summarize
from weigh.store.layout import Store

HELP = """Score the stored outputs of a run with the scorers its tasks have today. No model is asked; scores whose
scorer has not changed stay as they are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's id, the beginning of one, its name, or latest")
    parser.add_argument(
        "-t", "--task", action="append", default=[], metavar="FILE.py",
        help="a file that defines tasks of the run; repeatable",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="also where the scorer has not changed")
    parser.add_argument("--harness", default="default", metavar="NAME", help="for the sandbox that scoring may need")
    parser.add_argument(
        "-o", "--option", action="append", default=[], metavar="KEY=VALUE", help="change one setting of the harness"
    )
    add_store(parser)
    add_format(parser)


def load_files(specs: list[str]) -> None:
    """Import the files that specs name, so that their tasks are known; a spec without a file needs nothing."""
    for text in specs:
        file = parse_task(text).file
        if file is not None:
            default.load_file(file)


def run(args: argparse.Namespace) -> int:
    load_files(args.task)
    store = Store(args.store)
    found = store.find(args.run)
    harness = load_harness(args.harness, args.option)
    done = asyncio.run(rescore(store, found, everything=args.all, harness=harness))
    show_summary([summarize(store, done.run)], args.format)
    for line in done.skipped:
        say(f"{line} (-t FILE.py names the file that defines it)" if "unknown task" in line else line)
    say(f"{many(done.trials, 'trial')} of {found.id} scored anew, {done.failed or 'none'} of them failed")
    return 1 if done.failed or done.skipped else 0
