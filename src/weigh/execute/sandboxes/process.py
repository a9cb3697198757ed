"""Runs one command and comes back in time, whatever the command does.

The deadline covers the whole process group and also a command that says nothing. Both pipes are drained to the end and
only their beginning and end are kept, so a command that prints a gigabyte costs no memory and never blocks on a full
pipe. When the command ends, what it left running is killed; no zombie stays.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

import msgspec

from weigh.records.errors import Error, Failure

_CHUNK = 1 << 18
_GRACE = 1.0  # seconds to wait for the pipes of a process that has already ended
_FIRST_LOOK = 0.05  # seconds before a watch looks for the first time


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended.

    Attributes:
        returncode: As `subprocess` gives it: negative for a signal.
        stdout, stderr: What was kept of them.
        truncated: Whether something was left out.
        limit: `deadline`, what the watch said, or None when it ended by itself.
        seconds: Wall time.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    limit: str | None
    seconds: float


async def run_process(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdin: bytes = b"",
    timeout: float | None = None,
    output_limit: int = 1_000_000,
    pass_fds: Sequence[int] = (),
    on_output: Callable[[bytes], None] | None = None,
    watch: Callable[[], str | None] | None = None,
    sweep: Callable[[], None] | None = None,
) -> Ended:
    """Run a command in its own process group, to its end. Linux and macOS.

    Args:
        argv: The command.
        env: All of its environment.
        stdin: What it reads.
        timeout: Seconds until its group is killed; None waits for ever.
        output_limit: Bytes kept of each stream.
        pass_fds: Descriptors it inherits.
        on_output: Given all of its standard output, piece by piece as it comes, also what is not kept.
        watch: Called every now and then; a text it returns is the limit for which the command is killed.
        sweep: Called when the command has ended or been killed, to end what left its group.

    Raises:
        Failure: Kind `sandbox`, when the command cannot be started at all.
    """
    began = time.perf_counter()
    with _as_file(stdin) as source:
        try:
            # Not asyncio's own: it starts a thread for each child here, and one reader protocol for each pipe.
            process = subprocess.Popen(  # noqa: ASYNC220 - returns as soon as the child has called exec
                list(argv),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
        except OSError as error:
            message = f"cannot start {argv[0]!r}: {error.strerror or error}"
            raise Failure(Error(kind="sandbox", code="start", message=message, transient=True)) from None
    return await finish_process(
        process, began, timeout=timeout, output_limit=output_limit, on_output=on_output, watch=watch, sweep=sweep
    )


async def finish_process(
    process: subprocess.Popen[bytes],
    began: float,
    *,
    timeout: float | None = None,
    output_limit: int = 1_000_000,
    on_output: Callable[[bytes], None] | None = None,
    watch: Callable[[], str | None] | None = None,
    sweep: Callable[[], None] | None = None,
) -> Ended:
    """See a process that was started, in a group of its own and with pipes, to its end; arguments as `run_process`.

    Args:
        began: When it was started, by `time.perf_counter`.
    """
    loop = asyncio.get_running_loop()
    assert process.stdout is not None and process.stderr is not None
    out, err = _Drain(loop, process.stdout, output_limit, on_output), _Drain(loop, process.stderr, output_limit)
    guard = _Guard(loop, process, timeout, watch)
    try:
        await _exited(loop, process)
        # Still a zombie, so its group's number cannot belong to anybody else yet.
        _kill_group(process.pid)
        process.wait()
        if sweep:
            sweep()
        await asyncio.wait({out.done, err.done}, timeout=_GRACE)
    finally:
        guard.stop()
        if process.returncode is None:  # cancelled
            _kill_group(process.pid)
            process.wait()
            if sweep:
                sweep()
        out.close()
        err.close()
    return Ended(
        returncode=process.returncode,
        stdout=out.kept(),
        stderr=err.kept(),
        truncated=out.dropped > 0 or err.dropped > 0,
        limit=guard.limit,
        seconds=time.perf_counter() - began,
    )


class _Drain:
    """Reads a pipe to its end, keeping the first and the last half of the limit."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pipe: IO[bytes],
        limit: int,
        tell: Callable[[bytes], None] | None = None,
    ) -> None:
        self._loop, self._pipe, self._half, self._tell = loop, pipe, max(1, limit // 2), tell
        self._head, self._tail = bytearray(), bytearray()
        self.dropped = 0
        self.done: asyncio.Future[None] = loop.create_future()
        os.set_blocking(pipe.fileno(), False)
        loop.add_reader(pipe.fileno(), self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if self._tell is not None:
            self._tell(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > self._half + _CHUNK:
            self._trim()

    def _trim(self) -> None:
        extra = len(self._tail) - self._half
        if extra > 0:
            self.dropped += extra
            del self._tail[:extra]

    def close(self) -> None:
        if not self.done.done():
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self.done.set_result(None)

    def kept(self) -> bytes:
        self._trim()
        if not self.dropped:
            return bytes(self._head + self._tail)
        return bytes(self._head) + b"\n[... %d bytes left out ...]\n" % self.dropped + bytes(self._tail)


class _Guard:
    """Kills the group at the deadline, or as soon as the watch finds a reason."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        process: subprocess.Popen[bytes],
        timeout: float | None,
        watch: Callable[[], str | None] | None,
    ) -> None:
        self._loop, self._process, self._watch = loop, process, watch
        self.limit: str | None = None
        self._deadline = loop.call_later(timeout, self._kill, "deadline") if timeout is not None else None
        self._look = loop.call_later(_FIRST_LOOK, self._looking) if watch else None

    def _looking(self) -> None:
        assert self._watch is not None
        began = time.perf_counter()
        reason = self._watch()
        if reason:
            self._kill(reason)
            return
        # Looking takes at most a tenth of the time.
        self._look = self._loop.call_later(max(_FIRST_LOOK, 9 * (time.perf_counter() - began)), self._looking)

    def _kill(self, reason: str) -> None:
        if self._process.returncode is None:
            self.limit = self.limit or reason
            _kill_group(self._process.pid)

    def stop(self) -> None:
        for timer in (self._deadline, self._look):
            if timer is not None:
                timer.cancel()


async def _exited(loop: asyncio.AbstractEventLoop, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process is a zombie; it is not reaped yet."""
    if not hasattr(os, "pidfd_open"):  # not Linux: look, with growing pauses
        pause = 0.001
        look = os.WEXITED | os.WNOWAIT | os.WNOHANG
        while os.waitid(os.P_PID, process.pid, look) is None:  # noqa: ASYNC222 - returns at once
            await asyncio.sleep(pause)
            pause = min(0.05, pause * 1.5)
        return
    descriptor = os.pidfd_open(process.pid)
    gone = loop.create_future()

    def ended() -> None:
        if not gone.done():
            gone.set_result(None)

    loop.add_reader(descriptor, ended)
    try:
        await gone
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _as_file(data: bytes) -> IO[bytes]:
    """Standard input as a file: nothing has to be fed while the command runs."""
    if not data:
        return open(os.devnull, "rb")  # noqa: PTH123
    file: IO[bytes]
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("stdin"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(data)
    file.seek(0)
    return file
