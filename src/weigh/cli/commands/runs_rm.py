"""`weigh runs rm`: remove runs, after asking."""

from __future__ import annotations

import argparse

from weigh.cli.ask import confirm
from weigh.cli.flags import UsageError, add_store
from weigh.store.layout import Store

HELP = "Remove runs with everything they hold. Asks first; -y does not."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="+", help="a run's id, the beginning of one, its name, or latest")
    add_store(parser)
    parser.add_argument("--force", action="store_true", help="even while a process is writing to it")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    store = Store(args.store)
    ids = list(dict.fromkeys(store.find(ref).id for ref in args.run))
    if not args.yes and not confirm(f"remove {', '.join(ids)} from {args.store}?"):
        raise UsageError("nothing removed (-y removes without asking)")
    for run_id in ids:
        store.remove(run_id, force=args.force)
        print(f"removed {run_id}")
    return 0
