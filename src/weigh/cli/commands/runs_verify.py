"""`weigh runs verify`: is everything in a run readable and whole?"""

from __future__ import annotations

import argparse

from weigh.cli.flags import add_store
from weigh.cli.terminal import say
from weigh.store.layout import Store
from weigh.store.verify import verify

HELP = """Check that runs are whole: manifests, journals, Parquet files, artifacts, doubles. Without a run: all of them.
Exits 1 when something is lost or wrong."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="*", help="a run's id, the beginning of one, its name, or latest")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    store = Store(args.store)
    runs, problems = store.scan()
    ids = [store.find(ref).id for ref in args.run] or [r.id for r in runs]
    errors = 0
    if not args.run:
        errors += len(problems)
        for problem in problems:
            print(f"error: {problem}")
    for run_id in ids:
        findings = verify(store, run_id)
        errors += sum(f.level == "error" for f in findings)
        print(f"{run_id}: {'whole' if not findings else f'{len(findings)} findings'}")
        for finding in findings:
            print(f"  {finding.level}: {finding.path}: {finding.message}")
    if not ids and not problems:
        say(f"no runs in {args.store}")
    return 1 if errors else 0
