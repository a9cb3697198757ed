"""`weigh judge check FILE`: how far a judge agrees with people, and with itself."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from weigh.cli.commands.results import level as share
from weigh.cli.flags import add_format
from weigh.cli.numbers import positive
from weigh.cli.table import Column, render
from weigh.cli.words import many
from weigh.define.data import DataLoader, DataSource
from weigh.define.harness import load_harness
from weigh.define.registry import resolve
from weigh.pipeline.helpers import Helpers
from weigh.pipeline.judge_check import JudgeCheck, check_judge
from weigh.protocols import Scorer
from weigh.records.errors import DataError, DefinitionError
from weigh.score.registry import scorer_by_name

HELP = """Compare a judge with human labels: agreement, Cohen's kappa with its interval, who said what, and for pairs
the position bias. FILE holds rows with `human` and either `question`, `answer`, `gold` or `question`, `first`,
`second`; with the judge's verdicts in it (`judge`, for pairs also `swapped`) nobody is asked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="labelled answers: .jsonl, .json, .csv, .parquet ...")
    parser.add_argument(
        "-t", "--task", metavar="TASK",
        help="check the judge of this task (its template and grades); a name or FILE.py:NAME",
    )  # fmt: skip
    parser.add_argument("--scorer", metavar="NAME", help="check this scorer: judge, pairwise, or one of the task's")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first rows")
    parser.add_argument("--level", type=share, default=0.95, help="of the interval (default 0.95)")
    parser.add_argument("--harness", default="default", metavar="NAME", help="a preset or file that names the judge")
    parser.add_argument(
        "-o", "--option", action="append", default=[], metavar="KEY=VALUE",
        help="change one setting of the harness, e.g. helpers.judge=openai/gpt-4o-mini",
    )  # fmt: skip
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    rows = read_rows(args.file, args.limit)
    scorer = find_scorer(args.task, args.scorer, pairs=bool(rows) and "first" in rows[0])
    harness = load_harness(args.harness, args.option)

    async def check() -> JudgeCheck:
        helpers = await Helpers.plan(harness.helpers, retries=harness.retries)
        return await check_judge(rows, scorer, helpers, level=args.level)

    found = asyncio.run(check())
    if args.format == "json":
        print(json.dumps(msgspec.to_builtins(found), indent=1, ensure_ascii=False))
    else:
        print("\n".join(lines(found, args.format, args.level)))
    return 1 if found.failed else 0


def read_rows(file: Path, limit: int | None) -> list[dict[str, Any]]:
    """The rows of a file of labels."""
    if not file.is_file():
        raise DataError(f"{file} does not exist")
    rows = [dict(row) for row in DataLoader().load(DataSource(path=str(file.resolve())))]
    return rows[:limit]


def find_scorer(task: str | None, name: str | None, *, pairs: bool) -> Scorer:
    """The judge to check: the task's (the one named, else its first), or a scorer of its own."""
    if task is None:
        return scorer_by_name(name or ("pairwise" if pairs else "judge"))
    metrics = [m.resolve(scorer_by_name) for m in resolve(task).config.metrics]
    judges: dict[str, Scorer] = {m.scorer_name: m.scorer for m in metrics if getattr(m.scorer, "roles", ())}
    if not judges:
        raise DefinitionError(f"task {task!r} has no judge")
    if name is not None and name not in judges:
        raise DefinitionError(f"task {task!r} has no judge {name!r}; it has {', '.join(judges)}")
    return judges[name] if name is not None else next(iter(judges.values()))


def lines(found: JudgeCheck, format: str, level: float) -> Iterator[str]:
    """What was found, for people."""
    kappa = found.kappa
    failed = f", {found.failed} of them failed and are in no number" if found.failed else ""
    yield f"judge      {found.judge}"
    yield f"rows       {found.rows}{failed}"
    if kappa.agreement is not None:
        yield f"agreement  {kappa.agreement:.1%} of {kappa.n}; {kappa.expected:.1%} would agree by chance"
    if kappa.kappa is not None:
        span = f"{level:.0%} interval {kappa.low:.2f} to {kappa.high:.2f}"
        yield f"kappa      {kappa.kappa:.2f} ± {kappa.se:.2f}, {span}"
    if kappa.note:
        yield f"           {kappa.note}"
    if found.disagreement is not None:
        yield f"panel      {found.disagreement:.1%} of the votes were against the majority"
    if found.bias is not None:
        bias = found.bias
        word = "position bias" if bias.biased else "no position bias shown"
        yield f"position   {bias.consistent} of {many(bias.n, 'pair')} consistent; {bias.reason}: {word}"
    yield ""
    columns = [Column("human", "human \\ judge"), *(Column(label, label, str, True) for label in found.labels)]
    rows = [{"human": human, **counts} for human, counts in found.confusion.items()]
    yield render(columns, rows, "md" if format == "md" else "csv" if format == "csv" else "table")
    for error in found.errors:
        yield f"failed: {error}"
