"""Follow a run while it grows: what came since the last look, and where each trial lies, at the cost of the new lines.

A look compares sizes first; only a journal that grew is read, from where the last look ended. Counts go by cell, so a
trial that failed and was run again counts once, as what it ended as. Nothing is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from weigh.records.errors import StoreError
from weigh.records.trial import FAILURES, Trial
from weigh.store.duck import connect, fetch, kv_metadata, quoted
from weigh.store.layout import RunFolder
from weigh.store.owner import is_dead
from weigh.store.resolve import Cell
from weigh.store.segments import (
    ABANDONED_AFTER,
    SCORES,
    TRIAL,
    UNREADABLE,
    decode_head,
    decode_overlay,
    decode_overlay_head,
    lines,
    segments,
    untagged,
)
from weigh.store.snapshot import parquet_identity

_decode_trial = msgspec.json.Decoder(Trial).decode
_decode_names = msgspec.json.Decoder(list[str]).decode


class Seen(NamedTuple):
    """The trial that counts for a cell. `started` is Unix time."""

    trial: str
    status: str
    error_kind: str | None
    started: float

    @property
    def failed(self) -> bool:
        """As `Trial.failed`."""
        return self.status in FAILURES


class _Place(NamedTuple):
    path: Path
    offset: int
    length: int


class Follower:
    """One run, followed. Not safe for threads: let one thread at a time use it.

    Attributes:
        folder: The run's.
        cells: What counts for each cell so far.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.cells: dict[Cell, Seen] = {}
        self._signature: object = None
        self._parquet: object = None
        self._merged: frozenset[str] = frozenset()
        self._offsets: dict[str, int] = {}
        self._places: dict[str, _Place] = {}
        self._overlays: dict[str, list[_Place]] = {}
        self._by_trial: dict[str, Cell] = {}

    def look(self) -> bool:
        """Take in what came since the last look; False when nothing changed.

        Raises:
            StoreError: The run cannot be read.
        """
        try:
            signature = self._sign()
            if signature == self._signature:
                return False
            if parquet_identity(self.folder.parquet) != self._parquet:
                self._restart()
            for segment in segments(self.folder.journal):
                if segment.path.name not in self._merged:
                    self._read(segment.path)
        except OSError as error:
            raise StoreError(f"cannot read {self.folder.path}: {error.strerror}") from error
        self._signature = signature
        return True

    @property
    def is_running(self) -> bool:
        """Whether somebody is writing to it, as far as can be told from here."""
        for segment in segments(self.folder.journal):
            if segment.closed or segment.path.name in self._merged:
                continue
            ended = is_dead(segment.owner) if segment.owner else None
            if ended is False:
                return True
            if ended is None:
                try:
                    if time.time() - segment.path.stat().st_mtime < ABANDONED_AFTER:
                        return True
                except FileNotFoundError:
                    continue
        return False

    def record(self, trial: str) -> bytes | None:
        """A trial as JSON, with its later scores; None when the run has none of this id."""
        place = self._places.get(trial)
        data = self._at(place) if place is not None else None
        record = untagged(data)[1] if data is not None else self._stored(trial)
        overlays = [line for p in self._overlays.get(trial, ()) if (line := self._at(p)) is not None]
        if record is None or not overlays:
            return record
        made = _decode_trial(record)
        for overlay in sorted(map(decode_overlay, overlays), key=lambda o: o.at):
            made = msgspec.structs.replace(made, scores={**made.scores, **overlay.scores})
            if overlay.status is not None:
                made = msgspec.structs.replace(made, status=overlay.status, error=overlay.error)
        return msgspec.json.encode(made)

    def _sign(self) -> object:
        found = []
        for folder in (self.folder.journal, self.folder.path / "invocations"):
            try:
                with os.scandir(folder) as entries:
                    found += sorted((e.name, e.stat().st_size) for e in entries if not e.name.startswith("."))
            except FileNotFoundError:
                continue
        return found, parquet_identity(self.folder.parquet)

    def _restart(self) -> None:
        """Begin anew from the finished trials: a merge moves trials from the journal into them."""
        self.cells, self._offsets, self._places, self._overlays, self._by_trial = {}, {}, {}, {}, {}
        self._merged = frozenset()
        self._parquet = parquet_identity(self.folder.parquet)
        if self._parquet is None:
            return
        with connect() as connection:
            metadata = kv_metadata(connection, self.folder.parquet)
            self._merged = frozenset(_decode_names(metadata.get("merged", "[]")))
            query = (
                "select arm, task, variant, instance_id, epoch, id, status, error_kind, started "
                f"from read_parquet({quoted(self.folder.parquet)}) where superseded is null"
            )
            for arm, task, variant, instance, epoch, trial, status, kind, started in fetch(connection, query):
                self._take((arm, task, variant or "", instance, epoch), Seen(trial, status, kind, started or 0.0))

    def _read(self, path: Path) -> None:
        begin = self._offsets.get(path.name, 0)
        try:
            file = path.open("rb", buffering=1 << 17)
        except FileNotFoundError:
            return  # merged a moment ago; the next look sees the Parquet file
        with file:
            if os.fstat(file.fileno()).st_size == begin:
                return
            for line in lines(file, begin):
                if line.torn:
                    break
                self._offsets[path.name] = line.offset + len(line.data)
                try:
                    self._line(_Place(path, line.offset, len(line.data)), line.data)
                except UNREADABLE:
                    continue  # `weigh runs verify` tells of it; here it is no trial to show

    def _line(self, place: _Place, data: bytes) -> None:
        if data.startswith(TRIAL):
            head = decode_head(data)
            self._places[head.id] = place
            kind = head.error.kind if head.error else None
            self._take(head.cell, Seen(head.id, head.status, kind, head.timing.started))
        elif data.startswith(SCORES):
            overlay = decode_overlay_head(data)
            self._overlays.setdefault(overlay.trial, []).append(place)
            cell = self._by_trial.get(overlay.trial)
            if cell is not None and overlay.status is not None:
                seen = self.cells[cell]
                kind = overlay.error.kind if overlay.error else None
                self.cells[cell] = seen._replace(status=overlay.status, error_kind=kind)

    def _take(self, cell: Cell, seen: Seen) -> None:
        known = self.cells.get(cell)
        if known is None or known.failed or not seen.failed:
            self.cells[cell] = seen
            self._by_trial[seen.trial] = cell

    def _at(self, place: _Place) -> bytes | None:
        try:
            with place.path.open("rb") as file:
                return os.pread(file.fileno(), place.length, place.offset)
        except FileNotFoundError:
            return None  # merged since; `_stored` has it

    def _stored(self, trial: str) -> bytes | None:
        if parquet_identity(self.folder.parquet) is None:
            return None
        with connect() as connection:
            query = f"select record from read_parquet({quoted(self.folder.parquet)}) where id = ?"
            found: Iterator[tuple[str]] = fetch(connection, query, [trial])
            return next((record.encode() for (record,) in found), None)
