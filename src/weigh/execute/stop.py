"""Asking a run to end: once kindly, twice at once.

Everything that waits during a run (workers, back-offs, pauses for a rate limit) listens to one `StopSignal`. The first
request lets what is in flight finish within a grace time; the second cancels it. Nothing that is done is lost.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Abandoned(Exception):
    """Raised inside a trial that was waiting (not working) when the run was asked to stop; it is not recorded."""


class StopSignal:
    """Whether, why and how urgently a run shall end.

    Attributes:
        reason: Why, for a person; None while nobody asked.
        now: True when what is in flight shall be cancelled without a grace time.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.now = False
        self._callbacks: list[Callable[[], None]] = []
        self._sleepers: set[asyncio.Future[None]] = set()

    @property
    def requested(self) -> bool:
        return self.reason is not None

    def request(self, reason: str, *, now: bool = False) -> None:
        """Ask for the end. The first reason stays; asking again never makes it less urgent."""
        if self.reason is None:
            self.reason = reason
        self.now = self.now or now
        for sleeper in self._sleepers:
            _finish(sleeper)
        for callback in list(self._callbacks):
            callback()

    def on_request(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at every request (at once if there was one); returns a function that takes it back."""
        self._callbacks.append(callback)
        if self.requested:
            callback()
        return lambda: self._callbacks.remove(callback)

    async def sleep(self, seconds: float) -> bool:
        """Sleep; False when the run was asked to stop before the time was over."""
        if self.requested:
            return False
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        handle = loop.call_later(seconds, _finish, future)
        self._sleepers.add(future)
        try:
            await future
        finally:
            handle.cancel()
            self._sleepers.discard(future)
        return not self.requested

    @contextmanager
    def on_signals(self, *signals: signal.Signals) -> Iterator[StopSignal]:
        """While the block runs, SIGINT and SIGTERM (or the given ones) ask: the first kindly, the next one at once."""
        loop = asyncio.get_running_loop()
        chosen = signals or (signal.SIGINT, signal.SIGTERM)

        def asked() -> None:
            self.request("interrupted", now=self.requested)

        for number in chosen:
            loop.add_signal_handler(number, asked)
        try:
            yield self
        finally:
            for number in chosen:
                loop.remove_signal_handler(number)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
