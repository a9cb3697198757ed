"""Leases say which writer works on which part of a plan, so that any number of processes can share one.

A shard's lease is a row of numbered files: the highest number holds. To claim, one creates the next number, which only
one process can; to give back, the holder marks its own file. Nothing is ever deleted, so a slow process cannot take
what another has claimed meanwhile. A holder that died on this host is replaced at once, one elsewhere when its
file has shown no sign of life for the lease's time, measured on the clock of the shared filesystem only.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from weigh.records.errors import StoreError
from weigh.store.files import create_exclusive, replace_durably, store_error
from weigh.store.owner import Owner, is_dead, this_process


class Lease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a lease file says.

    Attributes:
        shard: What is leased.
        writer: By which writer.
        owner: By which process.
        released: Whether it was given back.
    """

    shard: str
    writer: str
    owner: Owner
    released: bool = False


class Entry(NamedTuple):
    """A lease file as read: its content, and the seconds since it was last written or touched."""

    data: bytes
    age: float


class Cabinet(Protocol):
    """What leases need of a place: exclusive creation, replacement, and ages by the place's own clock.

    A folder offers it (`FolderCabinet`), and so does object storage with conditional put.
    """

    def create(self, name: str, data: bytes) -> bool:
        """Create with this content; False when the name is taken."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Replace the content of one's own entry."""
        ...

    def touch(self, name: str) -> None:
        """Renew the age of one's own entry."""
        ...

    def read(self, name: str) -> Entry | None:
        """Content and age; None when there is no such entry."""
        ...


class FolderCabinet:
    """Lease files in a folder that all processes share."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, name: str, data: bytes) -> bool:
        """See `Cabinet`."""
        self._path.mkdir(parents=True, exist_ok=True)
        # Not synced: a lease need not outlive the machine its holder runs on, and a sync blocks all trials in flight.
        return create_exclusive(self._path / name, data, synced=False)

    def replace(self, name: str, data: bytes) -> None:
        """See `Cabinet`."""
        replace_durably(self._path / name, data, synced=False)

    def touch(self, name: str) -> None:
        """See `Cabinet`."""
        os.utime(self._path / name)

    def read(self, name: str) -> Entry | None:
        """See `Cabinet`."""
        path = self._path / name
        try:
            data = path.read_bytes()
            written = path.stat().st_mtime
        except FileNotFoundError:
            return None
        probe = self._path / f".clock-{uuid.uuid4().hex[:12]}"
        probe.touch(exist_ok=False)
        now = probe.stat().st_mtime
        probe.unlink()
        return Entry(data, now - written)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Lease).decode


class Leases:
    """The claims of one writer.

    Args:
        folder: `RunFolder.leases`, or any other `Cabinet`.
        owner: The writer's id.
        ttl: Seconds without `renew` after which others may take over; renew several times within it.
    """

    def __init__(self, folder: Path | Cabinet, owner: str, ttl: float = 60.0) -> None:
        self._cabinet: Cabinet = FolderCabinet(folder) if isinstance(folder, Path) else folder
        self._writer = owner
        self._process = this_process()
        self._ttl = ttl
        self._held: dict[str, int] = {}
        self._known: dict[str, int] = {}

    @property
    def held(self) -> frozenset[str]:
        """The shards this writer holds."""
        return frozenset(self._held)

    def claim(self, shard: str) -> bool:
        """Try to get a shard; never waits. True also when this writer holds it already.

        After True, look again at what is done: another may have worked on it. Raises `StoreError`.
        """
        if shard in self._held:
            return True
        number, entry = self._highest(shard)
        if entry is not None and not self._free(entry):
            return False
        lease = Lease(shard=shard, writer=self._writer, owner=self._process)
        try:
            created = self._cabinet.create(_name(shard, number + 1), _encode(lease))
        except OSError as error:
            raise store_error(f"claim {shard}", Path(_name(shard, number + 1)), error) from error
        if created:
            self._held[shard] = self._known[shard] = number + 1
        return created

    def holder(self, shard: str) -> Lease | None:
        """Who holds a shard now; None when it is free."""
        entry = self._highest(shard)[1]
        return None if entry is None or self._free(entry) else _decode(entry.data)

    def renew(self) -> list[str]:
        """Say that this writer lives. Returns the shards that another has taken over; they are no longer held."""
        lost = []
        for shard, number in list(self._held.items()):
            if self._read(_name(shard, number + 1)) is not None:
                lost.append(shard)
                del self._held[shard]
                continue
            try:
                self._cabinet.touch(_name(shard, number))
            except OSError as error:
                raise store_error(f"renew the lease of {shard}", Path(_name(shard, number)), error) from error
        return lost

    def release(self, shard: str) -> None:
        """Give a shard back; nothing happens when it is not held."""
        number = self._held.pop(shard, None)
        if number is None:
            return
        lease = Lease(shard=shard, writer=self._writer, owner=self._process, released=True)
        try:
            self._cabinet.replace(_name(shard, number), _encode(lease))
        except OSError as error:
            raise store_error(f"release {shard}", Path(_name(shard, number)), error) from error

    def release_all(self) -> None:
        """Give back everything."""
        for shard in list(self._held):
            self.release(shard)

    def _highest(self, shard: str) -> tuple[int, Entry | None]:
        """The highest number of a shard's files and its entry. Numbers have no gaps, as nothing is deleted."""
        number = self._known.get(shard, 0)
        entry = self._read(_name(shard, number)) if number else None
        while (following := self._read(_name(shard, number + 1))) is not None:
            number, entry = number + 1, following
        self._known[shard] = number
        return number, entry

    def _read(self, name: str) -> Entry | None:
        try:
            return self._cabinet.read(name)
        except OSError as error:
            raise StoreError(f"cannot read the lease {name}: {error.strerror}") from error

    def _free(self, entry: Entry) -> bool:
        try:
            lease = _decode(entry.data)
        except msgspec.MsgspecError:
            return entry.age > self._ttl  # being written, or by a version of weigh that says it otherwise
        return lease.released or is_dead(lease.owner) is True or entry.age > self._ttl


def _name(shard: str, number: int) -> str:
    """A file name for any shard: readable, and unambiguous by its digest."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", shard)[:80].strip(".")
    return f"{readable}-{hashlib.sha256(shard.encode()).hexdigest()[:8]}.{number}.json"
