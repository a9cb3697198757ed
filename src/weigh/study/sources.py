"""The source of a revision as a folder in the cache: fetched once, named by its content, never changed.

It holds no history: an agent that is to work with a revision must not find the next one in it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from weigh.records.errors import CapabilityError
from weigh.study.cache import locked, studies_dir
from weigh.study.git import Repository
from weigh.study.packages import package_source, source_path
from weigh.study.revisions import Revision, folder_digest, folder_files


def source_of(revision: Revision) -> Path:
    """Where the source of a revision is or would be."""
    if revision.release is not None:
        return source_path(revision.release)
    origin = Path(revision.origin.rstrip("/")).name.removesuffix(".git") or "source"
    return studies_dir("sources", f"{origin}-{revision.id[:16]}")


async def fetch_source(revision: Revision) -> Path:
    """The source of a revision, fetched if it is not here.

    Raises:
        CapabilityError: It cannot be had.
    """
    if revision.release is not None:
        return await package_source(revision.release)
    target = source_of(revision)
    async with locked(target):
        if target.is_dir():
            return target
        work = target.with_name(target.name + ".part")
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            if revision.kind == "commit":
                await Repository(revision.origin, Path.cwd()).export(revision.id, work)
            else:
                files = await folder_files(Path(revision.origin))
                await asyncio.to_thread(copy_files, Path(revision.origin), work, files)
                if await folder_digest(work, files) != revision.digest:
                    raise CapabilityError(
                        f"revision {revision.name}: {revision.origin} has changed since this was planned; run it again"
                    )
            work.rename(target)
        except OSError as error:
            raise CapabilityError(f"the source of revision {revision.name}: {error}") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    return target


async def source_has(revision: Revision, path: str) -> bool:
    """Whether the source of a revision has a file or folder; for a commit nothing is fetched for it.

    Raises:
        CapabilityError: The source cannot be had.
    """
    if revision.kind == "commit" and not source_of(revision).is_dir():
        return await Repository(revision.origin, Path.cwd()).has(revision.id, path)
    if revision.kind == "folder":
        return (Path(revision.origin) / path).exists()
    return (await fetch_source(revision) / path).exists()


def copy_files(source: Path, target: Path, files: Sequence[str]) -> None:
    """Copy some files of a folder, links as they are."""
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name, follow_symlinks=False)
