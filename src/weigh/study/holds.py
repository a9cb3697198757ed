"""Who uses what lies in the cache of studies: a mark for each user, locked for as long as it is used.

The lock goes with the process that holds it, however that ends, so a mark without one is nobody's any more. Marks are
made and looked for while the thing itself is locked: what is in use cannot be removed, and what is being removed cannot
come into use.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import IO

from weigh.study.cache import studies_dir

_STUDIES = "studies"


class Hold:
    """A mark that something of the cache is in use. Made while the caller has `locked` it; released on leaving.

    Args:
        path: What is used.
        who: Who uses it, for people (`run tables-b8a34e4e`).
        study: The file of the study, remembered after the use.
    """

    def __init__(self, path: Path, who: str, study: str = "") -> None:
        folder = _marks(path)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._file: IO[str] | None = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.write(f"{who} (process {os.getpid()})" + (f" of {study}" if study else ""))
        self._file.flush()
        if study and study not in studies_of(path):
            with (folder / _STUDIES).open("a") as known:
                known.write(f"{study}\n")

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def users_of(path: Path) -> list[str]:
    """Who uses something of the cache now, for people. Marks that nobody holds any more are removed."""
    found = []
    for mark in sorted(_marks(path).glob("[0-9]*-*")):
        try:
            with mark.open("r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.append(file.read() or "a process that has just begun")
                    continue
                mark.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
    return found


def studies_of(path: Path) -> list[str]:
    """The files of the studies that have ever used it."""
    known = _marks(path) / _STUDIES
    return known.read_text().splitlines() if known.is_file() else []


def _marks(path: Path) -> Path:
    return studies_dir("in-use", path.parent.name, path.name)
