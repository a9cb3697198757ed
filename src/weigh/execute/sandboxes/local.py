"""A process tree in a temporary folder: no protection, for code one trusts, and only when asked for by name.

It has a deadline, output limits, a clean environment, and it leaves nothing behind: what a command starts is killed
with it, also what put itself into a session of its own, and the folder goes at the end.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from weigh.execute.sandboxes.folder import DiskWatch, home, inside, read_below, remove_folder, write_below
from weigh.execute.sandboxes.process import run_process
from weigh.execute.sandboxes.process_limits import MET, limits_in_shell
from weigh.execute.sandboxes.seed import copy_folder
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import ExecResult
from weigh.records.errors import Error, Failure

_OWN = "WEIGH_SANDBOX_ID"
_COMMAND = "WEIGH_COMMAND_ID"
# As a shell reports it of what it ran, and of the command itself.
_LIMITS = {**MET, **{128 - code: limit for code, limit in MET.items()}}


class LocalSandbox:
    """A folder and what runs in it. See `weigh.protocols.Sandbox`.

    The absolute path `/workspace` of other sandboxes is here only understood by the file methods; commands start in
    the folder and should use relative paths.
    """

    mode = "local"

    def __init__(self, spec: SandboxSpec | None = None) -> None:
        self.spec = spec or SandboxSpec(mode="local")
        self._folder: Path | None = None
        self._disk: DiskWatch | None = None
        self._id = secrets.token_hex(8)

    async def __aenter__(self) -> LocalSandbox:
        self._folder = home().make()
        for name in ("work", "home", "tmp"):
            (self._folder / name).mkdir()
        self._disk = DiskWatch(self._folder, size=self.spec.disk_mb << 20, files=self.spec.files)
        if self.spec.folder is not None:
            try:
                await copy_folder(self.spec.folder, self._folder / "work")
            except BaseException:
                await self.__aexit__()
                raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            kill_marked(f"{_OWN}={self._id}")
            remove_folder(folder)

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
        folder, spec = self._open_folder(), self.spec
        where = folder / "work" if cwd in (None, ".") else folder / "work" / inside(cwd or "")
        python = str(Path(sys.executable).parent)
        settings = {
            "PATH": ":".join((*spec.path, python, "/usr/local/bin:/usr/bin:/bin")),
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            **spec.env,
            **(env or {}),
            **home().environment(),
            _OWN: self._id,
            _COMMAND: (command_id := secrets.token_hex(8)),
        }
        ended = await run_process(
            ["/bin/sh", "-c", "; ".join(limits_in_shell(spec)) + '; exec "$@"', "sh", *command],
            env=settings,
            cwd=str(where),
            stdin=stdin,
            timeout=spec.wall_seconds if timeout is None else timeout,
            output_limit=output_limit,
            on_output=on_output,
            watch=self._disk.begin() if self._disk else None,
            # Only what this command started: another one, such as an interpreter, may be running beside it.
            sweep=lambda: kill_marked(f"{_COMMAND}={command_id}"),
        )
        limit = ended.limit or _LIMITS.get(ended.returncode)
        return ExecResult(
            exit_code=None if limit else ended.returncode if ended.returncode >= 0 else 128 - ended.returncode,
            stdout=ended.stdout.decode(errors="replace"),
            stderr=ended.stderr.decode(errors="replace"),
            truncated=ended.truncated,
            timed_out=limit == "deadline",
            limit=limit,
            seconds=ended.seconds,
        )

    async def write_file(self, path: str, data: bytes) -> None:
        write_below(self._open_folder() / "work", path, data)

    async def read_file(self, path: str, *, limit: int = 10_000_000) -> bytes:
        return read_below(self._open_folder() / "work", path, limit=limit)

    def _open_folder(self) -> Path:
        if self._folder is None:
            raise Failure(Error(kind="sandbox", code="closed", message="the sandbox is closed"))
        return self._folder


def kill_marked(marker: str) -> None:
    """Kill every process that has this setting in its environment, wherever it hid. Linux; elsewhere groups suffice."""
    wanted = marker.encode()
    for _ in range(20):  # what is killed may just have started another
        found = False
        for name in os.listdir("/proc") if Path("/proc").is_dir() else ():  # noqa: PTH208
            if not name.isdigit():
                continue
            try:
                if wanted in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                    os.kill(int(name), signal.SIGKILL)
                    found = True
            except OSError:
                continue
        if not found:
            return
