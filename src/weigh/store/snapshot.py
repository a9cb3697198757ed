"""What a run held at one moment: its Parquet file and the segments that are not in it, open so that they stay readable.

A run may be finished by another process while it is read: segments vanish as Parquet appears. Files are therefore
opened together, and looked at again if the Parquet file changed meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from weigh.records.trial import FAILURES
from weigh.store.duck import connect, fetch, kv_metadata, quoted
from weigh.store.layout import RunFolder
from weigh.store.resolve import Candidate, Cell
from weigh.store.segments import (
    SCORES,
    TRIAL,
    UNREADABLE,
    Head,
    Segment,
    decode_head,
    decode_overlay_head,
    line_problem,
    lines,
    segments,
)

_decode_names = msgspec.json.Decoder(list[str]).decode
Identity = tuple[int, int, int]


def parquet_identity(path: Path) -> Identity | None:
    """Tells one version of a file from another; None when it is not there."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


class OpenSegment(NamedTuple):
    """A segment with the file that keeps it readable."""

    segment: Segment
    file: BinaryIO


class Place(NamedTuple):
    """Where an overlay lies, and the part of it that resolving needs."""

    written: float
    segment: int
    offset: int
    length: int
    status: str | None


class Snapshot:
    """A context manager. `torn`, `corrupt` and `corrupt_segments` are filled by `scan`.

    Args:
        only_dead: Leave out segments that may still grow.

    Attributes:
        folder: The run.
        parquet: The finished trials, if there are any.
        identity: Of that file, when it was opened.
        metadata: The file's own: `rows`, `digest`, `merged` (names of the segments that are in it).
        open_segments: Those that are not in Parquet, oldest first.
        leftovers: Segments that are in Parquet already, and should have been removed.
        alive: How many segments were left out as they may still grow.
        torn, corrupt: A line for people about each such line.
        corrupt_segments: Names of the segments with a corrupt line.
    """

    def __init__(self, folder: RunFolder, *, only_dead: bool = False) -> None:
        self.folder = folder
        self.parquet: Path | None = None
        self.identity: Identity | None = None
        self.metadata: dict[str, str] = {}
        self.open_segments: list[OpenSegment] = []
        self.leftovers: list[Segment] = []
        self.torn: list[str] = []
        self.corrupt: list[str] = []
        self.corrupt_segments: set[str] = set()
        self.alive = 0
        self._connection: Any = None
        self._only_dead = only_dead

    def __enter__(self) -> Snapshot:
        try:
            while not self._open():
                self.close()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all files."""
        for held in self.open_segments:
            held.file.close()
        self.open_segments = []
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> bool:
        path = self.folder.parquet
        self.identity = parquet_identity(path)
        self.parquet = path if self.identity else None
        self.metadata = kv_metadata(self.connection, path) if self.parquet else {}
        merged = set(_decode_names(self.metadata.get("merged", "[]")))
        self.alive, self.leftovers = 0, []
        for segment in segments(self.folder.journal):
            if segment.path.name in merged:
                self.leftovers.append(segment)
            elif self._only_dead and not segment.dead:
                self.alive += 1
            else:
                try:
                    self.open_segments.append(OpenSegment(segment, segment.path.open("rb", buffering=1 << 17)))
                except FileNotFoundError:
                    return False
        self.open_segments.sort(key=lambda s: (s.segment.opened, s.segment.path.name))
        return parquet_identity(path) == self.identity

    @property
    def connection(self) -> Any:
        """DuckDB, started when first needed."""
        if self._connection is None:
            self._connection = connect()
        return self._connection

    def select(self, columns: str, where: str = "true") -> Iterator[Any]:
        """Rows of the Parquet file; nothing when there is none."""
        if self.parquet is None:
            return iter(())
        cursor = self.connection.cursor()
        source = f"{quoted(self.parquet)}, file_row_number=true"
        return fetch(cursor, f"select {columns} from read_parquet({source}) where {where}")

    def trial_lines(self) -> Iterator[tuple[Path, bytes]]:
        """Path of the segment and line of every stored trial, unreadable ones as they are."""
        for held in self.open_segments:
            for line in lines(held.file, stop=held.segment.size):
                if line.data.startswith(TRIAL) and not line.torn:
                    yield held.segment.path, line.data

    def scan(self, places: dict[str, list[Place]] | None = None) -> Iterator[Head]:
        """The cheap part of every trial in the segments; fills `torn` and `corrupt`.

        Args:
            places: Also collects where later scores lie, by trial id; complete, and in order, at the end.
        """
        self.torn, self.corrupt, self.corrupt_segments = [], [], set()
        for index, held in enumerate(self.open_segments):
            path = held.segment.path
            for number, line in enumerate(lines(held.file, stop=held.segment.size), 1):
                data = line.data
                if line.torn:
                    if held.segment.dead:
                        self.torn.append(f"dropped a torn last line of {len(data)} bytes in {path}")
                    continue
                problem = None
                try:
                    if data.startswith(TRIAL):
                        yield decode_head(data)
                    elif data.startswith(SCORES):
                        overlay = decode_overlay_head(data)
                        if places is not None:
                            place = Place(overlay.at, index, line.offset, len(data), overlay.status)
                            places.setdefault(overlay.trial, []).append(place)
                    else:
                        problem = line_problem(data)
                except UNREADABLE as error:
                    problem = str(error)
                if problem:
                    self.corrupt.append(f"{path} line {number}: {problem}")
                    self.corrupt_segments.add(path.name)
        for held_places in (places or {}).values():
            held_places.sort()

    def has_overlays(self) -> bool:
        """Whether any later scores are in the segments."""
        for held in self.open_segments:
            if any(line.data.startswith(SCORES) for line in lines(held.file, stop=held.segment.size)):
                return True
        return False

    def cells(self, places: dict[str, list[Place]]) -> Iterator[Cell]:
        """The cell of every trial, with repeats; fills `places` as `scan` does."""
        yield from self.select("arm, task, variant, instance_id, epoch")
        for head in self.scan(places):
            yield head.cell

    def read_at(self, place: Place) -> bytes:
        """The line of an overlay."""
        return os.pread(self.open_segments[place.segment].file.fileno(), place.length, place.offset)

    def candidates(self, overlays: dict[str, list[Place]]) -> Iterator[Candidate]:
        """Every trial as the rule about doubles sees it."""

        def failed(trial: str, status: str) -> bool:
            later = [p.status for p in overlays.get(trial, ()) if p.status is not None]
            return (later[-1] if later else status) in FAILURES

        columns = "arm, task, variant, instance_id, epoch, written, key, status, started, id"
        for a, t, v, i, e, written, key, status, started, trial in self.select(columns):
            yield Candidate((a, t, v, i, e), written, key, failed(trial, status), started, trial)
        for head in self.scan():
            yield Candidate(head.cell, head.at, head.key, failed(head.id, head.status), head.timing.started, head.id)
