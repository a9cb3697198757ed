"""Limits of memory and processes for a whole tree, where this machine lets us make control groups.

Version 1 (one hierarchy for each controller) and version 2 (one for all) are tried below our own group and then below
the root. Where neither is writable there is no group, and resource limits of single processes have to do.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class Cgroup:
    """A control group for one sandbox.

    Attributes:
        folders: Where a process has to be entered (`cgroup.procs`) before it starts anything.
        memory, pids: Whether each of them is limited.
    """

    def __init__(self, *, memory_mb: int, pids: int) -> None:
        name = f"weigh-{secrets.token_hex(6)}"
        self.folders: list[Path] = []
        self.memory = self.pids = False
        self._events: Path | None = None
        parents = cgroup_parents()
        for parent in dict.fromkeys(parents.values()):
            (parent / name).mkdir()
            self.folders.append(parent / name)
        if "memory" in parents:
            folder = parents["memory"] / name
            one = (folder / "memory.limit_in_bytes").exists()
            _write(folder / ("memory.limit_in_bytes" if one else "memory.max"), memory_mb << 20)
            for swap, value in (("memory.memsw.limit_in_bytes", memory_mb << 20), ("memory.swap.max", 0)):
                if (folder / swap).exists():
                    _write(folder / swap, value)
            self._events = folder / ("memory.oom_control" if one else "memory.events")
            self.memory = True
        if "pids" in parents:
            self._pids_folder, self._pids, self._dead = parents["pids"] / name, pids, 0
            _write(self._pids_folder / "pids.max", pids)
            self.pids = True

    def oom_kills(self) -> int:
        """How many processes of the group the memory limit has killed so far."""
        if self._events is None:
            return 0
        for line in self._events.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def make_room(self) -> None:
        """Raise the limit of processes by those that are dead and still counted; to be called before a command.

        Bubblewrap ends before its child in the new process namespace is reaped; that is then left to the machine's
        first process, which in a container may come to it late or never.
        """
        if not self.pids:
            return
        folder = self._pids_folder
        names = ("tasks", "cgroup.threads")
        alive = next((folder / name).read_text().count("\n") for name in names if (folder / name).exists())
        dead = max(0, int((folder / "pids.current").read_text()) - alive)
        if dead != self._dead:
            _write(folder / "pids.max", self._pids + dead)
            self._dead = dead

    def entry(self) -> str:
        """Shell text by which a shell enters the group."""
        return " && ".join(f"echo 0 > {folder}/cgroup.procs" for folder in self.folders)

    def enter(self) -> list[str]:
        """The beginning of a command line that enters the group before it becomes the rest of the line."""
        return ["/bin/sh", "-c", f'{self.entry()} && exec "$@"', "sh"]

    def remove(self) -> bool:
        """Remove the group; False while the kernel still counts something in it."""
        left = []
        for folder in self.folders:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                left.append(folder)
        self.folders = left
        return not left


@lru_cache(maxsize=1)
def cgroup_parents() -> dict[str, Path]:
    """Below which groups one of ours can be made, by controller (`memory`, `pids`); empty where none can."""
    if not _ROOT.is_dir():
        return {}
    own = _own_groups()
    found: dict[str, Path] = {}
    for controller, file in (("memory", "memory.limit_in_bytes"), ("pids", "pids.max")):
        mount = _ROOT / controller
        if (mount / "cgroup.procs").exists():
            for parent in (mount / own.get(controller, "").lstrip("/"), mount):
                if _works(parent, file):
                    found[controller] = parent
                    break
    for mount in (_ROOT, _ROOT / "unified"):
        if found or not (mount / "cgroup.controllers").exists():
            continue
        here = mount / own.get("", "").lstrip("/")
        for parent in (here, here.parent, mount):
            if parent.is_relative_to(mount) and _works(parent, "memory.max") and _works(parent, "pids.max"):
                return {"memory": parent, "pids": parent}
    return found


def _own_groups() -> dict[str, str]:
    """Our own group in each hierarchy, by controller; the empty name is version 2's."""
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _works(parent: Path, file: str) -> bool:
    """Whether a group below this one can be made, limited, and entered by a child of ours."""
    trial = parent / f"weigh-probe-{secrets.token_hex(4)}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        return os.access(trial / file, os.W_OK) and os.access(trial / "cgroup.procs", os.W_OK)
    finally:
        trial.rmdir()


def _write(path: Path, value: int) -> None:
    path.write_text(str(value))
