"""A segment is one writer's journal file: what its lines are, and how to tell whether more will come.

Each line is one JSON object that says by `t` what it is: `open` (who writes), `trial`, `scores` (a later judgement of a
trial, which overlays the earlier one), `close` (the writer is done). The tag comes first, so that a reader can tell
lines apart without parsing them. A line counts once its newline is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from weigh.records.errors import Error, StoreError
from weigh.records.score import Score
from weigh.records.trial import FAILURES
from weigh.store.owner import Owner, is_dead

TRIAL = b'{"t":"trial"'
SCORES = b'{"t":"scores"'
OPEN = b'{"t":"open"'
CLOSE = b'{"t":"close"'

_AT = len(TRIAL) + len(b',"at":')
ABANDONED_AFTER = 600.0
"""Seconds without a sign of life after which a writer on another host is taken to be gone."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a segment."""

    t: str = "open"
    owner: Owner
    at: float


class Overlay(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A later judgement of a trial.

    Attributes:
        trial: The trial's id.
        key: Its generation key.
        scores: Put over the trial's own, name by name.
        status: Replaces the trial's, together with `error`; None leaves both.
        at: Unix time of writing; of two overlays the later wins.
    """

    trial: str
    key: str
    scores: dict[str, Score] = {}
    status: str | None = None
    error: Error | None = None
    at: float = 0.0


class _HeadInstance(msgspec.Struct, frozen=True):
    id: str = ""


class _HeadError(msgspec.Struct, frozen=True):
    kind: str = ""


class _HeadScore(msgspec.Struct, frozen=True):
    digest: str = ""


class _HeadTiming(msgspec.Struct, frozen=True):
    started: float = 0.0


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a stored trial that resuming and resolving doubles need; cheap to read, small to keep."""

    id: str
    key: str
    arm: str
    task: str
    variant: str = ""
    instance: _HeadInstance
    epoch: int = 0
    status: str
    error: _HeadError | None = None
    scores: dict[str, _HeadScore] = {}
    timing: _HeadTiming
    at: float = 0.0

    @property
    def cell(self) -> tuple[str, str, str, str, int]:
        """As `Trial.cell`."""
        return (self.arm, self.task, self.variant, self.instance.id, self.epoch)

    @property
    def failed(self) -> bool:
        """As `Trial.failed`."""
        return self.status in FAILURES


class OverlayHead(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an overlay that resuming needs."""

    trial: str
    key: str
    scores: dict[str, _HeadScore] = {}
    status: str | None = None
    error: _HeadError | None = None
    at: float = 0.0


decode_head = msgspec.json.Decoder(Head).decode
decode_overlay = msgspec.json.Decoder(Overlay).decode
decode_overlay_head = msgspec.json.Decoder(OverlayHead).decode
_decode_opened = msgspec.json.Decoder(Opened).decode
_decode_any = msgspec.json.Decoder(dict[str, Any]).decode


class Segment(NamedTuple):
    """One journal file as found.

    Attributes:
        path: Where.
        size: Bytes at the time of looking.
        owner: Who wrote or writes it; None when its first line is not there.
        closed: Its writer said that it is done.
        opened: Unix time at which it was begun.
    """

    path: Path
    size: int
    owner: Owner | None
    closed: bool
    opened: float = 0.0

    @property
    def dead(self) -> bool:
        """Whether nothing more can come: closed, or its writer has ended."""
        if self.closed:
            return True
        ended = is_dead(self.owner) if self.owner else None
        return self._abandoned() if ended is None else ended

    def _abandoned(self) -> bool:
        """Another host's writer touches its file all the time. Times are compared on the filesystem's own clock."""
        probe = self.path.parent / f".clock-{os.getpid()}"
        try:
            probe.touch()
            now = probe.stat().st_mtime
            probe.unlink()
            return now - self.path.stat().st_mtime > ABANDONED_AFTER
        except FileNotFoundError:
            return True
        except OSError:
            return False  # a folder that cannot be written: nothing can be said


class Line(NamedTuple):
    """One line of a segment with its place; `data` is without a newline when it is torn."""

    offset: int
    data: bytes

    @property
    def torn(self) -> bool:
        """Whether the newline is missing: the writer was cut short, or is still at it."""
        return not self.data.endswith(b"\n")


def segments(folder: Path) -> list[Segment]:
    """Every segment in a journal folder, by name. An empty list when there is no folder."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            found.append(_look(path))
        except FileNotFoundError:
            continue  # merged into Parquet a moment ago
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from error
    return found


def _look(path: Path) -> Segment:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = file.readline(4096)
        opened = None
        if first.startswith(OPEN):
            try:
                opened = _decode_opened(first)
            except UNREADABLE:
                opened = None
        file.seek(max(0, size - 128))
        last = file.read(128).rstrip(b"\n").rpartition(b"\n")[2]
    owner, at = (opened.owner, opened.at) if opened else (None, 0.0)
    return Segment(path, size, owner, last.startswith(CLOSE), at)


def lines(file: BinaryIO, start: int = 0, stop: int | None = None) -> Iterator[Line]:
    """The lines of an open segment from a byte offset to another, one at a time; the last may be torn."""
    offset = start
    file.seek(start)
    for data in file:
        if stop is not None and offset + len(data) > stop:
            if offset < stop:
                yield Line(offset, data[: stop - offset])
            return
        yield Line(offset, data)
        offset += len(data)


def torn_bytes(path: Path) -> int:
    """How many bytes follow the last newline."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        torn = 0
        while torn < end:
            start = max(0, end - torn - 65536)
            file.seek(start)
            chunk = file.read(end - torn - start)
            newline = chunk.rfind(b"\n")
            if newline >= 0:
                return torn + len(chunk) - newline - 1
            torn += len(chunk)
        return torn


def untagged(line: bytes) -> tuple[float, bytes]:
    """When a trial's line was written, and the trial's own JSON in it: the tag and the time are put before it."""
    end = line.index(b",", _AT)
    return float(line[_AT:end]), b"{" + line[end + 1 :].rstrip(b"\n")


def line_problem(data: bytes) -> str | None:
    """Why a line of an unknown kind cannot be used; None for `open` and `close`."""
    if data.startswith((OPEN, CLOSE)):
        return None
    try:
        kind = _decode_any(data).get("t")
    except UNREADABLE as error:
        return f"not JSON: {error}"
    return f"unknown kind of line {kind!r}; a newer weigh may know it"
