"""Finishing a run: its journal segments become one Parquet file, and are removed once that is durable.

At every moment the run reads the same. The new file is written aside, synced, read back and compared, and then takes
the old one's place in one step; it names the segments that it contains, which readers ignore from then on, whether they
have been removed already or not. Only segments whose writer is gone are taken; a lease keeps others from finishing at
the same time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec

from weigh.records.errors import StoreError
from weigh.store.columns import duck_columns, row
from weigh.store.duck import connect, fetch, quoted
from weigh.store.files import fsync_folder, store_error
from weigh.store.layout import RunFolder
from weigh.store.leases import Leases
from weigh.store.reader import ReadReport, Stored, read_stored
from weigh.store.snapshot import Place, Snapshot, parquet_identity

ROWS = 2048
"""Rows in a group at most: what is read at once when single trials are looked up."""
GROUP_BYTES = 4_000_000
"""Bytes in a group at most: DuckDB holds several of them while it writes."""
_MODULUS = 1 << 128
_encode = msgspec.json.Encoder().encode


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What finishing did.

    Attributes:
        rows: Trials in the file, those that lost to another of their cell included.
        merged: Segments taken in this time.
        left: Segments left, as their writer lives.
        notes: Lines for people: torn lines dropped, corrupt segments set aside.
    """

    rows: int
    merged: int
    left: int
    notes: tuple[str, ...] = ()


def finish(folder: RunFolder, *, step: Callable[[str], None] = lambda name: None) -> Finished | None:
    """Merge all segments whose writer is gone into `trials.parquet`. Blocking, and safe to repeat.

    Args:
        step: Called with the name of each step before it is taken (`stage`, `write`, `check`, `replace`, `remove`,
            `done`); a test that dies there shows that nothing is lost.

    Returns:
        None when another process is finishing this run.

    Raises:
        StoreError: The disk refused, or the file did not read back as it was written; the segments stay.
    """
    leases = Leases(folder.leases, f"finish-{uuid.uuid4().hex[:8]}", ttl=600.0)
    if not leases.claim("finish"):
        return None
    try:
        return _finish(folder, leases, step)
    except OSError as error:
        raise store_error("finish the run", folder.path, error) from error
    finally:
        leases.release_all()


def _finish(folder: RunFolder, leases: Leases, step: Callable[[str], None]) -> Finished | None:
    for old in folder.path.glob(".finish-*"):
        shutil.rmtree(old)  # of a process that died at it: the lease is ours
    work = folder.path / f".finish-{uuid.uuid4().hex[:8]}"
    with Snapshot(folder, only_dead=True) as snapshot:
        _leave_early_overlays(snapshot)
        rows = int(snapshot.metadata.get("rows", "0"))
        if not snapshot.open_segments:
            _remove([s.path for s in snapshot.leftovers])
            return Finished(rows=rows, merged=0, left=snapshot.alive)
        work.mkdir()
        try:
            step("stage")
            report = ReadReport()
            staged = Staged(work / "rows.jsonl")
            for stored in read_stored(snapshot, report):
                staged.add(stored)
            staged.close()
            leases.renew()
            step("write")
            merged = [held.segment.path for held in snapshot.open_segments]
            names = [path.name for path in (*merged, *(s.path for s in snapshot.leftovers))]
            target = work / "trials.parquet"
            _write_parquet(staged, target, names)
            leases.renew()
            step("check")
            if parquet_contents(target) != (staged.rows, staged.digest):
                raise StoreError(
                    f"{target} did not read back as it was written; the journal was kept. Is the disk well?"
                )
            sizes = [(held.segment.path, held.segment.size) for held in snapshot.open_segments]
            leases.renew()
            if "finish" not in leases.held or parquet_identity(folder.parquet) != snapshot.identity:
                return None  # held up for so long that another has taken over: its result stands
            if any(path.stat().st_size != size for path, size in sizes):
                raise StoreError(f"a segment in {folder.journal} grew while the run was finished; try again")
            step("replace")
            target.replace(folder.parquet)
            fsync_folder(folder.path)
            step("remove")
            corrupt = snapshot.corrupt_segments
            notes = [*report.torn, *report.corrupt]
            for path in merged:
                if path.name in corrupt:
                    path.replace(path.with_suffix(".corrupt"))
                    notes.append(f"{path.name} has lines that cannot be read: kept as {path.with_suffix('.corrupt')}")
            _remove([p for p in merged if p.name not in corrupt] + [s.path for s in snapshot.leftovers])
            step("done")
            return Finished(rows=staged.rows, merged=len(merged), left=snapshot.alive, notes=tuple(notes))
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _leave_early_overlays(snapshot: Snapshot) -> None:
    """Leave out segments that judge trials which are not taken in (their own segment still lives)."""
    while snapshot.has_overlays():
        places: dict[str, list[Place]] = {}
        known = {trial for (trial,) in snapshot.select("id")}
        known.update(head.id for head in snapshot.scan(places))
        early = {place.segment for trial, held in places.items() if trial not in known for place in held}
        if not early:
            return
        for index in sorted(early, reverse=True):
            snapshot.open_segments.pop(index).file.close()
        snapshot.alive += len(early)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    if paths:
        fsync_folder(paths[0].parent)


class Staged:
    """Rows on their way to a table: a file of JSON lines, with what is needed to check the table.

    Attributes:
        path: The file.
        rows: How many.
        digest: Of all records, whatever their order: the sum of their digests.
        longest: Bytes of the longest line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.longest = 0
        self._sum = 0
        self._file = path.open("wb", buffering=1 << 18)

    def add(self, stored: Stored) -> None:
        """Append a trial's row."""
        record = stored.record or _encode(stored.trial)
        line = _encode(row(stored.trial, written=stored.written, superseded=stored.superseded, record=record))
        self._file.write(line + b"\n")
        self.rows += 1
        self.longest = max(self.longest, len(line))
        self._sum += _number(record)

    def close(self) -> None:
        """Hand the file over."""
        self._file.close()

    @property
    def digest(self) -> str:
        """32 hex digits."""
        return f"{self._sum % _MODULUS:032x}"

    @property
    def source(self) -> str:
        """The rows as a DuckDB table function."""
        size = max(1 << 20, self.longest + 1024)
        return (
            f"read_json({quoted(self.path)}, format='newline_delimited', columns={duck_columns()}, "
            f"maximum_object_size={size})"
        )

    @property
    def memory(self) -> int:
        """Megabytes DuckDB needs for it: several of the longest lines beside its usual."""
        return 96 + 12 * (self.longest >> 20)


def _number(record: bytes) -> int:
    return int.from_bytes(hashlib.sha256(record).digest()[:16], "big")


def _write_parquet(staged: Staged, target: Path, merged: list[str]) -> None:
    import duckdb

    metadata = {"weigh": "1", "rows": str(staged.rows), "digest": staged.digest, "merged": _encode(merged).decode()}
    pairs = ", ".join(f"{key}: {quoted(value)}" for key, value in metadata.items())
    query = (
        f"copy (from {staged.source}) to {quoted(target)} (format parquet, compression zstd, "
        f"row_group_size {ROWS}, row_group_size_bytes {GROUP_BYTES}, kv_metadata {{{pairs}}})"
    )
    limits = [f"{staged.memory}MB", f"{8 * staged.memory}MB"]  # the second for trials that are all very large
    for last, limit in enumerate(limits, 1):
        with connect(memory=limit, spill=target.parent / "spill") as connection:
            try:
                connection.execute(query)
                break
            except duckdb.Error as error:
                if isinstance(error, duckdb.OutOfMemoryException) and last < len(limits):
                    target.unlink(missing_ok=True)
                    continue
                reason = str(error).splitlines()[0]
                raise StoreError(f"cannot write {target}: {reason}.\nThe journal was kept; nothing is lost.") from error
    handle = os.open(target, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def parquet_contents(path: Path) -> tuple[int, str]:
    """Number of rows and digest of the records that a file really holds. Raises `StoreError` when it cannot be read."""
    rows = total = 0
    with connect() as connection:
        for (record,) in fetch(connection, f"select record from read_parquet({quoted(path)})"):
            rows += 1
            total += _number(record.encode())
    return rows, f"{total % _MODULUS:032x}"
