"""Reuse across runs: finds what the same arm has already generated anywhere in the store.

Only a hash of each key and a place are kept. A finished run is read a chunk of rows at a time when one of its trials is
asked for, and the chunk is spooled to a temporary file: neighbouring cells are asked for together, and none is
unpacked twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from weigh.records.run import Run
from weigh.records.trial import Trial
from weigh.store.duck import connect, fetch, quoted
from weigh.store.layout import RunFolder, Store
from weigh.store.reader import ReadReport, read_stored
from weigh.store.snapshot import Snapshot

CHUNK = 2048
"""Rows read at once; as many as a row group has."""

_decode_trial = msgspec.json.Decoder(Trial).decode
_encode = msgspec.json.Encoder().encode


class _Place(NamedTuple):
    source: int
    row: int


class _Source:
    """One run: where its records lie in the spool, as far as they have been spooled."""

    def __init__(self, run: str, parquet: Path | None) -> None:
        self.run = run
        self.parquet = parquet
        self.places: dict[int, tuple[int, int]] = {}


class Generations:
    """What runs of the same arms have generated, by key. Made by `find_generations`; close it, or use `with`."""

    def __init__(self) -> None:
        self._places: dict[bytes, _Place] = {}
        self._sources: list[_Source] = []
        self._spool: IO[bytes] | None = None

    def __enter__(self) -> Generations:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return _pack(key) in self._places

    def lookup(self, keys: Collection[str]) -> dict[str, tuple[str, Trial]]:
        """Key -> (run id, trial), for those that are there. Ask for a block at a time, to keep memory flat."""
        wanted = {key: place for key in keys if (place := self._places.get(_pack(key))) is not None}
        missing: dict[int, set[int]] = {}
        for place in wanted.values():
            if place.row not in self._sources[place.source].places:
                missing.setdefault(place.source, set()).add(place.row // CHUNK)
        for source, chunks in missing.items():
            self._unpack(self._sources[source], chunks)
        found = {}
        for key, place in wanted.items():
            trial = self._read(place)
            if trial is not None and trial.key == key:  # else its run was finished anew since, and the rows moved
                found[key] = (self._sources[place.source].run, trial)
        return found

    def close(self) -> None:
        """Remove the spool."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def add_run(self, folder: RunFolder, arms: Collection[str]) -> None:
        """Index the outcomes of some arms of a run; keys that are known already keep their place."""
        with Snapshot(folder) as snapshot:
            number = len(self._sources)
            if snapshot.open_segments:
                self._sources.append(_Source(folder.run.id, None))
                self._add_rows(snapshot, number, arms)
            elif snapshot.parquet:
                self._sources.append(_Source(folder.run.id, snapshot.parquet))
                listed = ", ".join(quoted(arm) for arm in sorted(arms))
                condition = f"superseded is null and status not in ('error', 'empty') and arm in ({listed})"
                for row, key in snapshot.select("file_row_number, key", condition):
                    self._places.setdefault(_pack(key), _Place(number, row))

    def _add_rows(self, snapshot: Snapshot, number: int, arms: Collection[str]) -> None:
        for row, stored in enumerate(read_stored(snapshot, ReadReport(), where=lambda head: head.arm in arms)):
            if stored.superseded is None and not stored.trial.failed:
                self._places.setdefault(_pack(stored.trial.key), _Place(number, row))
                self._sources[number].places[row] = self._write(_encode(stored.trial))

    def _unpack(self, source: _Source, chunks: Iterable[int]) -> None:
        with connect() as connection:
            for chunk in sorted(chunks):
                query = (
                    f"select file_row_number, record from read_parquet({quoted(source.parquet)}, file_row_number=true) "
                    f"where file_row_number >= {chunk * CHUNK} and file_row_number < {(chunk + 1) * CHUNK}"
                )
                for row, record in fetch(connection, query):
                    source.places[row] = self._write(record.encode())

    def _write(self, data: bytes) -> tuple[int, int]:
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(prefix="weigh-")  # noqa: SIM115 - closed by `close`
        offset = self._spool.seek(0, 2)
        self._spool.write(data)
        return offset, len(data)

    def _read(self, place: _Place) -> Trial | None:
        where = self._sources[place.source].places.get(place.row)
        if where is None or self._spool is None:
            return None
        offset, length = where
        self._spool.seek(offset)
        return _decode_trial(self._spool.read(length))


def find_generations(store: Store, arm_digests: Collection[str], *, exclude: Collection[str] = ()) -> Generations:
    """Index the outcomes (never failures) of all runs that have one of these arms, oldest run first.

    Args:
        arm_digests: `Arm.digest`; a run without any of them is not opened.
        exclude: Ids of runs to leave out.
    """
    wanted = set(arm_digests)
    found = Generations()
    try:
        for run in reversed(store.runs()):
            arms = _arms(run, wanted)
            if arms and run.id not in exclude:
                found.add_run(store.open(run.id), arms)
    except BaseException:
        found.close()
        raise
    return found


def _arms(run: Run, digests: set[str]) -> set[str]:
    return {arm.id for arm in run.arms if arm.digest in digests}


def _pack(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError:
        return key.encode()
