"""`weigh models rm`: free the space of downloaded models."""

from __future__ import annotations

import argparse

from weigh.cli.terminal import size
from weigh.execute.models import remove

HELP = "Remove downloaded models from this machine."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="+", help="a known model's name")


def run(args: argparse.Namespace) -> int:
    for name in args.name:
        freed = remove(name)
        print(f"{name}: {size(freed)} freed" if freed else f"{name}: was not here")
    return 0
