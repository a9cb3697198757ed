"""The Modal mode against the interface of the `modal` package. No account: its sandbox is a local process here, and
every call is checked against the real signatures."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from weigh.execute.sandboxes import modal as mode
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import Sandbox
from weigh.records.errors import CapabilityError, Failure

real = pytest.importorskip("modal")


def call(signature: Any, function: Any, *, bound: bool = False) -> Any:
    """A method with `.aio`, whose arguments have to fit the real one's."""

    async def aio(*args: Any, **kwargs: Any) -> Any:
        inspect.signature(signature).bind(*([None] if bound else []), *args, **kwargs)
        return await function(*args, **kwargs)

    return SimpleNamespace(aio=aio)


class Stream:
    def __init__(self, data: bytes) -> None:
        self.data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.data), 4096):
            yield self.data[at : at + 4096]


class FakeModal:
    """As much of the package as the mode uses; commands run on this machine, in a folder of the test's own."""

    exception = real.exception

    def __init__(self, root: Path, fail: Exception | None = None) -> None:
        self.root, self.fail, self.ended, self.created = root, fail, 0, {}
        self.App = SimpleNamespace(lookup=call(real.App.lookup.aio, self._lookup))
        self.Image = SimpleNamespace(from_registry=lambda tag: tag, debian_slim=lambda: "debian")
        self.Sandbox = SimpleNamespace(create=call(real.Sandbox.create.aio, self._create))

    async def _lookup(self, *args: Any, **kwargs: Any) -> str:
        if self.fail:
            raise self.fail
        return "app"

    async def _create(self, *args: Any, **kwargs: Any) -> Any:
        self.created = kwargs
        return SimpleNamespace(
            exec=call(real.Sandbox.exec.aio, self._exec, bound=True),
            terminate=call(real.Sandbox.terminate.aio, self._terminate, bound=True),
        )

    async def _terminate(self) -> None:
        self.ended += 1

    async def _exec(self, *command: str, timeout: int, workdir: str, env: dict[str, str], text: bool) -> Any:
        assert text is False
        given = bytearray()
        done = asyncio.Event()
        root = str(self.root)
        process = await asyncio.create_subprocess_exec(
            *(part.replace("/workspace", root) for part in command),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=workdir.replace("/workspace", root), env={"PATH": "/usr/bin:/bin", **env},
        )  # fmt: skip
        result: dict[str, bytes] = {}

        async def drain() -> None:
            out, err = await process.communicate(bytes(given))
            result.update(out=out, err=err)
            done.set()

        async def stream(name: str) -> AsyncIterator[bytes]:
            await done.wait()
            async for chunk in Stream(result[name]):
                yield chunk

        async def wait() -> int:
            await done.wait()
            return process.returncode or 0

        stdin = SimpleNamespace(write=given.extend, write_eof=lambda: None, drain=call(lambda: None, drain))
        return SimpleNamespace(stdin=stdin, stdout=stream("out"), stderr=stream("err"), wait=call(lambda: None, wait))


def on(fake: FakeModal, spec: SandboxSpec | None = None) -> mode.ModalSandbox:
    return mode.ModalSandbox(spec or SandboxSpec(mode="modal"), modal=fake)


def test_commands_and_files(tmp_path: Path) -> None:
    fake = FakeModal(tmp_path)

    async def run() -> None:
        async with on(fake, SandboxSpec(mode="modal", memory_mb=512)) as sandbox:
            assert isinstance(sandbox, Sandbox)
            await sandbox.write_file("a/b.bin", b"\x00\xffdata")
            assert await sandbox.read_file("a/b.bin") == b"\x00\xffdata"
            ended = await sandbox.exec(["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in", cwd="a")
            assert (ended.exit_code, ended.stdout, ended.stderr) == (3, "in", "err\n")
            long = await sandbox.exec(["sh", "-c", "head -c 100000 /dev/zero"], output_limit=1000)
            assert long.truncated and len(long.stdout) == 1000
            with pytest.raises(Failure, match="no file"):
                await sandbox.read_file("nothing")
            with pytest.raises(Failure, match="larger"):
                await sandbox.read_file("a/b.bin", limit=3)
            with pytest.raises(Failure):
                await sandbox.write_file("../x", b"")
            with tempfile.NamedTemporaryFile() as outside:
                await sandbox.exec(["ln", "-s", outside.name, "link"])
                with pytest.raises(Failure, match="leaves"):
                    await sandbox.read_file("link")

    asyncio.run(run())
    assert fake.ended == 1
    assert fake.created["memory"] == 512 and fake.created["block_network"] is True
    assert fake.created["timeout"] and fake.created["idle_timeout"], "it ends by itself when we are killed"


def test_no_account_and_no_service_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match="modal token new"):
        asyncio.run(on(FakeModal(tmp_path, real.exception.AuthError("no token"))).__aenter__())
    with pytest.raises(Failure) as raised:
        asyncio.run(on(FakeModal(tmp_path, real.exception.ConnectionError("gone"))).__aenter__())
    assert raised.value.error.kind == "sandbox" and raised.value.error.transient


def test_what_it_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match="gateway"):
        asyncio.run(on(FakeModal(tmp_path), SandboxSpec(mode="modal", network="gateway")).__aenter__())
