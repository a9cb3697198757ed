"""Reading trials back: Parquet and journal together, later scores applied, doubles resolved.

Trials are streamed. What is kept while doing so is a hash a cell, the places of later scores, and the ids of trials
that lost to another of their cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from weigh.records.errors import StoreError
from weigh.records.trial import Trial
from weigh.store.duck import connect, fetch, quoted
from weigh.store.layout import RunFolder, Store
from weigh.store.resolve import losers, suspects
from weigh.store.segments import TRIAL, UNREADABLE, Head, decode_head, decode_overlay, lines, segments, untagged
from weigh.store.snapshot import Place, Snapshot

_decode_trial = msgspec.json.Decoder(Trial).decode
_encode = msgspec.json.Encoder().encode


class ReadReport(msgspec.Struct, kw_only=True):
    """What was met on reading. `torn` and `corrupt` are lines for people.

    Attributes:
        doubled: Outcomes of a cell that had another one with the same key.
        retried: Failures that a later trial of the cell replaced.
        superseded: Trials of a cell whose prompt has changed since (another key).
    """

    torn: list[str] = []
    corrupt: list[str] = []
    doubled: int = 0
    retried: int = 0
    superseded: int = 0


class Stored(NamedTuple):
    """A trial as stored.

    Attributes:
        trial: With its later scores.
        written: Unix time.
        superseded: Why another trial of its cell counts instead, if one does.
        record: The trial as JSON, when no later scores changed it.
    """

    trial: Trial
    written: float
    superseded: str | None
    record: bytes | None


def read_trials(
    folder: RunFolder,
    *,
    where: Callable[[Head], bool] | None = None,
    superseded: bool = False,
    report: ReadReport | None = None,
) -> Iterator[Trial]:
    """Stream the trials of a run, one a cell.

    Args:
        where: Decides on the cheap part of a trial whether the whole is read.
        superseded: Also yield those that lost to another trial of their cell.
        report: Filled in while reading.

    Raises:
        StoreError: The finished trials cannot be read. Lines of the journal that cannot be read go to the report.
    """
    with Snapshot(folder) as snapshot:
        for stored in read_stored(snapshot, report or ReadReport(), where=where):
            if superseded or stored.superseded is None:
                yield stored.trial


def read_stored(
    snapshot: Snapshot, report: ReadReport, *, where: Callable[[Head], bool] | None = None
) -> Iterator[Stored]:
    """Stream everything in a snapshot, those that lost included, with what the store knows about each."""
    places: dict[str, list[Place]] = {}
    lost: dict[str, str] | None = None
    if snapshot.open_segments:
        several = suspects(snapshot.cells(places))
        lost = losers(snapshot.candidates(places), several) if several else {}
        _count(report, Counter(lost.values()))
        report.torn += snapshot.torn
        report.corrupt += snapshot.corrupt
    elif snapshot.parquet:
        _count(report, dict(snapshot.select("superseded, count(*)", "superseded is not null group by superseded")))

    for text, written, reason in snapshot.select("record, written, superseded"):
        record = text.encode()
        if where is None or places or where(decode_head(record)):
            trial = _decode_trial(record)
            stored = Stored(trial, written, reason if lost is None else lost.get(trial.id), record)
            yield from _overlaid(snapshot, stored, places, where)
    for path, line in snapshot.trial_lines():
        try:
            if where is not None and not places and not where(decode_head(line)):
                continue
            trial = _decode_trial(line)
        except UNREADABLE as error:
            if not any(told.startswith(str(path)) and told.endswith(str(error)) for told in report.corrupt):
                report.corrupt.append(f"{path}: {error}")
                snapshot.corrupt_segments.add(path.name)
            continue
        written, record = untagged(line)
        stored = Stored(trial, written, lost.get(trial.id) if lost else None, record)
        yield from _overlaid(snapshot, stored, places, where)


def _count(report: ReadReport, reasons: dict[str, int] | Counter[str]) -> None:
    report.doubled += reasons.get("doubled", 0)
    report.retried += reasons.get("retried", 0)
    report.superseded += reasons.get("changed", 0)


def _overlaid(
    snapshot: Snapshot, stored: Stored, places: dict[str, list[Place]], where: Callable[[Head], bool] | None
) -> Iterator[Stored]:
    """The trial with its later scores; nothing when it is not wanted with them."""
    if not places:
        yield stored
        return
    trial = stored.trial
    for place in places.get(trial.id, ()):
        overlay = decode_overlay(snapshot.read_at(place))
        trial = msgspec.structs.replace(trial, scores={**trial.scores, **overlay.scores})
        if overlay.status is not None:
            trial = msgspec.structs.replace(trial, status=overlay.status, error=overlay.error)
    if where is None or where(decode_head(_encode(trial))):
        yield stored if trial is stored.trial else stored._replace(trial=trial, record=None)


def read_trial(store: Store, id_prefix: str) -> Trial:
    """The trial whose id begins so, in any run. Raises `StoreError` when there is none or several."""
    found = sorted(_find_ids(store, id_prefix))
    exact = [pair for pair in found if pair[1] == id_prefix]
    found = exact or found
    ids = {trial for _, trial in found}
    if not found:
        raise StoreError(
            f"there is no trial {id_prefix!r} in {store.path}; `weigh results RUN --trials` lists a run's trials"
        )
    if len(ids) > 1:
        shown = ", ".join(sorted(ids)[:5]) + (", ..." if len(ids) > 5 else "")
        raise StoreError(f"{id_prefix!r} could be {len(ids)} trials: {shown}; write more of the id")
    run, wanted = found[0]
    for trial in read_trials(store.open(run), where=lambda head: head.id == wanted, superseded=True):
        return trial
    raise StoreError(f"trial {wanted} of run {run} cannot be read; `weigh runs verify {run}` says why")


def _find_ids(store: Store, prefix: str) -> set[tuple[str, str]]:
    """(run, trial) of all trials whose id begins so."""
    found: set[tuple[str, str]] = set()
    if not prefix:
        return found
    folders = [store.open(run.id) for run in store.runs()]
    mark = b'"id":' + _encode(prefix)[:-1]
    for folder in folders:
        for segment in segments(folder.journal):
            try:
                file = segment.path.open("rb", buffering=1 << 17)
            except FileNotFoundError:
                continue  # merged a moment ago: Parquet, looked at below, has it
            with file:
                for line in lines(file, stop=segment.size):
                    if not line.torn and line.data.startswith(TRIAL) and mark in line.data[:200]:
                        try:
                            found.add((folder.run.id, decode_head(line.data).id))
                        except UNREADABLE:
                            continue  # a line that cannot be read holds no trial to show; `verify` tells of it
    paths = [folder.parquet for folder in folders if folder.parquet.exists()]
    if paths:
        with connect() as connection:
            listed = ", ".join(quoted(path) for path in paths)
            query = f"select filename, id from read_parquet([{listed}], filename=true) where starts_with(id, ?)"
            by_path = {str(folder.parquet): folder.run.id for folder in folders}
            found.update((by_path[path], trial) for path, trial in fetch(connection, query, [prefix]))
    return {(run, trial) for run, trial in found if trial.startswith(prefix)}
