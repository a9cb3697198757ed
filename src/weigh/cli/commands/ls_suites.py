"""`weigh ls suites`: suites and what is in them."""

from __future__ import annotations

import argparse
from fnmatch import fnmatch

from weigh.cli.flags import UsageError, add_format, closest
from weigh.cli.table import Column, render
from weigh.cli.words import few
from weigh.define.registry import default

HELP = "Suites of tasks: their members and how their scores become one."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", nargs="?", help="only names that match; or a file, e.g. ./my_bench.py")
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    known = default.suite_names()
    if args.pattern and args.pattern.endswith(".py"):
        registered = default.load_file(args.pattern)
        found = [n for n in default.suite_names() if n in registered]
    else:
        found = [n for n in known if not args.pattern or fnmatch(n, args.pattern)]
        if args.pattern and not found:
            raise UsageError(f"no suite matches '{args.pattern}'{closest(args.pattern, known)}")
    suites = [default.suite(name) for name in found]
    rows = [
        {
            "name": s.name,
            "tasks": [t if isinstance(t, str) else t.name for t in s.tasks],
            "aggregation": s.aggregation,
            "description": s.description,
        }
        for s in suites
    ]
    columns = [
        Column("name", "suite"),
        Column("tasks", "members", lambda names: few(names, 6)),
        Column("aggregation", "aggregation"),
        Column("description", "what"),
    ]
    print(render(columns, rows, args.format))
    return 0
