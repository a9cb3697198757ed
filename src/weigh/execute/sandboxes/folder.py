"""The host's side of a sandbox's files: one folder each, and reading from it without being led astray.

Code in the sandbox can put links, pipes and devices where a file is expected. A path is therefore walked one part at a
time below an open directory, no link is followed, `..` is refused, and only regular files are read.

All folders of one process live below one home. It goes when the process ends; a small reaper, which notices the end
of the process by its pipe, also removes it (and kills what still runs) after a kill -9. What lies elsewhere and must
not outlive the process either (control groups, the gateway's socket, an installation under way) is told to the reaper.
"""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath

from weigh.execute.sandboxes.spec import WORKSPACE
from weigh.records.errors import Error, Failure

MARKER = "WEIGH_SANDBOX"

_REAPER = r"""
import os, shutil, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
sys.stdin.buffer.read()
home, marker = sys.argv[1], sys.argv[2].encode()
for _ in range(20):
    found = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open("/proc/%s/environ" % name, "rb") as file:
                    if marker in file.read().split(b"\0"):
                        os.kill(int(name), signal.SIGKILL)
                        found += 1
            except OSError:
                pass
    if not found:
        break
def noted(name):
    try:
        return open(os.path.join(home, name)).read().splitlines()
    except OSError:
        return []
groups = noted("cgroups")
for group in groups:
    try:
        for pid in open(os.path.join(group, "cgroup.procs")).read().split():
            os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass
for folder in (*noted("folders"), home):
    shutil.rmtree(folder, ignore_errors=True)
import time
for _ in range(50):
    groups = [group for group in groups if os.path.isdir(group)]
    for group in groups:
        try:
            os.rmdir(group)
        except OSError:
            pass
    if not groups:
        break
    time.sleep(0.02)
"""


class Home:
    """The folder below which all sandboxes of this process keep their files."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="weigh-sandboxes-")).resolve()
        self.marker = self.path.name
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _REAPER, str(self.path), f"{MARKER}={self.marker}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
        atexit.register(self.close)

    def make(self) -> Path:
        """A new, empty folder."""
        return Path(tempfile.mkdtemp(dir=self.path))

    def note_cgroup(self, path: Path) -> None:
        """Have the reaper remove this control group as well."""
        self._note("cgroups", path)

    def note_folder(self, path: Path) -> None:
        """Have the reaper remove this folder as well, if it is still there then."""
        self._note("folders", path)

    def environment(self) -> dict[str, str]:
        """A variable by which the reaper knows a process, and its children, that must end with this one (Linux)."""
        return {MARKER: self.marker}

    def _note(self, name: str, path: Path) -> None:
        with (self.path / name).open("a") as file:
            file.write(f"{path}\n")

    def close(self) -> None:
        """Let the reaper do its work, and wait for it."""
        if self._reaper.stdin and not self._reaper.stdin.closed:
            self._reaper.stdin.close()
            try:
                self._reaper.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._reaper.kill()
                self._reaper.wait()


@lru_cache(maxsize=1)
def _home(pid: int) -> Home:
    return Home()


def home() -> Home:
    """This process's home for sandboxes, made when it is first needed."""
    return _home(os.getpid())


def remove_folder(path: Path) -> None:
    """Remove a folder with all it holds, whatever its permissions have been set to."""

    def mend(function: object, name: str, error: object) -> None:
        for entry in (Path(name).parent, Path(name)):
            try:
                if not entry.is_symlink() and entry.is_dir():
                    entry.chmod(0o700)
            except OSError:
                pass

    # A folder without permissions is mended where it stops the first pass, and goes in a later one.
    for _ in range(20):
        shutil.rmtree(path, onerror=mend)
        if not path.exists():
            return


def inside(path: str) -> PurePosixPath:
    """A path below the workspace, relative to it. Raises `Failure` for one that leaves it."""
    pure = PurePosixPath(path)
    if pure.is_absolute():
        try:
            pure = pure.relative_to(WORKSPACE)
        except ValueError:
            raise refused(path, f"is not below {WORKSPACE}") from None
    if ".." in pure.parts or "\0" in path:
        raise refused(path, "leaves the workspace")
    if not pure.parts:
        raise refused(path, "names no file")
    return pure


def refused(path: str, why: str) -> Failure:
    """The failure of a path that is not served."""
    return Failure(Error(kind="sandbox", code="path", message=f"path {path!r} {why}"))


def write_below(root: Path, path: str, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file below a folder, making the folders on the way; no link is followed."""
    with _parent(root, path, create=True) as (folder, name):
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with _open(path, name, flags, folder, mode) as descriptor:
            os.ftruncate(descriptor, 0)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]


def read_below(root: Path, path: str, *, limit: int) -> bytes:
    """Read a regular file below a folder; no link is followed. Raises `Failure` where there is none or it is larger."""
    with _parent(root, path, create=False) as (folder, name):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with _open(path, name, flags, folder) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise refused(path, f"is larger than {limit} bytes")
    return data


class DiskWatch:
    """Tells when a folder holds too much. One that is over already may be cleaned up: only more is too much then."""

    def __init__(self, root: Path, *, size: int, files: int) -> None:
        self._root, self._size, self._files = root, size, files
        self._over = False

    def begin(self) -> Callable[[], str | None]:
        """Start to watch one command: what is returned gives `disk`, `files` or None."""
        size, files = self._size, self._files
        if self._over:
            held, count = _count(self._root, 1 << 62, 1 << 62)
            size, files = max(size, held), max(files, count)

        def look() -> str | None:
            held, count = _count(self._root, size, files)
            self._over = held > self._size or count > self._files
            return "disk" if held > size else "files" if count > files else None

        return look


def _count(root: Path, size: int, files: int) -> tuple[int, int]:
    """Bytes and entries of a folder; stops counting as soon as either is over its limit."""
    total = count = 0
    todo = [str(root)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    count += 1
                    facts = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(facts.st_mode):
                        todo.append(entry.path)
                    else:
                        total += facts.st_blocks * 512
                    if count > files or total > size:
                        return total, count
        except OSError:
            continue  # it went, or was closed, while we looked
    return total, count


@contextmanager
def _parent(root: Path, path: str, *, create: bool) -> Iterator[tuple[int, str]]:
    """An open descriptor of the folder that holds a path, and the last part of it."""
    *folders, name = inside(path).parts
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(root, flags)
    try:
        for part in folders:
            if create:
                try:
                    os.mkdir(part, 0o755, dir_fd=folder)
                except FileExistsError:
                    pass
            try:
                below = os.open(part, flags, dir_fd=folder)
            except OSError as error:
                raise _translated(path, error) from None
            os.close(folder)
            folder = below
        yield folder, name
    finally:
        os.close(folder)


@contextmanager
def _open(path: str, name: str, flags: int, folder: int, mode: int = 0o600) -> Iterator[int]:
    try:
        descriptor = os.open(name, flags, mode, dir_fd=folder)
    except OSError as error:
        raise _translated(path, error) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise refused(path, "is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _translated(path: str, error: OSError) -> Failure:
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
        return refused(path, "goes through a link or something that is no folder")
    if error.errno == errno.ENOENT:
        return Failure(Error(kind="sandbox", code="no_file", message=f"there is no file {path!r} in the workspace"))
    if error.errno in (errno.ENXIO, errno.EISDIR):
        return refused(path, "is not a regular file")
    return refused(path, f"cannot be opened: {error.strerror}")
