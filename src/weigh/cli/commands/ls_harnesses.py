"""`weigh ls harnesses`: harness presets."""

from __future__ import annotations

import argparse

import msgspec

from weigh.cli.flags import add_format
from weigh.cli.table import Column, render
from weigh.define.harness import PRESETS

HELP = (
    "Harness presets: how tasks can be run (--harness NAME; -o KEY=VALUE changes one setting; weigh show harness NAME)."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    columns = [
        Column("name", "harness"),
        Column("scaffold", "scaffold"),
        Column("sandbox", "sandbox"),
        Column("tools", "tools", ", ".join),
        Column("limits", "limits"),
    ]
    rows = [
        {
            "name": name,
            "scaffold": h.scaffold,
            "sandbox": h.sandbox,
            "tools": list(h.tools),
            "limits": ", ".join(f"{k}={v:g}" for k, v in msgspec.to_builtins(h.limits).items()) or None,
        }
        for name, h in PRESETS.items()
    ]
    print(render(columns, rows, args.format))
    return 0
