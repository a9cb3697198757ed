"""`weigh study build`: install the revisions of a study, and fetch the sources its tiers need."""

from __future__ import annotations

import argparse
import asyncio

from weigh.cli.study_flags import add_study, read
from weigh.cli.table import Column, render
from weigh.cli.terminal import say, seconds, size
from weigh.pipeline.study import build_study, plan_study

HELP = """Install every revision of a study, each into a venv of its own in weigh's cache, some at a time. What is
installed already stays. `weigh study run` does this too; build beforehand to see that it works."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study(parser)


def run(args: argparse.Namespace) -> int:
    asyncio.run(_run(args))
    return 0


async def _run(args: argparse.Namespace) -> None:
    plan = await plan_study(read(args))
    made = await build_study(plan, say)
    rows = [
        {
            "revision": revision.name,
            "id": revision.short,
            "packages": len(one.packages),
            "size": one.used,
            "seconds": one.seconds,
            "path": one.path,
        }
        for revision, one in zip(plan.revisions, made, strict=True)
    ]
    columns = [
        Column("revision", "revision"),
        Column("id", "is"),
        Column("packages", "packages", str, True),
        Column("size", "size", size, True),
        Column("seconds", "took", seconds, True),
        Column("path", "where"),
    ]
    print(render(columns, rows))
