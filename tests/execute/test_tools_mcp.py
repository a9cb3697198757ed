"""Tools of MCP servers: over HTTP, and what happens when a server dies in the middle."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="needs the package mcp")

from weigh.execute.tools.mcp import McpServers
from weigh.execute.tools.toolbox import Toolbox, ToolSet
from weigh.records.errors import DefinitionError
from weigh.records.request import ToolCall
from weigh.records.trajectory import Observation

SERVER = """
import os, sys
from mcp.server import MCPServer
server = MCPServer("tiny")

@server.tool()
def louder(text: str, times: int = 1) -> str:
    "Say it louder."
    return " ".join([text.upper()] * times)

@server.tool()
def die() -> str:
    "End the server."
    os._exit(1)

@server.tool()
def who() -> str:
    "Which process answers."
    return str(os.getpid())

if len(sys.argv) > 1:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    server.run()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "server.py"
    path.write_text(SERVER)
    return path


def over_stdio(file: Path, **settings: Any) -> dict[str, Mapping[str, Any]]:
    return {"tiny": {"command": sys.executable, "args": [str(file)], **settings}}


async def call(servers: McpServers, name: str, **arguments: Any) -> Observation:
    box = Toolbox(ToolSet(servers.tools))
    return (await box.call((ToolCall(id="1", name=name, arguments=arguments),)))[0]


async def test_a_server_is_started_used_stopped_and_started_again(file: Path) -> None:
    servers = McpServers(over_stdio(file, tools=["louder", "who"]))
    async with servers:
        assert [t.name for t in servers.tools] == ["louder", "who"]
        spec = servers.tools[0].spec
        assert spec.description == "Say it louder." and spec.parameters["required"] == ["text"]
        several = await asyncio.gather(*(call(servers, "louder", text=f"a{i}", times=2) for i in range(5)))
        assert [o.content for o in several] == [f"A{i} A{i}" for i in range(5)]
        first = int((await call(servers, "who")).content)
    deadline = asyncio.get_running_loop().time() + 60
    while Path(f"/proc/{first}").exists():  # it may end a moment later
        assert asyncio.get_running_loop().time() < deadline, "the server goes on"
        await asyncio.sleep(0.02)
    async with servers:
        assert int((await call(servers, "who")).content) != first


async def test_a_server_that_dies_is_started_again(file: Path) -> None:
    async with McpServers(over_stdio(file)) as servers:
        from weigh.records.errors import Failure

        with pytest.raises(Failure, match="gone"):  # twice: what kills it does so again, and is the server's failure
            await call(servers, "die")
        assert (await call(servers, "louder", text="x")).content == "X"


async def test_over_http(file: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(file), str(port), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(1200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0 or process.returncode is not None:
                    break
            await asyncio.sleep(0.1)
        url = f"http://127.0.0.1:{port}/mcp"
        async with McpServers({"web": {"url": url, "headers": {"X-Key": "1"}}}) as servers:
            assert (await call(servers, "louder", text="x")).content == "X"
    finally:
        process.kill()
        await process.wait()


def test_a_server_is_a_command_or_an_address() -> None:
    with pytest.raises(DefinitionError, match=r"mcp\.x: give either command"):
        McpServers({"x": {}})
    with pytest.raises(DefinitionError, match="did you mean 'command'"):
        McpServers({"x": {"comand": "y"}})


async def test_a_tool_that_is_not_offered_is_said(file: Path) -> None:
    with pytest.raises(DefinitionError, match=r"mcp\.tiny has no tool 'lauder' \(it has louder, die, who\)"):
        async with McpServers(over_stdio(file, tools=["lauder"])):
            pass
