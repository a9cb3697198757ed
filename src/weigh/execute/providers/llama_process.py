"""The parent's side of `llama_host`: starts it, sends commands, keeps the end of what it prints, always stops it.

That the host has died is known when its output ends, and only then: the operating system closes a dying process's
connections one after another, and tells its exit status last of all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque

import msgspec

from weigh.execute.providers.llama_host import Command, Config, Reply
from weigh.records.errors import Error, ErrorKind, Failure

LOG_LINES = 200
STOP_SECONDS = 3.0
HANG_SECONDS = 60.0


class LlamaProcess:
    """One host process. Used as an asynchronous context manager.

    Args:
        config: What the host is started with.
    """

    def __init__(self, config: Config) -> None:
        self._config = msgspec.structs.replace(config, parent=os.getpid())
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._next = 0
        self._process: Process | None = None
        self._ended = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> LlamaProcess:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "weigh.execute.providers.llama_host",
            msgspec.json.encode(self._config).decode(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=1 << 26,
        )
        self._tasks = [asyncio.create_task(self._read(self._process)), asyncio.create_task(self._drain(self._process))]
        return self

    async def __aexit__(self, *exc: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def alive(self) -> bool:
        """Whether the host runs, as far as is known; `has_died` finds out."""
        return self._process is not None and not self._ended and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """Of the host, while it runs."""
        return self._process.pid if self._process else None

    def log(self, lines: int = 20) -> str:
        """The end of what llama.cpp printed."""
        return "\n".join(list(self._log)[-lines:])

    async def ask(self, op: str, **fields: object) -> Reply:
        """Send a command and wait for its reply.

        Raises:
            Failure: The process died (transient: the caller may start another), or it answered with an error.
        """
        process = self._process
        if process is None or process.stdin is None or not self.alive:
            raise self._died()
        self._next += 1
        number = self._next
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        command = msgspec.convert({"op": op, "id": number, **fields}, Command)
        try:
            # A broken pipe comes of a host that is just dying. The end of its output, which follows, fails the future.
            with contextlib.suppress(OSError):
                process.stdin.write(msgspec.json.encode(command) + b"\n")
                await process.stdin.drain()
            reply = await future
        finally:
            self._waiting.pop(number, None)
        if reply.code:
            kind: ErrorKind = "limit" if reply.code == "context_length" else "provider"
            raise Failure(Error(kind=kind, code=reply.code, message=f"llama.cpp: {reply.error}", detail=self.log()))
        return reply

    async def has_died(self) -> bool:
        """Find out whether the host has died; to be asked when a connection to its server broke.

        A host that neither answers nor ends is killed.
        """
        try:
            async with asyncio.timeout(HANG_SECONDS):
                await self.ask("ping")
        except TimeoutError:
            if self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
            return True
        except Failure:
            return True
        return False

    def _died(self) -> Failure:
        return Failure(
            Error(
                kind="provider",
                code="connection",
                message="the llama.cpp process has ended; its last words are in the detail",
                transient=True,
                detail=self.log(),
            )
        )

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        decode = msgspec.json.Decoder(Reply).decode
        try:
            while (line := await process.stdout.readline()).endswith(b"\n"):  # a line without is all that was written
                reply = decode(line)
                future = self._waiting.get(reply.id)
                if future is not None and not future.done():
                    future.set_result(reply)
            await process.wait()
        finally:
            self._end()

    def _end(self) -> None:
        self._ended = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._died())

    async def _drain(self, process: Process) -> None:
        assert process.stderr is not None
        while piece := await process.stderr.read(1 << 14):
            self._log.extend(line[:500] for line in piece.decode(errors="replace").splitlines() if line.strip())
