"""Where studies keep what they make (repositories, sources, installations), and how processes share it."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from weigh.execute.models import cache_dir

POLL_SECONDS = 0.1


def studies_dir(*parts: str) -> Path:
    """The folder of studies in the cache, or one below it; it need not exist."""
    return cache_dir().parent.joinpath("studies", *parts)


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[int]:
    """Hold the lock of a file or folder of the cache, against other processes and other tasks of this one.

    The lock goes with the process that holds it, however that ends. It gives the lock's descriptor: a program that
    inherits it (and works on what is locked) holds the lock too, for as long as it outlives a process that was killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(POLL_SECONDS)
        try:
            yield lock.fileno()
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
