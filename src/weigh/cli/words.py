"""Small pieces of text that several commands show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weigh.define.task import Task


def few(values: Sequence[str], most: int = 3) -> str:
    """The first of several names, and how many more there are."""
    return ", ".join(values[:most]) + (f" and {len(values) - most} more" if len(values) > most else "")


def many(number: int, word: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def about(task: Task) -> str:
    """A task in one line: its description, or the first line of its class's own docstring."""
    own = type(task).__dict__.get("__doc__") or ""
    return task.config.description or own.strip().split("\n")[0]
