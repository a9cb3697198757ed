"""Virtual environments of their own for programs that are not ours: pinned packages, made once, kept in the cache.

An environment is named by its packages and the interpreter, so another pin is another environment. It is made under a
lock, in place (an environment cannot be moved), and counts only once its last file is written.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from weigh.execute.models import cache_dir
from weigh.execute.sandboxes.folder import home
from weigh.execute.sandboxes.process import run_process
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError

INSTALL_SECONDS = 1800.0
_READY = "weigh-ready.json"


class Venv(msgspec.Struct, frozen=True):
    """An environment that is ready.

    Attributes:
        path: Its folder.
        packages: All that is installed, `name==version`.
    """

    path: str
    packages: tuple[str, ...] = ()

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(Path(self.path) / "bin" / "python")


def base_python() -> str:
    """The interpreter that this process's environment was made from; it has none of our packages."""
    return os.path.realpath(sys.executable)


def venv_path(packages: Sequence[str]) -> Path:
    """Where the environment of these packages is or would be."""
    name = packages[0].split("==")[0].split("[")[0]
    key = digest([sorted(packages), base_python(), sys.version_info[:3]], size=4)
    return cache_dir().parent / "programs" / f"{name}-{key}"


def find_venv(packages: Sequence[str], path: Path | None = None) -> Venv | None:
    """The environment, if it is there and whole."""
    try:
        return msgspec.json.decode(((path or venv_path(packages)) / _READY).read_bytes(), type=Venv)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None


async def install_venv(packages: Sequence[str], path: Path | None = None) -> Venv:
    """Make the environment, or return it if it is there.

    Args:
        path: Where, instead of the place that its packages name.

    Raises:
        CapabilityError: The packages cannot be installed; says pip's last line.
    """
    import fcntl

    path = path or venv_path(packages)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f"{path.name}.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        found = find_venv(packages, path)
        if found is not None:
            return found
        shutil.rmtree(path, ignore_errors=True)
        try:
            held = lock.fileno()
            await _run([base_python(), "-m", "venv", str(path)], packages, held)
            pip = [str(path / "bin" / "python"), "-m", "pip"]
            await _run([*pip, "install", "--quiet", "--disable-pip-version-check", *packages], packages, held)
            frozen = await _run([*pip, "list", "--format=freeze"], packages, held)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        venv = Venv(path=str(path), packages=tuple(frozen.split()))
        (path / _READY).write_bytes(msgspec.json.encode(venv))
        return venv


async def _run(command: Sequence[str], packages: Sequence[str], lock: int) -> str:
    # pip needs the user's settings (index, proxy, certificates); it is the user's own action, not a program under test.
    # It holds the lock too: whoever comes after a process that was killed waits until the reaper has ended its pip.
    env = {**os.environ, **home().environment()}
    ended = await run_process(command, env=env, timeout=INSTALL_SECONDS, pass_fds=(lock,))
    if ended.returncode != 0:
        lines = [line for line in ended.stderr.decode(errors="replace").splitlines() if "WARNING" not in line]
        reason = ended.limit or (lines[-1] if lines else f"exit code {ended.returncode}")
        raise CapabilityError(f"cannot install {', '.join(packages)}: {reason}")
    return ended.stdout.decode(errors="replace")
