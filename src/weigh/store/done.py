"""What a run has already: cell -> key, status and scorers. Small, and quick to bring up to date.

Cells are kept by a hash; statuses and scorers, of which there are few different ones, are shared. New lines of other
writers are read from where the last look ended.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from weigh.records.trial import FAILURES
from weigh.store.layout import RunFolder
from weigh.store.resolve import Cell
from weigh.store.segments import (
    SCORES,
    TRIAL,
    UNREADABLE,
    Head,
    OverlayHead,
    decode_head,
    decode_overlay_head,
    lines,
    segments,
)
from weigh.store.snapshot import Snapshot, parquet_identity

_decode_scorers = msgspec.json.Decoder(dict[str, str]).decode


class DoneCell(NamedTuple):
    """What is stored for a cell.

    Attributes:
        key: The generation key.
        status: As in `Trial.status`.
        scorers: Scorer name -> digest.
        error_kind: Of a failure.
        trial: The trial's id.
    """

    key: str
    status: str
    scorers: dict[str, str]
    error_kind: str | None
    trial: str


class _Shared(NamedTuple):
    status: str
    scorers: dict[str, str]
    error_kind: str | None

    @property
    def failed(self) -> bool:
        return self.status in FAILURES


class Done:
    """`done.get(cell)`, `cell in done`, `len(done)`; made by `done(folder)`."""

    def __init__(self, folder: RunFolder, *, skip: str | None = None) -> None:
        self._folder = folder
        self._skip = f"{skip}.jsonl" if skip else None
        self._cells: dict[bytes, tuple[str, _Shared, str]] = {}
        self._shared: dict[object, _Shared] = {}
        self._offsets: dict[str, int] = {}
        self._merged: frozenset[str] = frozenset()
        self._identity: object = ()
        self._overlays: list[OverlayHead] = []
        self._second: dict[bytes, tuple[str, _Shared, str]] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def failed(self) -> int:
        """How many cells hold a failure."""
        return sum(shared.failed for _, shared, _ in self._cells.values())

    def __contains__(self, cell: Cell) -> bool:
        return _mark(cell) in self._cells

    def get(self, cell: Cell) -> DoneCell | None:
        """What is stored for a cell (`Cell.identity`, `Trial.cell`), failures included."""
        entry = self._cells.get(_mark(cell))
        if entry is None:
            return None
        key, shared, trial = entry
        return DoneCell(key, shared.status, shared.scorers, shared.error_kind, trial)

    def refresh(self) -> None:
        """Take in what other writers have appended since; cheap. Call it after each claim of a lease."""
        path = self._folder.parquet
        while True:
            identity = parquet_identity(path)
            if identity != self._identity:
                self._load_parquet()
                self._identity = identity
            try:
                self._read_segments()
            except FileNotFoundError:
                self._identity = ()
                continue
            if parquet_identity(path) == identity:
                break
        self._apply_overlays()

    def _load_parquet(self) -> None:
        self._cells, self._offsets, self._overlays, self._second = {}, {}, [], {}
        self._merged = frozenset()
        if not self._folder.parquet.exists():
            return
        with Snapshot(self._folder) as snapshot:
            self._merged = frozenset(s.path.name for s in snapshot.leftovers)
            columns = "arm, task, variant, instance_id, epoch, key, status, error_kind, scorers, id"
            for a, t, v, i, e, key, status, kind, scorers, trial in snapshot.select(columns, "superseded is null"):
                shared = self._shared.get((status, kind, scorers))
                if shared is None:
                    shared = _Shared(status, _decode_scorers(scorers), kind)
                    self._shared[status, kind, scorers] = shared
                self._cells[_mark((a, t, v, i, e))] = (key, shared, trial)

    def _read_segments(self) -> None:
        found = [s for s in segments(self._folder.journal) if s.path.name not in self._merged]
        for segment in sorted(found, key=lambda s: (s.opened, s.path.name)):
            name = segment.path.name
            start = self._offsets.get(name, 0)
            if name == self._skip or segment.size <= start:
                continue
            with segment.path.open("rb", buffering=1 << 17) as file:
                for line in lines(file, start, segment.size):
                    if line.torn:
                        break
                    self._offsets[name] = line.offset + len(line.data)
                    try:
                        if line.data.startswith(TRIAL):
                            self._add(decode_head(line.data))
                        elif line.data.startswith(SCORES):
                            self._overlays.append(decode_overlay_head(line.data))
                    except UNREADABLE:
                        continue  # not readable is not done: the cell is run again, and `verify` tells of the line

    def _add(self, head: Head) -> None:
        mark = _mark(head.cell)
        old = self._cells.get(mark)
        scorers = {name: score.digest for name, score in head.scores.items()}
        shared = self._share(head.status, scorers, head.error.kind if head.error else None)
        if old is not None and old[0] == head.key and not old[1].failed:
            # An outcome counts before a failure, and the earlier one before the later; but scoring may yet turn the
            # earlier one into a failure (`_apply_overlays`).
            if not shared.failed:
                self._second.setdefault(mark, (head.key, shared, head.id))
            return
        self._cells[mark] = (head.key, shared, head.id)

    def _share(self, status: str, scorers: dict[str, str], kind: str | None) -> _Shared:
        known = (status, kind, tuple(scorers.items()))
        return self._shared.setdefault(known, _Shared(status, scorers, kind))

    def _apply_overlays(self) -> None:
        if not self._overlays:
            return
        wanted = {overlay.trial for overlay in self._overlays}
        marks = {entry[2]: mark for mark, entry in self._cells.items() if entry[2] in wanted}
        left = []
        for overlay in sorted(self._overlays, key=lambda o: o.at):
            mark = marks.get(overlay.trial)
            if mark is None:
                left.append(overlay)  # its trial may come with a later look
                continue
            key, shared, trial = self._cells[mark]
            scorers = {**shared.scorers, **{name: score.digest for name, score in overlay.scores.items()}}
            status, kind = shared.status, shared.error_kind
            if overlay.status is not None:
                status, kind = overlay.status, overlay.error.kind if overlay.error else None
            self._cells[mark] = (key, self._share(status, scorers, kind), trial)
        for mark in [m for m in self._second if self._cells[m][1].failed and self._cells[m][0] == self._second[m][0]]:
            self._cells[mark] = self._second.pop(mark)
        self._overlays = left


def done(folder: RunFolder, *, skip: str | None = None) -> Done:
    """Read what a run has. `skip`: a writer id whose lines need not be looked at (one's own)."""
    return Done(folder, skip=skip)


def _mark(cell: Cell) -> bytes:
    return hashlib.blake2b(repr(cell).encode("utf-8", "surrogatepass"), digest_size=16).digest()
