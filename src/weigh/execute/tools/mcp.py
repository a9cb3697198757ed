"""Tools of MCP servers, through the official `mcp` package: a program that is started (stdio), or an address (HTTP).

A harness names its servers; they are started once for all trials and stopped at the end. Each lives in a task of
its own, since a connection has to be closed by the task that opened it. A server that answers with an error tells the
model; one that died is started again, and if that does not help the trial has failed, not the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from weigh.define.decode import decode
from weigh.execute.tools.schema import Signature
from weigh.execute.tools.tool import Tool, ToolResult
from weigh.records.bounds import Positive
from weigh.records.errors import CapabilityError, DefinitionError, Error, Failure

INSTALL = "pip install 'weigh[mcp]'"


class McpServer(msgspec.Struct, frozen=True, kw_only=True):
    """One server.

    Attributes:
        command, args: A program that speaks MCP on its standard input and output.
        env: Further variables for it; of ours it gets only what every program needs (PATH, HOME, ...).
        cwd: Where it is started.
        url: Or the address of one that runs (streamable HTTP).
        headers: For that, e.g. Authorization.
        tools: Only these of its tools; empty for all.
        start_timeout, timeout: Seconds to start, and for one call.
    """

    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    tools: tuple[str, ...] = ()
    start_timeout: Positive = 60.0
    timeout: Positive = 120.0


class McpServers:
    """The servers of a harness. An asynchronous context manager that may be entered again after it was left.

    Attributes:
        tools: What they offer, once entered; calls go to the servers that run then.

    Raises:
        DefinitionError: A server is described wrongly.
        CapabilityError: The `mcp` package is not installed, or (on entering) a server does not start.
    """

    def __init__(self, servers: Mapping[str, Mapping[str, Any]]) -> None:
        self._servers = {name: decode(dict(s), McpServer, f"mcp.{name}") for name, s in servers.items()}
        for name, server in self._servers.items():
            if (server.command is None) == (server.url is None):
                raise DefinitionError(f"mcp.{name}: give either command (with args) or url")
        if self._servers and importlib.util.find_spec("mcp") is None:
            raise CapabilityError(f"harness with MCP servers: the package mcp is not installed: {INSTALL}")
        self._live: dict[str, _Connection] = {}
        self.tools: tuple[Tool, ...] = ()

    async def __aenter__(self) -> McpServers:
        found: list[Tool] = []
        try:
            for name, server in self._servers.items():
                connection = self._live[name] = _Connection(name, server)
                await connection.start()
                found += [self._tool(name, server, offered) for offered in await connection.offered()]
        except BaseException:
            await self.__aexit__()
            raise
        self.tools = tuple(found)
        return self

    async def __aexit__(self, *exc: object) -> None:
        live, self._live = self._live, {}
        await asyncio.gather(*(c.stop() for c in live.values()), return_exceptions=True)

    def _tool(self, server: str, settings: McpServer, offered: Any) -> Tool:
        async def call(arguments: Mapping[str, Any]) -> ToolResult:
            return await self._call(server, offered.name, arguments)

        parameters = dict(offered.input_schema)
        parameters.setdefault("properties", {})
        description = offered.description or offered.title or offered.name
        return Tool(
            name=offered.name,
            description=description,
            function=call,
            signature=Signature(struct=None, description=description, parameters=parameters, wants_context=False),
            seconds=settings.timeout,
        )

    async def _call(self, server: str, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        connection = self._live.get(server)
        if connection is None:
            raise Failure(Error(kind="sandbox", code="closed", message=f"the MCP server {server} is stopped"))
        return await connection.call(tool, arguments)


class _Connection:
    """One server while it runs, owned by one task."""

    def __init__(self, name: str, server: McpServer) -> None:
        self.name, self.server = name, server
        self._owner: asyncio.Task[None] | None = None
        self._client: Any = None
        self._stop = asyncio.Event()
        self._restarting = asyncio.Lock()
        self._log: Any = None
        self._last_words = ""

    async def start(self) -> None:
        self._stop = asyncio.Event()
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._owner = asyncio.create_task(self._own(ready))
        try:
            self._client = await asyncio.wait_for(asyncio.shield(ready), self.server.start_timeout)
        except TimeoutError:
            await self.stop()
            raise self._unusable(f"did not answer within {self.server.start_timeout:g} s") from None
        except Exception as error:
            raise self._unusable(f"did not start: {_said(error)}") from error

    async def stop(self) -> None:
        self._stop.set()
        self._client = None
        owner, self._owner = self._owner, None
        if owner is not None:
            done, _ = await asyncio.wait({owner}, timeout=10.0)
            if not done:
                owner.cancel()
                await asyncio.wait({owner}, timeout=5.0)

    async def offered(self) -> list[Any]:
        """The tools it has, of those that the harness wants."""
        found: list[Any] = []
        cursor = None
        while True:
            page = await self._client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        names = [t.name for t in found]
        missing = [name for name in self.server.tools if name not in names]
        if missing:
            raise DefinitionError(f"mcp.{self.name} has no tool {missing[0]!r} (it has {', '.join(names)})")
        return [t for t in found if not self.server.tools or t.name in self.server.tools]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        from mcp import MCPError

        for attempt in range(2):
            client = self._client
            try:
                if client is None or self._owner is None or self._owner.done():
                    raise ConnectionError("it is not running")
                result = await client.call_tool(tool, dict(arguments))
            except MCPError as error:
                if self._owner is not None and not self._owner.done() and "closed" not in str(error).lower():
                    return ToolResult(content=f"error: {error}", is_error=True, metadata={"mcp": self.name})
                broken: Exception = error
            except Exception as error:  # noqa: BLE001 - every transport has errors of its own: the connection is gone
                broken = error
            else:
                return _result(result, self.name)
            if attempt == 0:
                async with self._restarting:
                    if self._client is client:
                        await self.stop()
                        with contextlib.suppress(CapabilityError):
                            await self.start()
        said = f"the MCP server {self.name} is gone: {_said(broken)}"
        raise Failure(Error(kind="sandbox", code="mcp", message=said, transient=True))

    async def _own(self, ready: asyncio.Future[Any]) -> None:
        try:
            async with AsyncExitStack() as stack:
                try:
                    client = await self._connect(stack)
                finally:
                    self._last_words = self._read_log()
                ready.set_result(client)
                await self._stop.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error if isinstance(error, Exception) else ConnectionError(_said(error)))
                return
            if not self._stop.is_set() or isinstance(error, asyncio.CancelledError):
                raise

    async def _connect(self, stack: AsyncExitStack) -> Any:
        from mcp import Client, StdioServerParameters, stdio_client
        from mcp.client.streamable_http import streamable_http_client

        server = self.server
        if server.url is not None:
            transport: Any = server.url
            if server.headers:
                from mcp.shared._httpx_utils import create_mcp_http_client

                http = await stack.enter_async_context(create_mcp_http_client(headers=server.headers))
                transport = streamable_http_client(server.url, http_client=http)
        else:
            settings = StdioServerParameters(
                command=server.command or "", args=list(server.args), env=server.env or None, cwd=server.cwd
            )
            # What it says on standard error is shown only if it does not start.
            self._log = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))  # noqa: SIM115
            transport = stdio_client(settings, errlog=self._log)
        return await stack.enter_async_context(Client(transport, read_timeout_seconds=server.timeout))

    def _read_log(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        lines = [line for line in self._log.read()[-2000:].splitlines() if line.strip()]
        return lines[-1].strip()[:300] if lines else ""

    def _unusable(self, why: str) -> CapabilityError:
        what = self.server.url or " ".join([self.server.command or "", *self.server.args])
        return CapabilityError(
            f"the MCP server {self.name} ({what}) {why}" + (f": {self._last_words}" if self._last_words else "")
        )


def _result(result: Any, server: str) -> ToolResult:
    """Text parts as they are; of what is no text, what it is."""
    parts = [
        part.text
        if part.type == "text"
        else f"[{part.type}{': ' + part.mime_type if hasattr(part, 'mime_type') else ''}]"
        for part in result.content
    ]
    text = "\n".join(parts)
    if not text and result.structured_content is not None:
        text = msgspec.json.encode(result.structured_content).decode()
    return ToolResult(content=text or "(no output)", is_error=bool(result.is_error), metadata={"mcp": server})


def _said(error: BaseException) -> str:
    """What an exception says; of a group, its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error).strip() or type(error).__name__
