"""`weigh explain`: why trials were, were not, or would not be reused."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import msgspec

from weigh.cli.commands.rescore import load_files
from weigh.cli.flags import add_store
from weigh.cli.words import many
from weigh.pipeline.explain import Comparison, Explanation, explain
from weigh.store.layout import Store

HELP = """Why trials were or were not reused: the field of the generation key that differs, against earlier runs of the
same tasks, and against the tasks as they are defined now."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="RUN|TRIAL", help="a run (id, beginning, name, latest) or a trial's id")
    parser.add_argument(
        "-t", "--task", action="append", default=[], metavar="FILE.py",
        help="a file that defines tasks of the run; repeatable",
    )  # fmt: skip
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    load_files(args.task)
    found = explain(Store(args.store), args.ref)
    if args.json:
        print(json.dumps(msgspec.to_builtins(found), indent=1, ensure_ascii=False))
    else:
        print("\n".join(lines(found)))
    return 0


def lines(found: Explanation) -> Iterator[str]:
    """The explanation as text."""
    what = f"trial {found.trial} of run {found.run}" if found.trial else f"run {found.run}"
    yield f"{what}: {found.generated} generated here, {found.reused} taken over from other runs"
    for comparison in (*found.then, *found.now):
        yield ""
        yield from comparison_lines(comparison)


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """One comparison: what is the same, and what sets the rest apart."""
    yield f"{comparison.task} against {comparison.against}"
    if comparison.note:
        yield f"  {comparison.note}"
        return
    if comparison.same:
        yield f"  {many(comparison.same, 'trial')} with the same key: reused"
    if comparison.absent:
        yield f"  {many(comparison.absent, 'trial')} without a counterpart (another question or epoch)"
    for reason in comparison.reasons:
        yield f"  {many(reason.trials, 'trial')} differ in {reason.field}"
        yield f"      there  {' '.join(reason.before.split())}"
        yield f"      here   {' '.join(reason.after.split())}"
