"""What a marker is: a named behaviour, and how one sees it in a trajectory. `weigh.score.markers` does the looking."""

from __future__ import annotations

import re

import msgspec

from weigh.records.errors import DefinitionError, suggest

PREFIX = "marker:"
"""In front of a marker's name where scores are named: `marker:cli`."""

SCOPES: dict[str, str] = {
    "commands": "shell commands that were run",
    "programs": "each program that a shell command runs, with its arguments, wherever in the line it is run",
    "code": "code written: contents of files written or edited, and inline code (python -c, here-documents)",
    "files": "paths of files read",
    "calls": "tool calls as attempted, unregistered ones included: the name, then the arguments as JSON",
    "results": "what tool calls gave back",
    "answer": "the final answer",
    "any": "all of these but `programs`",
}
"""Where a pattern is looked for."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


class MarkerSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A behaviour with a name. It needs either a pattern or a predicate.

    Attributes:
        name: Lower case, e.g. `cli`; the score's name is `marker:cli`.
        description: One line for people.
        scope: Where the pattern is looked for, one of `SCOPES`.
        pattern: A regular expression; `^` and `$` match at the lines of a text. `(?i)` in front ignores case.
        predicate: Instead: a function of the trajectory, `FILE.py:NAME`. It returns whether the marker fires; text or
            a list of texts says what it saw.
        lower_is_better: Whether it is a behaviour that one does not want; verdicts of comparisons go by it.
    """

    name: str
    description: str = ""
    scope: str = "any"
    pattern: str | None = None
    predicate: str | None = None
    lower_is_better: bool = False

    def __post_init__(self) -> None:
        where = f"marker {self.name!r}"
        if not _NAME.fullmatch(self.name):
            raise DefinitionError(
                f"{where}: a marker's name is lower-case letters, digits, '-', '_' and '.', e.g. 'read-example'"
            )
        if self.scope not in SCOPES:
            hint = suggest(self.scope, SCOPES)
            raise DefinitionError(f"{where}: there is no scope {self.scope!r}{hint} (there are: {', '.join(SCOPES)})")
        if (self.pattern is None) == (self.predicate is None):
            raise DefinitionError(f"{where}: give it either a pattern (a regular expression) or a predicate")
        if self.pattern == "":
            raise DefinitionError(f"{where}: the pattern is empty, so it would never fire")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise DefinitionError(f"{where}: the pattern {self.pattern!r} cannot be read: {error}") from None

    @property
    def scorer(self) -> str:
        """The key of its score in a trial."""
        return PREFIX + self.name
