"""What the model left behind: files and the outcome of a command, in the trial's own sandbox while it lives.

The sandbox is gone when the trial is over, so these scores cannot be made again from what is stored: editing such a
scorer runs the trial again, and `weigh rescore` leaves them as they are.
"""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from weigh.protocols import Sandbox, ScoreContext
from weigh.records.bounds import Positive, check_bound
from weigh.records.errors import DefinitionError, Error, Failure
from weigh.records.score import Score
from weigh.score.base import BaseScorer, scorer_error
from weigh.score.pattern import check_pattern

_NO_FILE = ("no_file", "path")
"""Codes of a failure to read that say something about the file, not about the sandbox."""


class LiveScorer(BaseScorer, frozen=True, kw_only=True):
    """Base of scorers that look at the trial's own sandbox.

    Attributes:
        live: Tells the pipeline that the score cannot be made from what is stored.
    """

    live: ClassVar[bool] = True
    timeout: ClassVar[float | None] = 600.0


class FileExpected(msgspec.Struct, frozen=True, kw_only=True):
    """How a file should be at the end. All that is given has to hold.

    Attributes:
        path: Below the workspace.
        exists: Whether it should be there.
        equals: Its text, white space at the ends aside.
        contains: A part of its text.
        matches: A regular expression found in its text.
    """

    path: str
    exists: bool = True
    equals: str | None = None
    contains: str | None = None
    matches: str | None = None

    def __post_init__(self) -> None:
        check_pattern(self.matches, f"file {self.path!r}: matches")
        if self.contains == "":
            raise DefinitionError(f"file {self.path!r}: contains: it is empty, and every text has an empty part")


class FilesScorer(LiveScorer, frozen=True, kw_only=True):
    """1 if every file is as expected. Metadata: what is wrong with each that is not.

    Attributes:
        files: What is expected; when empty, each question's own `inputs["files_expected"]`, a list of such mappings.
        partial: Give the share of files that are as expected instead.
    """

    name: str = "files"
    files: tuple[FileExpected, ...] = ()
    partial: bool = False

    async def score(self, context: ScoreContext) -> Score:
        sandbox = _live(context, self.name)
        files = self._expected(context)
        problems = {f.path: problem for f in files if (problem := await _look(sandbox, f)) is not None}
        right = len(files) - len(problems)
        told = "; ".join(f"{path} {problem}" for path, problem in problems.items())
        return Score(
            value=right / len(files) if self.partial else float(not problems),
            explanation=told or f"all {len(files)} files are as expected",
            metadata={"problems": problems},
        )

    def _expected(self, context: ScoreContext) -> tuple[FileExpected, ...]:
        own = self.files or context.instance.inputs.get("files_expected")
        if not own:
            raise scorer_error(f"{self.name}: neither the scorer nor inputs['files_expected'] says what is expected")
        try:
            return msgspec.convert(own, tuple[FileExpected, ...])
        except (msgspec.ValidationError, DefinitionError) as error:
            raise scorer_error(f"{self.name}: inputs['files_expected']: {error}", code="bad_files") from None


class CommandScorer(LiveScorer, frozen=True, kw_only=True):
    """1 if a command ends in the sandbox as it should.

    Attributes:
        command: What to run; when empty, each question's own `inputs["check"]` (a list, or a text for `sh -c`).
        files: Written into the workspace before, e.g. tests the model was not shown: path -> text.
        exit_code: How it has to end.
        stdout: A regular expression that its output has to match, if given.
        seconds: Its deadline; being late is no match.
    """

    name: str = "command"
    command: tuple[str, ...] = ()
    files: dict[str, str] = {}
    exit_code: int = 0
    stdout: str | None = None
    seconds: float = 60.0

    def __post_init__(self) -> None:
        check_pattern(self.stdout, f"{self.name}: stdout")
        check_bound(self.seconds, Positive, f"{self.name}: seconds")

    async def score(self, context: ScoreContext) -> Score:
        sandbox = _live(context, self.name)
        own = self.command or context.instance.inputs.get("check")
        if not own:
            raise scorer_error(f"{self.name}: neither the scorer nor inputs['check'] says what to run")
        command = ["sh", "-c", own] if isinstance(own, str) else [str(part) for part in own]
        for path, text in self.files.items():
            await sandbox.write_file(path, text.encode())
        ended = await sandbox.exec(command, timeout=self.seconds)
        if ended.exit_code == 127 and command[0] not in ("sh", "bash"):
            message = f"{self.name}: {command[0]!r} is not in the sandbox"
            raise Failure(Error(kind="scorer", code="no_command", message=message, detail=ended.stderr[-2000:]))
        said = self.stdout is None or re.search(self.stdout, ended.stdout) is not None
        right = ended.exit_code == self.exit_code and said
        how = ended.limit or ("killed" if ended.exit_code is None else f"exit code {ended.exit_code}")
        return Score(
            value=float(right),
            explanation=f"{how}" + ("" if said else f", and the output does not match {self.stdout!r}"),
            metadata={"exit_code": ended.exit_code, "seconds": round(ended.seconds, 3), "stdout": ended.stdout[-2000:],
                      "stderr": ended.stderr[-2000:]},
        )  # fmt: skip


def _live(context: ScoreContext, name: str) -> Sandbox:
    if context.sandbox is None:
        raise scorer_error(
            f"{name} looks at the trial's sandbox, and there is none (any more); it needs a harness whose tools or "
            "scaffold work in one, such as --harness coder",
            code="not_live",
        )
    return context.sandbox


async def _look(sandbox: Sandbox, expected: FileExpected) -> str | None:
    """What is wrong with a file; None when it is as expected."""
    try:
        text = (await sandbox.read_file(expected.path)).decode(errors="replace")
    except Failure as failure:
        if failure.error.code not in _NO_FILE:
            raise
        missing = failure.error.code == "no_file"
        return None if missing and not expected.exists else "is missing" if missing else failure.error.message
    if not expected.exists:
        return "is there"
    if expected.equals is not None and text.strip() != expected.equals.strip():
        return f"is {text.strip()[:80]!r}"
    if expected.contains is not None and expected.contains not in text:
        return f"does not contain {expected.contains[:80]!r}"
    if expected.matches is not None and re.search(expected.matches, text) is None:
        return f"does not match {expected.matches!r}"
    return None
