"""A sandbox on Modal, by the `modal` package (extra `modal`, and an account: `modal token new`).

Tested against the package's interface only: calls are checked against its real signatures, but no sandbox of theirs was
ever started from here. It ends by itself (`timeout`, `idle_timeout`) when this process is killed.
"""

from __future__ import annotations

import asyncio
import base64
import posixpath
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weigh.execute.sandboxes.folder import inside, refused
from weigh.execute.sandboxes.spec import WORKSPACE, SandboxSpec
from weigh.protocols import ExecResult
from weigh.records.errors import CapabilityError, Error, Failure

APP = "weigh"
LIFETIME = 4 * 3600
IDLE = 900
_GRACE = 10.0
# Files go through commands: the link-safe path is worked out inside, where links can be seen.
_WRITE = 'mkdir -p "$1" && p=$(readlink -f "$1") && case "$p/" in {0}/*) cat > "$p/$2";; *) exit 97;; esac'
_READ = 'p=$(readlink -f "$1") && [ -f "$p" ] || exit 96; case "$p" in {0}/*) head -c "$2" "$p";; *) exit 97;; esac'


class ModalSandbox:
    """See `weigh.protocols.Sandbox`. Limits that Modal knows (memory, time, network) are set; the others are not.

    Args:
        spec: `image` is an image of a registry; without one Debian with Python.
        modal: The package, or what stands in for it in a test.
    """

    mode = "modal"

    def __init__(self, spec: SandboxSpec | None = None, *, modal: Any = None) -> None:
        self.spec = spec or SandboxSpec(mode="modal")
        self._modal = modal
        self._sandbox: Any = None

    async def __aenter__(self) -> ModalSandbox:
        if self.spec.network == "gateway" or self.spec.root or self.spec.readonly or self.spec.path or self.spec.folder:
            raise CapabilityError("a sandbox on Modal has no gateway and no folders of this machine; use bubblewrap")
        modal = self._modal = self._modal or _package()
        try:
            app = await modal.App.lookup.aio(APP, create_if_missing=True)
            image = modal.Image.from_registry(self.spec.image) if self.spec.image else modal.Image.debian_slim()
            self._sandbox = await modal.Sandbox.create.aio(
                "sleep", "infinity",
                app=app, image=image, timeout=LIFETIME, idle_timeout=IDLE, memory=self.spec.memory_mb,
                block_network=self.spec.network == "none", env=dict(self.spec.env),
            )  # fmt: skip
        except modal.exception.AuthError as error:
            raise CapabilityError(f"Modal does not know us: {error}; run `modal token new`") from None
        except modal.exception.Error as error:
            raise _broken(error) from error
        made = await self.exec(["mkdir", "-p", WORKSPACE], cwd="/")
        if made.exit_code != 0:
            raise Failure(Error(kind="sandbox", code="modal", message=f"no workspace: {made.stderr[:200]}"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            try:
                await sandbox.terminate.aio()
            except self._modal.exception.Error:
                pass  # it ends by itself after its idle time

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
        if self._sandbox is None:
            raise Failure(Error(kind="sandbox", code="closed", message="the sandbox is closed"))
        seconds = self.spec.wall_seconds if timeout is None else timeout
        where = cwd if cwd == "/" else posixpath.join(WORKSPACE, str(inside(cwd)) if cwd not in (None, ".") else "")
        began = time.perf_counter()
        modal = self._modal
        limit: str | None = None
        code: int | None = None
        out, errors = _Kept(output_limit, on_output), _Kept(output_limit)
        try:
            async with asyncio.timeout(seconds + _GRACE):
                process = await self._sandbox.exec.aio(
                    *command, timeout=max(1, round(seconds)), workdir=where.rstrip("/") or "/", env=dict(env or {}),
                    text=False,
                )  # fmt: skip
                await asyncio.gather(_feed(process, stdin), out.drain(process.stdout), errors.drain(process.stderr))
                code = await process.wait.aio()
        except (TimeoutError, modal.exception.ExecTimeoutError):
            limit = "deadline"
        except modal.exception.Error as error:
            raise _broken(error) from error
        took = time.perf_counter() - began
        if code == -1 and took >= seconds - 1:
            limit = "deadline"
        elif code == 137:
            limit = "memory"
        return ExecResult(
            exit_code=None if limit else code,
            stdout=out.text,
            stderr=errors.text,
            truncated=out.cut or errors.cut,
            timed_out=limit == "deadline",
            oom=limit == "memory",
            limit=limit,
            seconds=took,
        )

    async def write_file(self, path: str, data: bytes) -> None:
        folder, name = posixpath.split(posixpath.join(WORKSPACE, str(inside(path))))
        ended = await self.exec(["sh", "-c", _WRITE.format(shlex.quote(WORKSPACE)), "sh", folder, name], stdin=data)
        if ended.exit_code != 0:
            raise refused(path, "leaves the workspace" if ended.exit_code == 97 else ended.stderr.strip()[:200])

    async def read_file(self, path: str, *, limit: int = 10_000_000) -> bytes:
        full = posixpath.join(WORKSPACE, str(inside(path)))
        script = f"({_READ.format(shlex.quote(WORKSPACE))}) | base64; exit ${{PIPESTATUS[0]}}"
        ended = await self.exec(["bash", "-c", script, "sh", full, str(limit + 1)], output_limit=2 * limit + 1000)
        if ended.exit_code == 96:
            message = f"there is no file {path!r} in the workspace"
            raise Failure(Error(kind="sandbox", code="no_file", message=message))
        if ended.exit_code != 0:
            raise refused(path, "leaves the workspace" if ended.exit_code == 97 else ended.stderr.strip()[:200])
        data = base64.b64decode(ended.stdout)
        if len(data) > limit:
            raise refused(path, f"is larger than {limit} bytes")
        return data


class _Kept:
    """The beginning of a stream; the rest is read and dropped, so that the program never waits for us."""

    def __init__(self, limit: int, tell: Callable[[bytes], None] | None = None) -> None:
        self.data, self.limit, self.cut, self._tell = bytearray(), limit, False, tell

    async def drain(self, stream: Any) -> None:
        async for chunk in stream:
            if self._tell is not None:
                self._tell(chunk)
            room = self.limit - len(self.data)
            self.data += chunk[: max(0, room)]
            self.cut = self.cut or len(chunk) > room

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")


async def _feed(process: Any, data: bytes) -> None:
    if data:
        process.stdin.write(data)
    process.stdin.write_eof()
    await process.stdin.drain.aio()


def _package() -> Any:
    try:
        import modal
        import modal.exception
    except ImportError:
        raise CapabilityError("sandbox=modal needs the package: pip install 'weigh[modal]'") from None
    return modal


def _broken(error: Exception) -> Failure:
    message = f"Modal: {type(error).__name__}: {error}"[:300]
    return Failure(Error(kind="sandbox", code="modal", message=message, transient=True))
