"""Bubblewrap: a sandbox made of Linux namespaces that starts in milliseconds and needs no image and no daemon.

Inside are this machine's programs, read-only; a workspace, a home and a temp folder of its own; no network unless
asked for; none of the host's environment, processes, users' files or sockets. When the program that started it dies,
however it dies, everything inside dies with it. Each command is a new bubblewrap over the same files.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

from weigh.execute.sandboxes.cgroup import Cgroup, cgroup_parents
from weigh.execute.sandboxes.folder import DiskWatch, home, inside, read_below, remove_folder, write_below
from weigh.execute.sandboxes.parked import Parked
from weigh.execute.sandboxes.process import Ended, finish_process, run_process
from weigh.execute.sandboxes.process_limits import MET, limits_in_shell
from weigh.execute.sandboxes.seccomp import seccomp_filter
from weigh.execute.sandboxes.seed import copy_folder
from weigh.execute.sandboxes.spec import WORKSPACE, SandboxSpec
from weigh.protocols import ExecResult
from weigh.records.errors import CapabilityError, Error, Failure

HOME = "/home/user"
GATEWAY = "/run/weigh/gateway.sock"
_OUTSIDE = {"PATH": "/usr/bin:/bin"}
_FILES = 2  # descriptors that bubblewrap reads: its options, the filter of system calls
_ETC = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "ca-certificates",
    "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "fonts",
)  # fmt: skip


class BubblewrapSandbox:
    """A sandbox of one workspace. See `weigh.protocols.Sandbox`.

    Raises:
        CapabilityError: On entering, where bubblewrap is not installed.
        Failure: Kind `sandbox`, where it is and does not work.
    """

    mode = "bubblewrap"

    def __init__(self, spec: SandboxSpec | None = None) -> None:
        self.spec = spec or SandboxSpec()
        self._folder: Path | None = None
        self._cgroup: Cgroup | None = None
        self._disk: DiskWatch | None = None
        self._parked: Parked | None = None
        self._program = ""
        self._fixed: list[str] = []

    async def __aenter__(self) -> BubblewrapSandbox:
        program = shutil.which("bwrap")
        if program is None:
            raise CapabilityError("bubblewrap is not installed; get it with `apt-get install bubblewrap`")
        self._folder = home().make()
        for name in ("work", "home", "tmp", "etc"):
            (self._folder / name).mkdir()
        self._disk = DiskWatch(self._folder, size=self.spec.disk_mb << 20, files=self.spec.files)
        if cgroup_parents():
            self._cgroup = Cgroup(memory_mb=self.spec.memory_mb, pids=self.spec.pids)
            for group in self._cgroup.folders:
                home().note_cgroup(group)
        self._program, self._fixed = program, self._arguments(self._folder)
        try:
            if self._cgroup is not None:
                self._parked = Parked(self._cgroup.entry(), self._folder, env=_OUTSIDE, files=_FILES)
            if self.spec.folder is not None:
                await copy_folder(self.spec.folder, self._folder / "work")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        folder, self._folder = self._folder, None
        parked, self._parked = self._parked, None
        if parked is not None:
            parked.close()
        if folder is not None:
            remove_folder(folder)
        if self._cgroup is not None:
            self._cgroup.remove()  # what the kernel still holds for a moment, the reaper removes at the end
            self._cgroup = None

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
        ended, oom = await self._run(command, stdin, timeout, cwd, env, output_limit, on_output)
        if ended.returncode == 1 and ended.stderr.startswith(b"bwrap: "):
            # Bubblewrap's own trouble, or a command that prints such a line? A command that does nothing tells.
            again, _ = await self._run(["true"], b"", 10.0, None, None, 10_000)
            if again.returncode != 0:
                message = ended.stderr.decode(errors="replace").strip().splitlines()[0]
                raise Failure(Error(kind="sandbox", code="bwrap", message=message, transient=True))
        limit = ended.limit or ("memory" if oom else MET.get(ended.returncode))
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
        write_below(self._open_folder() / "work", path, data)

    async def read_file(self, path: str, *, limit: int = 10_000_000) -> bytes:
        return read_below(self._open_folder() / "work", path, limit=limit)

    async def _run(
        self,
        command: Sequence[str],
        stdin: bytes,
        timeout: float | None,
        cwd: str | None,
        env: Mapping[str, str] | None,
        output_limit: int,
        on_output: Callable[[bytes], None] | None = None,
    ) -> tuple[Ended, bool]:
        self._open_folder()
        group = self._cgroup
        if group:
            group.make_room()
        kills = group.oom_kills() if group else 0
        where = WORKSPACE if cwd in (None, ".", WORKSPACE) else f"{WORKSPACE}/{inside(cwd or '')}"
        arguments = [*self._fixed, "--chdir", where]
        for key, value in (env or {}).items():
            arguments += ["--setenv", key, value]
        line = ["--", *self._limited(), *command]
        timeout = self.spec.wall_seconds if timeout is None else timeout
        watch = self._disk.begin() if self._disk else None
        parked, self._parked = self._parked, None
        if parked is not None and not parked.takes(line):
            parked.close()
            parked = None
        if parked is not None:
            began = time.perf_counter()
            head, contents = self._head(arguments, parked.files)
            process = parked.become([*head, *line], stdin, contents)
            ended = await finish_process(
                process, began, timeout=timeout, output_limit=output_limit, on_output=on_output, watch=watch
            )
        else:
            with ExitStack() as stack:
                descriptors = [stack.enter_context(_memory_file()) for _ in range(_FILES)]
                head, contents = self._head(arguments, descriptors)
                for descriptor, data in zip(descriptors, contents, strict=True):
                    os.write(descriptor, data)
                    os.lseek(descriptor, 0, os.SEEK_SET)
                ended = await run_process(
                    [*(group.enter() if group else ()), *head, *line],
                    env=_OUTSIDE,
                    cwd="/",
                    stdin=stdin,
                    timeout=timeout,
                    output_limit=output_limit,
                    pass_fds=descriptors,
                    on_output=on_output,
                    watch=watch,
                )
        return ended, bool(group and group.oom_kills() > kills)

    def _head(self, arguments: list[str], descriptors: Sequence[int]) -> tuple[list[str], list[bytes]]:
        """Bubblewrap's own command line, and what the descriptors it names have to hold.

        Arguments go by a descriptor, so that the host's paths and the variables' values are on no command line.
        """
        options, filters = descriptors
        program = seccomp_filter()
        if program is not None:
            arguments = [*arguments, "--seccomp", str(filters)]
        contents = ["\0".join(arguments).encode() + b"\0", program or b""]
        return [self._program, "--args", str(options)], contents

    def _limited(self) -> list[str]:
        """The shell inside that sets the limits of single processes and becomes the command."""
        spec, group = self.spec, self._cgroup
        lines = ["ulimit -n 1024", *limits_in_shell(spec)]
        if not (group and group.pids):
            # Set in here, where the user namespace's own processes are counted and not all those of the user.
            lines.append(f"ulimit -u {spec.pids} 2>/dev/null || ulimit -p {spec.pids}")
        if not (group and group.memory):
            lines.append(f"ulimit -d {spec.memory_mb * 1024}")
        return ["/bin/sh", "-c", "; ".join(lines) + '; exec "$@"', "sh"]

    def _arguments(self, folder: Path) -> list[str]:
        spec = self.spec
        (folder / "etc" / "passwd").write_text(f"user:x:1000:1000::{HOME}:/bin/sh\n")
        (folder / "etc" / "group").write_text("user:x:1000:\n")
        (folder / "etc" / "hosts").write_text("127.0.0.1 localhost sandbox\n")
        python = _python()
        found = [
            "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox",
            "--die-with-parent", "--new-session", "--cap-drop", "ALL",
            *(_root(spec.root) if spec.root else _system()),
            "--proc", "/proc", "--dev", "/dev",
            "--size", str(min(spec.disk_mb, 64) << 20), "--tmpfs", "/dev/shm",
            "--remount-ro", "/dev",
        ]  # fmt: skip
        for name in ("passwd", "group", "hosts"):
            found += ["--ro-bind", str(folder / "etc" / name), f"/etc/{name}"]
        for name, target in (("work", WORKSPACE), ("home", HOME), ("tmp", "/tmp")):
            found += ["--bind", str(folder / name), target]
        # After these, since a folder to be shown may lie below one of their places.
        for path in (*((python,) if python and not spec.root else ()), *spec.readonly):
            found += ["--ro-bind", path, path]
        if spec.network == "open":
            found += ["--share-net", "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"]
        if spec.network == "gateway":
            if not spec.gateway_socket:
                raise CapabilityError("a sandbox with network `gateway` needs the gateway's socket (gateway_socket)")
            found += ["--bind", spec.gateway_socket, GATEWAY]
        own = (f"{python}/bin",) if python and not spec.root else ()
        path = ":".join((*spec.path, *own, "/usr/local/bin:/usr/bin:/bin"))
        settings = {"PATH": path, "HOME": HOME,
                    "USER": "user", "LANG": "C.UTF-8", "TMPDIR": "/tmp", **spec.env}  # fmt: skip
        # Started by root, the user inside is root to the kernel's own files: /proc/sys has to be read-only as well.
        found += ["--remount-ro", "/proc", "--remount-ro", "/", "--clearenv"]
        for key, value in settings.items():
            found += ["--setenv", key, value]
        return found

    def _open_folder(self) -> Path:
        if self._folder is None:
            raise Failure(Error(kind="sandbox", code="closed", message="the sandbox is closed"))
        return self._folder


@contextmanager
def _memory_file() -> Iterator[int]:
    """A descriptor of a file in memory."""
    descriptor = os.memfd_create("bwrap")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@lru_cache(maxsize=1)
def _system() -> tuple[str, ...]:
    """Binds of this machine's programs and libraries, and of what in /etc they need; nothing with a secret."""
    found = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            found += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            found += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        found += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return (*found, "--dir", "/var", "--symlink", "/tmp", "/var/tmp", "--dir", "/run")


def _root(root: str) -> tuple[str, ...]:
    """Binds of a folder's content as the root, leaving out what the sandbox has of its own."""
    found: list[str] = []
    for entry in sorted(Path(root).iterdir()):
        if entry.name in ("proc", "dev", "sys", "tmp", "home", "run", "workspace", "etc"):
            continue
        if entry.is_symlink():
            found += ["--symlink", str(entry.readlink()), f"/{entry.name}"]
        else:
            found += ["--ro-bind", str(entry), f"/{entry.name}"]
    for entry in sorted((Path(root) / "etc").glob("*")):
        if entry.name not in ("passwd", "group", "hosts", "resolv.conf") and not entry.is_symlink():
            found += ["--ro-bind", str(entry), f"/etc/{entry.name}"]
    return (*found, "--dir", "/run")


@lru_cache(maxsize=1)
def _python() -> str | None:
    """Where this Python is installed, if the sandbox would not see it anyway."""
    prefix = os.path.realpath(sys.base_prefix)
    return None if prefix == "/usr" or prefix.startswith("/usr/") else prefix
