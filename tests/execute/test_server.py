"""A server that is started by its command: healthy or refused, and always gone at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.execute.helpers import chat
from tests.waiting import eventually
from weigh.execute.providers import server
from weigh.execute.providers.server import ServerOptions, ServerProvider
from weigh.records.errors import CapabilityError, DefinitionError

PROGRAM = textwrap.dedent(
    """
    import http.server, json, os, subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(sys.argv[2], "w").write(f"{os.getpid()} {child.pid}")
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404 if self.path == "/never" else 200); self.end_headers()
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"choices": [{"message": {"content": "hi from " + sys.argv[3]}}]}).encode()
            self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
            self.wfile.write(body)
    print("noise " * 100_000, flush=True)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    """
)


def options(tmp_path: Path, **more: object) -> ServerOptions:
    (tmp_path / "serve.py").write_text(PROGRAM)
    command = f"{sys.executable} {tmp_path}/serve.py {{port}} {tmp_path}/pids {{model}}"
    return ServerOptions(command=command, **more)  # type: ignore[arg-type]


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that nobody has reaped yet has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while not all(gone(p) for p in pids):
        assert time.monotonic() < deadline, "processes of the server are still there"
        time.sleep(0.02)


async def test_started_used_and_stopped_with_its_children(tmp_path: Path) -> None:
    async with ServerProvider("my/model", options(tmp_path)) as provider:
        assert (await provider.respond(chat("x"))).text == "hi from my/model"
        assert await provider.alive()
        pids = [int(p) for p in (tmp_path / "pids").read_text().split()]
        assert not any(gone(p) for p in pids)
        identity = await provider.identity()
    wait_gone(pids)
    assert "{port}" in identity["command"], "the port is no part of what the model is"


async def test_a_command_that_fails_says_its_last_words() -> None:
    command = f"{sys.executable} -c \"print('no such weights'); raise SystemExit(3)\""
    with pytest.raises(CapabilityError, match=r"exit code 3(.|\n)*no such weights"):
        async with ServerProvider("m", ServerOptions(command=command)):
            pass


async def test_a_command_that_does_not_exist() -> None:
    with pytest.raises(CapabilityError, match="no-such-program"):
        async with ServerProvider("m", ServerOptions(command="no-such-program --port {port}")):
            pass


async def test_a_server_that_never_gets_healthy_is_stopped(tmp_path: Path) -> None:
    command = (
        f"{sys.executable} -c \"import os,time; open('{tmp_path}/pid','w').write(str(os.getpid())); time.sleep(600)\""
    )
    pid = tmp_path / "pid"
    for seconds in (0.6, 10.0, 60.0):  # a busy machine may need longer for two starts of Python
        with pytest.raises(CapabilityError, match=rf"was not healthy at /health after {seconds:g} s"):
            async with ServerProvider("m", ServerOptions(command=command, startup=seconds)):
                pass
        if pid.exists() and pid.read_text():
            break
    wait_gone([int(pid.read_text())])


async def test_cancelled_while_it_starts(tmp_path: Path) -> None:
    provider = ServerProvider("m", options(tmp_path, health="/never"))
    task = asyncio.ensure_future(provider.__aenter__())
    while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    wait_gone([int(p) for p in (tmp_path / "pids").read_text().split()])


@pytest.mark.parametrize("turns", [2, 3, 4])
async def test_cancelled_between_its_start_and_the_news_of_it(tmp_path: Path, turns: int) -> None:
    task = asyncio.ensure_future(ServerProvider("m", options(tmp_path, health="/never")).__aenter__())
    for _ in range(turns):
        await asyncio.sleep(0)
    pids = tmp_path / "pids"
    eventually(lambda: pids.exists() and pids.read_text(), 3)  # the loop stands still while the command starts
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    wait_gone([int(p) for p in pids.read_text().split()] if pids.exists() else [])


def test_killed_with_its_parent(tmp_path: Path) -> None:
    """`kill -9` of the whole program leaves nothing behind."""
    (tmp_path / "serve.py").write_text(PROGRAM)
    program = f"""
import asyncio
from weigh.execute.providers.server import ServerOptions, ServerProvider
async def main():
    command = "{sys.executable} {tmp_path}/serve.py {{port}} {tmp_path}/pids {{model}}"
    async with ServerProvider("m", ServerOptions(command=command)):
        print("up", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    pids = [int(p) for p in (tmp_path / "pids").read_text().split()]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    wait_gone(pids)


def test_what_a_spec_may_say() -> None:
    with pytest.raises(DefinitionError, match="needs a command"):
        server.create("m", {}, concurrency=None)
    with pytest.raises(DefinitionError, match="use openai/m"):
        server.create("m", {"command": "x", "base_url": "http://y"}, concurrency=None)
    with pytest.raises(DefinitionError, match="startup"):
        server.create("m", {"command": "x", "startp": 1}, concurrency=None)
