"""`weigh ls providers`: where tokens can come from, and what is missing to use each."""

from __future__ import annotations

import argparse

from weigh.cli.flags import add_format
from weigh.cli.table import Column, render
from weigh.execute.providers.registry import list_providers

HELP = "Where tokens can come from: what stands before the slash in -m, and what is missing to use it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    columns = [
        Column("name", "provider"),
        Column("ready", "ready"),
        Column("summary", "what"),
        Column("example", "for example -m"),
        Column("missing", "missing"),
    ]
    rows = [
        {"name": p.name, "ready": "yes" if p.available else "no", "summary": p.summary, "example": p.example,
         "missing": p.missing}
        for p in list_providers()
    ]  # fmt: skip
    print(render(columns, rows, args.format))
    return 0
