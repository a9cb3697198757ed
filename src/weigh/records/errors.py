"""Failures as values, and the one exception a user may meet.

A failure has a kind. The kind decides whether it is tried again now, run again next time, and how it is counted when
a run says on its last line what went wrong. `WeighError` is for mistakes that stop a command: it carries a sentence or
two that say what is wrong, where, and what to do, and the command line prints nothing else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

import msgspec

ErrorKind = Literal["provider", "limit", "sandbox", "scorer", "judge", "agent", "task", "internal", "empty"]
"""Where a failure arose. `limit` is a limit of the provider (context length, quota), not one the harness sets;
`empty` is a trial that produced nothing at all."""


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an attempt, a trial or a score failed.

    Attributes:
        kind: Where it arose.
        message: One or two lines for a person.
        code: A short machine-readable reason, e.g. `http_429`, `context_length`, `connection`, `nan`.
        transient: Whether the same call may pass when it is made again.
        retry_after: Seconds the other side asked to wait, if it did.
        detail: More for a bug report (a traceback, the start of a body); never shown unasked.
    """

    kind: ErrorKind
    message: str
    code: str | None = None
    transient: bool = False
    retry_after: float | None = None
    detail: str | None = None


class WeighError(Exception):
    """A mistake a user can mend. Its text is complete: what is wrong, where, what to do.

    Attributes:
        exit_code: What the command line exits with (2: usage or definition error).
    """

    exit_code = 2


class DefinitionError(WeighError):
    """A task, suite, harness or study is defined wrongly, or a name in a spec is unknown."""


class DataError(WeighError):
    """A data source cannot be read, or a row lacks what a task asks of it."""


class CapabilityError(WeighError):
    """What was asked needs something that the provider, sandbox or machine does not have."""


class StoreError(WeighError):
    """The store cannot be read or written (a full disk, a run that is not there)."""


class BudgetExhausted(WeighError):
    """A run budget (time, tokens, dollars) is spent; what is done is kept."""


def placed(error: WeighError, where: str) -> WeighError:
    """The same error with the place in front of every line: `study.yaml: models[1]: there is no provider ...`."""
    return type(error)("\n".join(f"{where}: {line}" for line in str(error).splitlines()))


class Failure(Exception):
    """Carries an `Error` value out of a provider, sandbox, scorer or judge to the pool, which records it.

    Adapters translate their own library's exceptions into this one; anything else that escapes them is `internal`.
    """

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


def suggest(name: str, valid: Iterable[str], *, limit: int = 3) -> str:
    """Return a clause with the closest valid names, e.g. `; did you mean 'sciq' or 'scitail'?`, or an empty string."""
    close = difflib.get_close_matches(name, list(valid), n=limit, cutoff=0.5)
    if not close:
        return ""
    return "; did you mean " + " or ".join(repr(c) for c in close) + "?"
