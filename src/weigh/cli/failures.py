"""What a person is told when a command fails, and the exit code that goes with it."""

from __future__ import annotations

from weigh.cli.flags import UsageError
from weigh.cli.main import BUG
from weigh.records.errors import Failure, WeighError


def describe(error: Exception) -> tuple[str, int]:
    """The text for a person and the exit code. Only what is not foreseen mentions `--debug`."""
    if isinstance(error, UsageError):
        return str(error), 2
    if isinstance(error, WeighError):
        return str(error), error.exit_code
    if isinstance(error, Failure):
        return f"{error.error.kind}: {error.error.message}", 1
    name = type(error).__name__
    return f"a bug in weigh: {name}: {error} (--debug shows the traceback; please report it)", BUG
