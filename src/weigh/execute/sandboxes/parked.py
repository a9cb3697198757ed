"""A shell that has done what is slow already, and waits to become a command.

Entering a control group makes the kernel wait for all cores to come to rest, some 7 ms for each hierarchy. A sandbox
that is started ahead of need can have that behind it when its first command comes.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from weigh.records.errors import Error, Failure

_LONGEST = 60_000
"""Bytes of a command line: less than a pipe takes at once, so that handing it over never waits."""


class Parked:
    """A waiting shell; Linux. It reads its command from its standard input, and ends when whoever made it is gone.

    Attributes:
        files: Descriptors that the command will have under the same numbers, empty files in memory until filled.
    """

    def __init__(self, prelude: str, folder: Path, *, env: Mapping[str, str], files: int) -> None:
        """
        Args:
            prelude: What the shell does first, as shell text.
            folder: Where a file for the command's standard input may be made.
            env: All variables of the shell and the command.
            files: How many files the command needs besides its standard ones.

        Raises:
            Failure: Kind `sandbox`, when no process can be started.
        """
        self.files = [os.memfd_create("parked") for _ in range(files)]
        self._stdin = folder / "stdin"
        reader, self._writer = os.pipe()
        try:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", f"{prelude}; . /dev/fd/0"],
                stdin=reader,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(env),
                cwd="/",
                start_new_session=True,
                pass_fds=self.files,
            )
        except OSError as error:
            os.close(self._writer)
            self._close_files()
            message = f"cannot start /bin/sh: {error.strerror or error}"
            raise Failure(Error(kind="sandbox", code="start", message=message, transient=True)) from None
        finally:
            os.close(reader)

    def takes(self, argv: Sequence[str]) -> bool:
        """Whether a command line is short enough."""
        return len(_quoted(argv)) < _LONGEST

    def become(self, argv: Sequence[str], stdin: bytes, contents: Sequence[bytes]) -> subprocess.Popen[bytes]:
        """Become a command, with the content of its standard input and of its files.

        Returns:
            The process, which is the caller's to wait for.
        """
        for descriptor, data in zip(self.files, contents, strict=True):
            os.write(descriptor, data)
            os.lseek(descriptor, 0, os.SEEK_SET)  # shared with the child
        if stdin:
            self._stdin.write_bytes(stdin)
        source = str(self._stdin) if stdin else os.devnull
        try:
            os.write(self._writer, b"exec %s <%s\n" % (_quoted(argv), _quoted([source])))
        except BrokenPipeError:
            pass  # it is dead, and its exit code says so
        os.close(self._writer)
        self._close_files()
        return self.process

    def close(self) -> None:
        """End it unused."""
        os.close(self._writer)
        self._close_files()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _close_files(self) -> None:
        for descriptor in self.files:
            os.close(descriptor)


def _quoted(argv: Sequence[str]) -> bytes:
    """A command line as a shell reads it."""
    return shlex.join(argv).encode("utf-8", "surrogateescape")
