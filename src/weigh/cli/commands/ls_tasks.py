"""`weigh ls tasks`: what can be run, without loading any data."""

from __future__ import annotations

import argparse
from fnmatch import fnmatch
from typing import Any

from weigh.cli.flags import UsageError, add_format, closest
from weigh.cli.table import Column, render
from weigh.cli.terminal import say
from weigh.cli.words import about, many
from weigh.define.registry import default

HELP = "Tasks that can be run: weigh's own, installed plug-ins', or those of a file."


MANY = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", nargs="?", help="only names that match, e.g. 'arc*'; or a file, e.g. ./my_bench.py")
    parser.add_argument("--all", action="store_true", help="also the members of large suites, one by one")
    add_format(parser)


def names(pattern: str | None) -> list[str]:
    """The names of tasks that a pattern lets through."""
    if pattern and pattern.endswith(".py"):
        registered = default.load_file(pattern)
        return [n for n in registered if n not in default.suite_names()]
    known = default.task_names()
    found = [n for n in known if not pattern or fnmatch(n, pattern) or n == pattern]
    if pattern and not found:
        raise UsageError(f"no task matches '{pattern}'{closest(pattern, known)}")
    return found


def families() -> dict[str, str]:
    """Suites of many tasks, by task: their members are shown as one line."""
    suites = [default.suite(name) for name in default.suite_names()]
    return {t: s.name for s in suites if len(s.tasks) >= MANY for t in s.tasks if isinstance(t, str)}


def row_of(name: str) -> dict[str, Any]:
    """One task as a row."""
    task = default.resolve(name)
    config = task.config
    return {
        "name": name,
        "asks": getattr(config.formatter, "capability", None),
        "metrics": [m.info().name for m in config.metrics],
        "variants": default.variant_names(name),
        "licence": config.licence,
        "description": about(task),
    }


def run(args: argparse.Namespace) -> int:
    found = names(args.pattern)
    folded = families() if args.format == "table" and not args.pattern and not args.all else {}
    rows = [row_of(name) for name in found if name not in folded]
    columns = [
        Column("name", "task"),
        Column("asks", "asks for"),
        Column("metrics", "metrics", ", ".join),
        Column("variants", "variants", ", ".join),
        Column("licence", "licence"),
        Column("description", "what"),
    ]
    shown = [c for c in columns if args.format != "table" or any(r[c.key] for r in rows)]
    print(render(shown, rows, args.format))
    if args.format == "table":
        say()
        for suite in sorted(set(folded.values())):
            say(f"and {many(list(folded.values()).count(suite), 'task')} of the suite {suite} (--all lists them)")
        say("every task also has the variants zero, Nshot (3shot), mc, rc, bpb, chat and completion where they fit;")
        say("weigh show TASK says what the model will see")
    return 0
