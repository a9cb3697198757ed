"""A container of Docker or Podman, driven by their command lines: for what needs an image of its own.

One container lives as long as the sandbox, and never longer than we do: its first process reads from a pipe that we
hold, and ends with it, so a kill -9 of ours ends the container too. The workspace is a folder of the host's bound into
it; everything else is read-only or in memory. The engine's socket is never given to it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from weigh.execute.sandboxes.folder import DiskWatch, home, inside, read_below, remove_folder, write_below
from weigh.execute.sandboxes.process import Ended, run_process
from weigh.execute.sandboxes.process_limits import MET, limits_in_shell
from weigh.execute.sandboxes.seed import copy_folder
from weigh.execute.sandboxes.spec import WORKSPACE, SandboxSpec
from weigh.protocols import ExecResult
from weigh.records.errors import CapabilityError, Error, Failure

ENGINES = ("docker", "podman")
_START_SECONDS = 120.0
_USER = 1000
# Nothing in there sends SIGKILL by itself but the memory limit.
_LIMITS = {**MET, 128 + signal.SIGKILL: "memory"}


class ContainerSandbox:
    """See `weigh.protocols.Sandbox`. A command that meets its deadline takes the container with it; the next command
    gets a new one over the same workspace.

    Args:
        spec: Its `image` is needed; `root` is not supported (import the folder as an image).
        engine: Path of the engine; found by itself otherwise, Docker first.
    """

    mode = "container"

    def __init__(self, spec: SandboxSpec | None = None, *, engine: str | None = None) -> None:
        self.spec = spec or SandboxSpec(mode="container")
        self._engine = engine or ""
        self._folder: Path | None = None
        self._disk: DiskWatch | None = None
        self._name = ""
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> ContainerSandbox:
        engine, images = await find_engine((self._engine,) if self._engine else installed_engines())
        self._engine = engine
        if not self.spec.image:
            if not images:
                raise CapabilityError(f"{Path(engine).name} has no image; name one with sandbox_options.image=IMAGE")
            self.spec = msgspec.structs.replace(self.spec, image=images[0])
        if self.spec.network == "gateway" and not self.spec.gateway_socket:
            raise CapabilityError("a sandbox with network `gateway` needs the gateway's socket (gateway_socket)")
        self._folder = home().make()
        self._disk = DiskWatch(self._folder, size=self.spec.disk_mb << 20, files=self.spec.files)
        work = self._folder / "work"
        work.mkdir()
        if self._shows_root():
            (self._folder / "root").mkdir(mode=0o755)
        if os.getuid() == 0:
            os.chown(work, _USER, _USER)
        try:
            if self.spec.folder is not None:
                await copy_folder(self.spec.folder, work, owner=_USER if os.getuid() == 0 else None)
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        folder, self._folder = self._folder, None
        await self._stop()
        if folder is not None:
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
        self._open_folder()
        spec = self.spec
        if self._process is None or self._process.returncode is not None:
            await self._start()
        where = WORKSPACE if cwd in (None, ".", WORKSPACE) else f"{WORKSPACE}/{inside(cwd or '')}"
        variables = [part for key in (env or {}) for part in ("-e", key)]  # values by our environment, not on the line
        shell = "; ".join(limits_in_shell(spec)) + '; exec "$@"'
        ended = await self._call(
            ["exec", "-i", "-w", where, *variables, self._name, "/bin/sh", "-c", shell, "sh", *command],
            env=env,
            stdin=stdin,
            timeout=spec.wall_seconds if timeout is None else timeout,
            output_limit=output_limit,
            on_output=on_output,
            watch=self._disk.begin() if self._disk else None,
        )
        if ended.limit is not None:
            await self._stop()  # the engine's client is gone, what it started in there is not
        elif ended.returncode in (125, 126, 127, 255) and (
            b"OCI runtime" in ended.stderr[:200] or not await self._alive()
        ):
            message = ended.stderr.decode(errors="replace").strip()[:300] or "the container is gone"
            raise Failure(Error(kind="sandbox", code="container", message=message, transient=True))
        limit = ended.limit or _LIMITS.get(ended.returncode)
        return ExecResult(
            exit_code=None if limit else ended.returncode if ended.returncode >= 0 else 128 - ended.returncode,
            stdout=ended.stdout.decode(errors="replace"),
            stderr=ended.stderr.decode(errors="replace"),
            truncated=ended.truncated,
            timed_out=limit == "deadline",
            oom=limit == "memory",
            limit=limit,
            seconds=ended.seconds,
        )

    async def write_file(self, path: str, data: bytes) -> None:
        work = self._open_folder() / "work"
        write_below(work, path, data)
        if os.getuid() == 0:
            for part in (inside(path), *inside(path).parents):
                os.chown(work / part, _USER, _USER, follow_symlinks=False)

    async def read_file(self, path: str, *, limit: int = 10_000_000) -> bytes:
        return read_below(self._open_folder() / "work", path, limit=limit)

    async def _start(self) -> None:
        self._name = f"weigh-{secrets.token_hex(8)}"
        # Not one of ours to wait for: it runs beside the commands, until its standard input ends.
        self._process = await asyncio.create_subprocess_exec(
            self._engine,
            *self.run_arguments(self._name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._folder,  # Podman's monitor leaves a file where it stands when memory runs out
            start_new_session=True,
        )
        assert self._process.stdout and self._process.stderr
        try:
            async with asyncio.timeout(_START_SECONDS):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if line.strip() != b"ready":
            if self._process.returncode is None and not line:
                self._process.kill()
            message = (await self._process.stderr.read(2000)).decode(errors="replace").strip() or "no answer"
            await self._stop()
            message = f"the container did not start: {message.splitlines()[-1]}"
            raise Failure(Error(kind="sandbox", code="container", message=message, transient=True))

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        await self._call(["rm", "-f", self._name], timeout=30.0)
        if process.returncode is None:
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()

    async def _alive(self) -> bool:
        # Not by running something: the commands before may have used up its processes.
        ended = await self._call(["inspect", "-f", "{{.State.Running}}", self._name], timeout=20.0)
        return ended.stdout.strip() == b"true"

    async def _call(
        self,
        arguments: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        output_limit: int = 10_000,
        on_output: Callable[[bytes], None] | None = None,
        watch: Callable[[], str | None] | None = None,
    ) -> Ended:
        return await run_process(
            [self._engine, *arguments],
            env={**_engine_environment(), **(env or {})},
            cwd=str(self._folder or "/"),
            stdin=stdin,
            timeout=timeout,
            output_limit=output_limit,
            on_output=on_output,
            watch=watch,
        )

    def run_arguments(self, name: str) -> list[str]:
        """The arguments of the engine's `run`; public because what a container may do is worth reading and testing."""
        spec, folder = self.spec, self._open_folder()
        assert spec.image
        found = [
            "run", "-i", "--rm", "--init", "--name", name, "--label", "weigh=sandbox",
            "--network", "bridge" if spec.network == "open" else "none",
            "--memory", f"{spec.memory_mb}m", "--memory-swap", f"{spec.memory_mb}m",
            "--pids-limit", str(spec.pids), "--user", f"{_USER}:{_USER}",
            "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--tmpfs", f"/tmp:rw,size={spec.disk_mb}m,mode=1777",
            "--tmpfs", f"/home/user:rw,size={spec.disk_mb}m,mode=1777",
            "-v", f"{folder / 'work'}:{WORKSPACE}", "-w", WORKSPACE,
            "-e", "HOME=/home/user", "-e", "LANG=C.UTF-8",
        ]  # fmt: skip
        if spec.network == "gateway":
            found += ["-v", f"{spec.gateway_socket}:/run/weigh/gateway.sock"]
        if self._shows_root():
            found += ["-v", f"{folder / 'root'}:/root"]
        for path in spec.readonly:
            found += ["-v", f"{path}:{path}:ro"]
        if spec.path:
            found += [
                "-e",
                "PATH=" + ":".join((*spec.path, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
            ]
        for key, value in spec.env.items():
            found += ["-e", f"{key}={value}"]
        return [*found, "--entrypoint", "/bin/sh", spec.image, "-c", "echo ready; exec cat > /dev/null"]

    def _shows_root(self) -> bool:
        """Whether something of root's own home is shown, which images close to others."""
        return any(Path(path).is_relative_to("/root") for path in self.spec.readonly)

    def _open_folder(self) -> Path:
        if self._folder is None:
            raise Failure(Error(kind="sandbox", code="closed", message="the sandbox is closed"))
        return self._folder


def installed_engines() -> tuple[str, ...]:
    """Paths of the engines that are installed, in the order in which they are tried."""
    return tuple(path for name in ENGINES if (path := shutil.which(name)))


async def find_engine(engines: Sequence[str]) -> tuple[str, list[str]]:
    """The first engine that answers, and its images. Raises `CapabilityError` where there is none."""
    why = "neither docker nor podman is installed"
    for engine in engines:
        ended = await run_process(
            [engine, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], env=_engine_environment(), timeout=20.0
        )
        if ended.returncode == 0:
            return engine, [name for name in ended.stdout.decode().split() if "<none>" not in name]
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no answer"]
        why = f"{Path(engine).name} is installed but does not answer: {last[0]}"
    raise CapabilityError(why)


def _engine_environment() -> dict[str, str]:
    """What an engine's client needs of ours, to find its configuration and its daemon."""
    wanted = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONFIG", "CONTAINERS_CONF", "CONTAINER_HOST")
    return {key: os.environ[key] for key in wanted if key in os.environ}
