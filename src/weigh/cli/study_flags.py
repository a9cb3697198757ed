"""Flags that the commands of a study share, and how they become changes of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from weigh.cli.flags import UsageError, closest
from weigh.cli.numbers import positive
from weigh.cli.terminal import say
from weigh.define.study import Study, read_study
from weigh.pipeline.study import StudyChanges, StudyPlan

NAMES = ("study.yaml", "study.yml", "study.toml")


def add_study(parser: argparse.ArgumentParser) -> None:
    """The study file."""
    parser.add_argument(
        "study", nargs="?", default=None, metavar="STUDY",
        help="the study file, or a folder with a study.yaml (default: this one)",
    )  # fmt: skip


def add_part(parser: argparse.ArgumentParser) -> None:
    """What of the study, and how."""
    part = parser.add_argument_group("what of the study")
    part.add_argument(
        "-t", "--task", action="append", default=[], metavar="NAME",
        help="only this task, by name or glob; repeatable, or a comma list",
    )  # fmt: skip
    part.add_argument(
        "--only", action="append", default=[], metavar="AXIS=VALUE",
        help="only arms that match, e.g. tier=bare,model=qwen*; repeatable: any of them",
    )  # fmt: skip
    part.add_argument(
        "-k", "--epochs", type=positive, metavar="N", help="try each task N times, instead of the study's own"
    )
    how = parser.add_argument_group("how")
    how.add_argument("--sandbox", metavar="MODE", help="where commands run; `local` gives no protection at all")
    how.add_argument(
        "-o", "--option", action="append", default=[], metavar="KEY=VALUE",
        help="change one setting of every agent's harness, e.g. limits.seconds=60; repeatable",
    )  # fmt: skip
    how.add_argument(
        "--replay", nargs="?", const="", default=None, metavar="RUN[::HOW]",
        help="answer from the recordings of a run of this study (default: its newest) instead of asking models; "
        "::match=sequence where prompts hold something volatile. What comes of it goes to a store of its own, "
        "STORE-replay. Record a run with -o record=true",
    )  # fmt: skip
    how.add_argument("--concurrency", type=positive, metavar="N", help="trials in flight (default: the provider's own)")
    how.add_argument("--store", metavar="DIR", default=None, help="where runs are kept (default: as the study says)")
    how.add_argument("--force", action="store_true", help="run again what is done")


def study_file(given: str | None) -> Path:
    """The study file that was meant. Raises `UsageError` when there is none."""
    path = Path(given or ".")
    if not path.is_dir():
        return path
    for name in NAMES:
        if (path / name).is_file():
            return path / name
    near = [p.name for p in path.iterdir() if p.suffix in (".yaml", ".yml", ".toml")]
    hint = closest("study.yaml", near) or " (weigh study new NAME writes one)"
    raise UsageError(f"there is no study.yaml in {path.resolve()}{hint}")


def read(args: argparse.Namespace) -> Study:
    """The study that the flags name."""
    return read_study(study_file(args.study))


def changes_of(args: argparse.Namespace, *, dry_run: bool = False) -> StudyChanges:
    """What the flags ask differently from the study file."""
    if args.sandbox == "local":
        say("warning: --sandbox local protects nothing: agents run as you, and can read and change what you can")
    return StudyChanges(
        tasks=tuple(name for text in args.task for name in text.split(",") if name),
        only=tuple(args.only),
        epochs=args.epochs,
        overrides=tuple(args.option),
        sandbox=args.sandbox,
        concurrency=args.concurrency,
        replay=args.replay,
        store=args.store,
        dry_run=dry_run,
        force=args.force,
        allow_errors=getattr(args, "allow_errors", 0),
        max_seconds=getattr(args, "max_seconds", None),
        max_tokens_total=getattr(args, "max_total_tokens", None),
        max_dollars=getattr(args, "max_dollars", None),
        command=("weigh", *sys.argv[1:]),
    )


def short_task(plan: StudyPlan, name: str) -> str:
    """A task as the profile calls it."""
    return name.removeprefix(f"{plan.profile.name}.")
