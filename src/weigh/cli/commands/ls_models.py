"""`weigh ls models`: the models weigh knows by name, and which of them are on this machine."""

from __future__ import annotations

import argparse

from weigh.cli.flags import add_format
from weigh.cli.table import Column, render
from weigh.cli.terminal import say, size
from weigh.execute.models import cache_dir, describe

HELP = "Known local models: name, size, licence, and whether they are on this machine."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    columns = [
        Column("name", "model"),
        Column("aliases", "also called", ", ".join),
        Column("bytes", "size", size, True),
        Column("here", "here"),
        Column("licence", "licence"),
        Column("description", "what"),
    ]
    if args.format in ("json", "csv"):
        columns += [Column("sha256", "sha256"), Column("path", "path"), Column("note", "note")]
    rows = [row | {"here": "yes" if row["path"] else "no"} for row in describe()]
    print(render(columns, rows, args.format))
    if args.format == "table":
        say(f"\nkept in {cache_dir()}; use one as -m llamacpp/NAME, or any GGUF file by path or URL;")
        say("other places for models: weigh ls providers")
    return 0
