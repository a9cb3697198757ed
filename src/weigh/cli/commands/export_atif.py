"""`weigh export atif`: the trajectories of a run in the Agent Trajectory Interchange Format."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from weigh.cli.flags import add_store
from weigh.cli.words import many
from weigh.pipeline.task_names import choose_named
from weigh.records.trial import join_spec
from weigh.store.exporters.atif import to_atif
from weigh.store.layout import Store
from weigh.store.reader import read_trials

HELP = """Write each trial of a run as an ATIF document (Agent Trajectory Interchange Format, one JSON file a trial),
for viewers and trainers that read it. What ATIF has no field for (scores, status, task) is under `extra`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run: its id, a prefix of it, its name, or `latest`")
    parser.add_argument("-d", "--dir", metavar="FOLDER", help="where to write; default: RUN-atif")
    parser.add_argument(
        "-t", "--task", action="append", default=[], metavar="SPEC", help="only trials of this task (repeatable)"
    )
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    store = Store(args.store)
    found = store.find(args.run)
    wanted = choose_named([join_spec(t.name, t.variant) for t in found.tasks], args.task)
    folder = Path(args.dir or f"{found.id}-atif")
    folder.mkdir(parents=True, exist_ok=True)
    written = without = 0
    for trial in read_trials(store.open(found.id)):
        if trial.spec not in wanted:
            continue
        document = to_atif(trial, found)
        if document is None:
            without += 1
            continue
        (folder / f"{trial.id}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        written += 1
    failed = f" ({many(without, 'trial')} failed before there was a trajectory)" if without else ""
    print(f"{'1 trajectory' if written == 1 else f'{written} trajectories'} in {folder}{failed}")
    return 0
