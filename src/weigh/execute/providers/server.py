"""Starts a model server by its command, waits until it is healthy, uses it as `openai`, and always stops it.

    -m "server/Qwen/Qwen3-0.6B::command=vllm serve {model} --port {port}"

`{model}`, `{port}` and `{host}` are filled in. The server runs under `guard`, so that its whole process group ends with
weigh, also after `kill -9`. Its output is drained, and its last lines are shown when it does not come up.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from weigh.define.decode import decode
from weigh.execute.providers import guard
from weigh.execute.providers.openai import OpenAIOptions, OpenAIProvider
from weigh.protocols import Capability
from weigh.records.bounds import Port
from weigh.records.errors import CapabilityError, DefinitionError
from weigh.records.request import Output, Request

_TAIL_LINES = 40


class ServerOptions(OpenAIOptions, frozen=True, kw_only=True):
    """Options of `server/MODEL`, besides those of `openai`.

    Attributes:
        command: What to start.
        port: Where it will listen; 0 for any free port.
        health: The path that answers 200 when the server is ready.
        api: The path that the OpenAI API lives under.
        startup: Seconds it may take to become healthy.
    """

    command: str = ""
    port: Port = 0
    health: str = "/health"
    api: str = "/v1"
    startup: float = 900.0


class ServerProcess:
    """A command under guard, with its output drained into a short memory."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it. Cancelled in between it is started all the same: `stop` then ends guard and what guard has started,
        where asyncio would kill guard alone.
        """
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(guard.__file__)),
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        )
        try:
            self._process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._process = await starting  # for `stop` to end all of it
            raise
        finally:
            if self._process is not None:
                self._drain = asyncio.ensure_future(self._read())

    async def stop(self) -> None:
        """End it and everything it started; returns when they are gone."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(guard.GRACE + 5):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.gather(self._drain, return_exceptions=True)

    async def _read(self) -> None:
        """Keep the last lines; lines without an end are cut, so that no output can fill the memory."""
        assert self._process is not None and self._process.stdout is not None
        rest = ""
        while piece := await self._process.stdout.read(65536):
            *lines, rest = (rest + piece.decode("utf-8", "replace")).split("\n")
            self.tail.extend(line[:500] for line in lines)
            rest = rest[-2000:]
        if rest:
            self.tail.append(rest[:500])


class ServerProvider:
    """A model on a server that lives as long as the provider is entered."""

    def __init__(self, model: str, options: ServerOptions, *, concurrency: int | None = None) -> None:
        self.name = f"server/{model}"
        self.model = model
        self.options = options
        self.concurrency: int | None = None
        self._limit = concurrency
        self._api: OpenAIProvider | None = None
        self._process: ServerProcess | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._api.capabilities if self._api else frozenset({"chat", "completion", "tools", "logprobs"})

    async def __aenter__(self) -> ServerProvider:
        options = self.options
        port = options.port or _free_port()
        places = {"model": self.model, "port": str(port), "host": "127.0.0.1"}
        try:
            command = [part.format(**places) for part in shlex.split(options.command)]
        except (ValueError, KeyError, IndexError) as cause:
            raise DefinitionError(f"{self.name}: the command cannot be read ({cause!r}): {options.command}") from None
        base = f"http://127.0.0.1:{port}"
        plain = {f: getattr(options, f) for f in OpenAIOptions.__struct_fields__}
        api_options = OpenAIOptions(**{**plain, "base_url": base + options.api})
        self._process = ServerProcess(command)
        self._api = OpenAIProvider(self.model, api_options, concurrency=self._limit)
        try:
            await self._process.start()
            await self._api.__aenter__()
            await self._healthy(base)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            if self._api is not None:
                await self._api.__aexit__()
        finally:
            if self._process is not None:
                await self._process.stop()

    async def _healthy(self, base: str) -> None:
        assert self._process is not None and self._api is not None
        probe = OpenAIProvider("health", OpenAIOptions(base_url=base)).transport
        await probe.open()
        deadline = time.monotonic() + self.options.startup
        try:
            while await probe.answers(self.options.health) != 200:
                if self._process.exit_code is not None:
                    await asyncio.sleep(0.05)  # for its last words to be read
                    raise self._broken(f"ended with exit code {self._process.exit_code} before it was healthy")
                if time.monotonic() > deadline:
                    raise self._broken(f"was not healthy at {self.options.health} after {self.options.startup:g} s")
                await asyncio.sleep(0.1)
        finally:
            await probe.close()

    def _broken(self, what: str) -> CapabilityError:
        assert self._process is not None
        tail = "\n  ".join(list(self._process.tail)[-15:]) or "(no output)"
        return CapabilityError(f"{self.name}: `{self._process.command[0]}` {what}; its last output:\n  {tail}")

    async def identity(self) -> dict[str, Any]:
        """The model's name and the command, with its placeholders: the port is no part of it."""
        identity: dict[str, Any] = {"provider": "server", "model": self.model, "command": self.options.command}
        if self.options.revision:
            identity["revision"] = self.options.revision
        if self.options.extra_body:
            identity["extra_body"] = self.options.extra_body
        return identity

    async def alive(self) -> bool:
        """Whether the server answers."""
        return self._api is not None and await self._api.alive()

    async def probe(self, capability: Capability) -> str | None:
        """As in `openai`."""
        return "the server is not running" if self._api is None else await self._api.probe(capability)

    async def respond(self, request: Request) -> Output:
        """Answer one request. Raises `Failure`."""
        if self._api is None:
            raise RuntimeError("the provider was used before it was entered")
        return await self._api.respond(request)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def create(model: str, options: dict[str, Any], *, concurrency: int | None) -> ServerProvider:
    """Make the provider of `server/MODEL::command=...`."""
    chosen = decode(options, ServerOptions, f"server/{model}")
    if not chosen.command:
        raise DefinitionError(
            f'server/{model} needs a command, e.g. server/{model}::command="vllm serve {{model}} --port {{port}}"'
        )
    if chosen.base_url is not None:
        raise DefinitionError(f"server/{model} starts its own server; for one that runs already use openai/{model}")
    return ServerProvider(model, chosen, concurrency=concurrency)
