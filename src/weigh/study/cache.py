"""Where studies keep what they make (repositories, sources, installations), and how processes share it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from weigh.execute.models import cache_dir

POLL_SECONDS = 0.1


def studies_dir(*parts: str) -> Path:
    """The folder of studies in the cache, or one below it; it need not exist."""
    return cache_dir().parent.joinpath("studies", *parts)


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold the lock of a file or folder of the cache, against other processes and other tasks of this one.

    The lock goes with the process that holds it, however that ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(path.name + ".lock"))
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            await asyncio.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
