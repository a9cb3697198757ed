"""A sandbox in memory: a fake for tests of one's own scorers, tools and scaffolds. Nothing runs.

Commands are answered from a script: a mapping from the command line to a result, or a function. Files are kept in a
dictionary. Everything that was asked for is written down.

    sandbox = MemorySandbox(answers={"ls": "a.txt\\n", "false": ExecResult(exit_code=1)})
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence

from weigh.execute.sandboxes.folder import inside, refused
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import ExecResult
from weigh.records.errors import Error, Failure

Answer = str | ExecResult


class MemorySandbox:
    """See `weigh.protocols.Sandbox`.

    Args:
        spec: Kept for those who look at it.
        answers: By command line (as a shell would write it); a text is the standard output of a success. Or a function
            of the command and its standard input, which may also raise `Failure`. What has no answer ends with 127.

    Attributes:
        files: Path below the workspace -> content.
        commands: Every command that was run.
        opened, closed: How often it was entered and left.
    """

    mode = "memory"

    def __init__(
        self,
        spec: SandboxSpec | None = None,
        *,
        answers: Mapping[str, Answer] | Callable[[Sequence[str], bytes], Answer] | None = None,
    ) -> None:
        self.spec = spec or SandboxSpec(mode="memory")
        self._answers = answers if answers is not None else {"true": ""}
        self.files: dict[str, bytes] = {}
        self.commands: list[list[str]] = []
        self.opened = self.closed = 0

    async def __aenter__(self) -> MemorySandbox:
        self.opened += 1
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.closed += 1
        self.files.clear()

    async def exec(
        self,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        output_limit: int = 1_000_000,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ExecResult:
        if self.opened == self.closed:
            raise Failure(Error(kind="sandbox", code="closed", message="the sandbox is closed"))
        self.commands.append(list(command))
        if callable(self._answers):
            answer = self._answers(command, stdin)
        else:
            missing = ExecResult(exit_code=127, stderr=f"{command[0]}: not found\n")
            answer = self._answers.get(shlex.join(command), missing)
        ended = ExecResult(exit_code=0, stdout=answer) if isinstance(answer, str) else answer
        if on_output is not None:
            on_output(ended.stdout.encode())
        return ended

    async def write_file(self, path: str, data: bytes) -> None:
        self.files[str(inside(path))] = data

    async def read_file(self, path: str, *, limit: int = 10_000_000) -> bytes:
        name = str(inside(path))
        if name not in self.files:
            message = f"there is no file {path!r} in the workspace"
            raise Failure(Error(kind="sandbox", code="no_file", message=message))
        if len(self.files[name]) > limit:
            raise refused(path, f"is larger than {limit} bytes")
        return self.files[name]
