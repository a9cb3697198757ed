"""Who holds something: a process on a host, recognisable after it died and its number was given to another."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from pathlib import Path

import msgspec


class Owner(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process.

    Attributes:
        host: Host name, boot and process namespace; process numbers mean something only within the same one.
        pid: Process number.
        start: When it started, as the system counts it; None where that cannot be known.
    """

    host: str
    pid: int
    start: str | None = None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


@functools.cache
def this_host() -> str:
    """Names this host, boot and process namespace."""
    boot = _read("/proc/sys/kernel/random/boot_id").strip()[:8]
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        namespace = ""
    return "/".join((platform.node(), boot, namespace))


def _start_of(pid: int) -> str | None:
    stat = _read(f"/proc/{pid}/stat")
    if stat:  # the command's name may hold blanks and brackets; fields are counted from the last bracket
        return stat.rpartition(")")[2].split()[19]
    if Path("/proc/self/stat").exists():
        return None
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def this_process() -> Owner:
    """The process that asks (not cached: it may have forked)."""
    pid = os.getpid()
    return Owner(host=this_host(), pid=pid, start=_start_of(pid))


def is_dead(owner: Owner) -> bool | None:
    """Whether a process has ended; None when that cannot be known from here (another host or namespace)."""
    if owner.host != this_host():
        return None
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, and belongs to another user
    start = _start_of(owner.pid)
    if _read(f"/proc/{owner.pid}/stat").rpartition(")")[2][:3] == " Z ":
        return True  # ended, and not yet waited for by its parent
    return owner.start is not None and start is not None and start != owner.start
