"""Finishing a run's journal without paying for it in memory: a large one is merged by a process of its own."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from weigh.records.errors import StoreError
from weigh.store.layout import RunFolder
from weigh.store.parquet import Finished, finish

APART_FROM = 32_000_000
"""Bytes of journal from which merging them in this process would show in its peak memory."""


async def finish_run(folder: RunFolder) -> Finished | None:
    """Merge the journal into Parquet; see `weigh.store.parquet.finish`.

    Raises:
        StoreError: The disk refused; the journal stays.
    """
    size = sum(path.stat().st_size for path in folder.journal.glob("*.jsonl"))
    if size < APART_FROM:
        return await asyncio.to_thread(finish, folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "weigh.store",
        str(folder.path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    if process.returncode != 0:
        reason = errors.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        raise StoreError(f"the run is complete, but its journal could not be merged: {reason}")
    return msgspec.json.decode(out, type=Finished | None)
