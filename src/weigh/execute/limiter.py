"""How many requests a provider gets at once: as many as it takes without complaint.

Additive increase, multiplicative decrease (Chiu and Jain 1989): a rate-limit answer halves the limit, once per round of
requests, and pauses everybody for as long as the server asked; each round of successes raises it by one, up to
what the harness allows.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from weigh.execute.stop import Abandoned


class Limiter:
    """Slots of one provider.

    Attributes:
        maximum: The most requests in flight.
        limit: What is allowed now; adapts between 1 and `maximum`.
        in_flight: How many are out.
        pauses: How often the provider asked everybody to wait.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = max(1, maximum)
        self.limit = float(self.maximum)
        self.in_flight = 0
        self.pauses = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._resume_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._decreased_at = 0.0
        self._closed = False

    def try_acquire(self) -> bool:
        """Take a slot if one is free at once: the usual case, without a detour through the event loop."""
        if self.in_flight >= self.limit or self._timer is not None or self._waiters or self._closed:
            return False
        self.in_flight += 1
        return True

    async def acquire(self) -> None:
        """Wait for a slot. Raises `Abandoned` when the run is asked to stop meanwhile."""
        if self.try_acquire():
            return
        if self._closed:
            raise Abandoned
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release()  # the slot had been handed over already
            else:
                waiter.cancel()
            raise

    def release(self) -> None:
        """Give a slot back."""
        self.in_flight -= 1
        if self._waiters:
            self._wake()

    def succeeded(self) -> None:
        """An answer came: raise the limit by one per round."""
        if self.limit < self.maximum:
            self.limit = min(float(self.maximum), self.limit + 1 / self.limit)

    def rate_limited(self, sent_at: float, retry_after: float | None) -> None:
        """The provider complained about a request sent at `sent_at` (`time.monotonic`)."""
        now = time.monotonic()
        # Requests that were out before the last decrease complain about the old limit, not about the new one.
        if sent_at >= self._decreased_at:
            self.limit = max(1.0, min(self.limit, self.in_flight) / 2)
            self._decreased_at = now
        if retry_after is not None and retry_after > 0:
            self.pause(retry_after)

    def pause(self, seconds: float) -> None:
        """Nobody sends for so long."""
        resume_at = time.monotonic() + seconds
        if resume_at <= self._resume_at:
            return
        self._resume_at = resume_at
        self.pauses += 1
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._resume)

    def close(self) -> None:
        """The run ends: whoever waits is sent home, and nobody else gets a slot."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Abandoned())

    def _resume(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        while self._waiters and self._timer is None and self.in_flight < self.limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.in_flight += 1
                waiter.set_result(None)
