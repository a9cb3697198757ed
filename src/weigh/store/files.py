"""Files that survive a crash: created exclusively with all their content, or replaced in one step, and synced."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from pathlib import Path

from weigh.records.errors import StoreError

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def fsync_folder(path: Path) -> None:
    """Make the names in a folder durable. Filesystems that cannot sync a folder are left alone."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EACCES):
            raise
    finally:
        os.close(handle)


def _write_temporary(path: Path, data: bytes, synced: bool) -> Path:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            if synced:
                os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def create_exclusive(path: Path, data: bytes, *, synced: bool = True) -> bool:
    """Create a file with all its content, or do nothing when it exists already. Returns whether it was created.

    The content is written aside and linked into place, so that nobody ever sees a part of it. Unsynced, it may be lost
    with the machine's power; that is enough for what says something about running processes only.
    """
    if path.exists():
        return False
    temporary = _write_temporary(path, data, synced)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A filesystem without hard links: the name is still exclusive, the content follows a moment later.
        try:
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                if synced:
                    os.fsync(file.fileno())
        except FileExistsError:
            return False
    finally:
        temporary.unlink(missing_ok=True)
    if synced:
        fsync_folder(path.parent)
    return True


def replace_durably(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Replace a file's content in one step; readers see the old or the new, if `synced` also after a power cut."""
    temporary = _write_temporary(path, data, synced)
    temporary.replace(path)
    if synced:
        fsync_folder(path.parent)


def store_error(action: str, path: Path, error: OSError) -> StoreError:
    """The error a user meets when the disk refuses: what was tried, where, and what to do."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = "free some space there (or choose another --store) and repeat the command: it goes on where it stopped"
    else:
        advice = "check the folder and its permissions, then repeat the command"
    return StoreError(f"cannot {action} in {path}: {reason}.\nWhat was stored before is safe; {advice}.")
