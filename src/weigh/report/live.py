"""The live viewer: the page of a report over a store, renewed while a run goes on.

What is shown comes from a `Source`; this module decides when to look, when to compute anew, and who may see it. It
only reads. Looking is cheap and happens about once a second; computing anew happens at most every few seconds, never
for more than a small share of one core, and not at all while nobody watches. While a run goes on only those
comparisons are computed that somebody looks at (a `Wish`); all of them when it has ended.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from weigh.records.errors import WeighError
from weigh.records.wish import Wish

LOOK_EVERY = 1.0
"""Seconds between two looks."""
REBUILD_EVERY = 3.0
"""The fewest seconds between two computations."""
SHARE = 0.1
"""Of one core, that computing anew may take while a run goes on; looking may take a third of that."""
COMPRESSION = 3


class Source(Protocol):
    """What a viewer shows. Its methods may block; one is called at a time, but for `build`, which runs beside them."""

    @property
    def running(self) -> bool:
        """Whether more is to come."""

    def look(self) -> bool:
        """Take in what is new; whether anything is."""

    def progress(self) -> dict[str, Any]:
        """How far it is, in plain values."""

    def build(self, wishes: Sequence[Wish] | None) -> bytes:
        """What the page shows, as JSON: with the comparisons that are wished, or with all of them for None."""

    def record(self, trial: str) -> bytes | None:
        """One trial as JSON; None where there is none of this id."""


class Live:
    """What is shown at the moment, and the loop that renews it.

    Attributes:
        version: Of the payload; grows with each computation. 0 before the first.
        payload: Compressed with gzip.
        progress: As JSON.
        builds: How often it was computed.
        made: The wishes that the payload fulfils; None when it has all comparisons.
        busy: CPU seconds spent looking and computing.
        problem: Why the last look or computation failed; None when it did not.
    """

    def __init__(
        self, source: Source, *, look_every: float = LOOK_EVERY, rebuild_every: float = REBUILD_EVERY,
        share: float = SHARE,
    ) -> None:  # fmt: skip
        self._source = source
        self._look_every, self._rebuild_every, self._share = look_every, rebuild_every, share
        self._lock = asyncio.Lock()
        self._building = asyncio.Lock()
        self._asked: dict[Wish, int] = {}
        self.made: tuple[Wish, ...] | None = ()
        self._news = asyncio.Event()
        self._watchers = 0
        self._woken = asyncio.Event()
        self._stale = True
        self._again_at = self._built_at = 0.0
        self._was_running = True
        self.version = 0
        self.payload = b""
        self.progress = b"{}"
        self.told = 0
        self.builds = 0
        self.busy = 0.0
        self.problem: str | None = None

    async def start(self) -> None:
        """Look and compute what is shown first. Raises what the source raises."""
        await self._look()
        await self._build()

    async def run(self) -> None:
        """Renew until cancelled. A failure is told to those who watch, and tried again."""
        pause = self._look_every
        while True:
            await first_of(self._woken, seconds=pause)
            self._woken.clear()
            if not self._watchers:
                pause = 3600.0
                continue
            before = self.busy
            try:
                await self._look()
                took = self.busy - before
                if self._stale and self._may_build():
                    await self._build()
                elif self.made is not None and self._is_quiet():
                    await self._build(whole=True)
                if self.problem is not None:
                    self.problem = None
                    self._tell()
            except WeighError as error:
                took = self.busy - before
                self.problem = str(error)
                self._tell()
            pause = max(self._look_every, took / (self._share / 3))

    def _may_build(self) -> bool:
        """Whether it is time; at once when the run has just ended, so that the last numbers do not wait."""
        return time.monotonic() >= self._again_at or not self._was_running

    def _is_quiet(self) -> bool:
        """Whether nothing came for a while: a run that has just ended is still writing its trials together."""
        quiet = time.monotonic() - self._built_at >= self._rebuild_every
        return quiet and not self._stale and not self._was_running

    async def _look(self) -> None:
        changed, running, data = await self._blocking(self._looked)
        ended = self._was_running and not running
        self._was_running = running
        if changed or ended:
            self._stale = self._stale or changed
            self.progress = data
            self._tell()

    def _looked(self) -> tuple[bool, bool, bytes]:
        changed = self._source.look()
        running = self._source.running
        return changed, running, msgspec.json.encode(self._source.progress())

    async def index(self, wish: Wish) -> bytes:
        """The payload, with the comparisons that somebody looks at: when it lacks them they are computed at once."""
        self._asked[wish] = self.version
        if not self._has(wish):
            async with self._building:
                try:
                    if not self._has(wish):
                        await self._renew(whole=False)
                except WeighError as error:
                    self.problem = str(error)
                    self._tell()
        return self.payload

    def _has(self, wish: Wish) -> bool:
        return self.made is None or wish in self.made

    async def _build(self, *, whole: bool = False) -> None:
        async with self._building:
            await self._renew(whole=whole)

    async def _renew(self, *, whole: bool) -> None:
        """Compute what is looked at, or everything. Who looks asks for every version; other wishes are forgotten."""
        before = self.busy
        self._stale = False
        self._asked = {wish: at for wish, at in self._asked.items() if at >= self.version - 1}
        wishes = None if whole else tuple(self._asked) or (Wish(),)
        try:
            self.payload = await asyncio.to_thread(self._built, wishes)
        except WeighError:
            self._stale = True
            raise
        took = self.busy - before  # CPU time: on a busy machine the clock would make it rarer than it has to be
        self._built_at = time.monotonic()
        self._again_at = self._built_at + max(self._rebuild_every, took / self._share)
        self.made = wishes
        self.builds += 1
        self.version += 1
        self._tell()

    def _built(self, wishes: tuple[Wish, ...] | None) -> bytes:
        began = time.process_time()
        try:
            return gzip.compress(self._source.build(wishes), COMPRESSION)
        finally:
            self.busy += time.process_time() - began

    async def record(self, trial: str) -> bytes | None:
        """One trial as JSON."""
        found: bytes | None = await self._blocking(lambda: self._source.record(trial))
        return found

    async def _blocking(self, work: Any) -> Any:
        async with self._lock:
            began = time.process_time()
            try:
                return await asyncio.to_thread(work)
            finally:
                self.busy += time.process_time() - began

    def _tell(self) -> None:
        self.told += 1
        self._news.set()
        self._news = asyncio.Event()

    def news(self) -> dict[str, Any]:
        """What watchers are told."""
        return {"version": self.version, "progress": msgspec.Raw(self.progress), "problem": self.problem}

    async def wait(self, told: int, ending: asyncio.Event, seconds: float) -> None:
        """Wait until more was told than `told`, for the end, or for so long."""
        if self.told == told:
            await first_of(self._news, ending, seconds=seconds)

    def watch(self) -> None:
        """Somebody watches from now on."""
        self._watchers += 1
        self._woken.set()

    def leave(self) -> None:
        """They have gone."""
        self._watchers -= 1


async def first_of(*events: asyncio.Event, seconds: float) -> None:
    """Wait for one of some events, or for so long. (`wait_for` can swallow a cancellation on Python 3.11.)"""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


Assets = Mapping[str, tuple[str, bytes]]
"""The files of the page: name -> content type and content."""
