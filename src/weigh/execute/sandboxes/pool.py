"""Sandboxes kept ready: started lazily and ahead of need, used once unless reuse is declared safe, gone at the end.

Nothing is started before the first one is asked for, so a run that needs none starts none. From then on the pool
starts the next ones while the present ones are in use.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from weigh.execute.sandboxes.open import make_sandbox
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import Sandbox
from weigh.records.errors import Error, Failure, WeighError

_TRIES = 3


class PoolState(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool is doing.

    Attributes:
        waiting: Trials that wait for a sandbox.
        running: Sandboxes in use.
        idle: Sandboxes that are ready.
        started, replaced: How many were started in all, and how many of those because another had broken.
        start_seconds: Mean time of a start; None before the first.
    """

    waiting: int
    running: int
    idle: int
    started: int
    replaced: int
    start_seconds: float | None


class SandboxPool:
    """Leases sandboxes of one specification. An asynchronous context manager: leaving closes every sandbox.

    Args:
        spec: What they allow.
        size: How many may live at one time.
        ahead: How many to start before they are asked for, once the first one was.
        make: What makes one; tests hand in fakes.
    """

    def __init__(
        self,
        spec: SandboxSpec,
        *,
        size: int = 4,
        ahead: int = 1,
        make: Callable[[SandboxSpec], Sandbox] = make_sandbox,
    ) -> None:
        if size < 1:
            raise ValueError("a pool needs room for at least one sandbox")
        self.spec, self.size, self.ahead = spec, size, ahead
        self._make = make
        self._ready: deque[Sandbox] = deque()
        self._out: set[Sandbox] = set()
        self._starting = 0
        self._background: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._waiting = self._started = self._replaced = 0
        self._seconds = 0.0
        self._closed = False

    @property
    def state(self) -> PoolState:
        """What it is doing now."""
        return PoolState(
            waiting=self._waiting,
            running=len(self._out),
            idle=len(self._ready),
            started=self._started,
            replaced=self._replaced,
            start_seconds=self._seconds / self._started if self._started else None,
        )

    async def __aenter__(self) -> SandboxPool:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._closed = True
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        left = [*self._ready, *self._out]
        self._ready.clear()
        self._out.clear()
        await asyncio.gather(*(s.__aexit__(None, None, None) for s in left), return_exceptions=True)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Sandbox]:
        """A sandbox for the length of a `with` block."""
        sandbox = await self.acquire()
        try:
            yield sandbox
        finally:
            await self.release(sandbox)

    async def acquire(self) -> Sandbox:
        """A started sandbox; waits while `size` are out.

        Raises:
            Failure: Kind `sandbox`, when none starts in three tries or the pool is closed.
            CapabilityError: When this machine cannot run them at all.
        """
        async with self._changed:
            self._waiting += 1
            try:
                while True:
                    if self._closed:
                        raise Failure(Error(kind="sandbox", code="closed", message="the sandbox pool is closed"))
                    if self._ready:
                        sandbox = self._ready.popleft()
                        self._out.add(sandbox)
                        self._start_ahead()
                        return sandbox
                    if len(self._out) + self._starting < self.size:
                        self._starting += 1
                        break
                    await self._changed.wait()
            finally:
                self._waiting -= 1
        try:
            sandbox = await self._start()
        finally:
            async with self._changed:
                self._starting -= 1
                self._changed.notify()
        self._out.add(sandbox)
        self._start_ahead()
        return sandbox

    async def release(self, sandbox: Sandbox) -> None:
        """Give one back. It is closed, unless reuse is declared safe and it still works."""
        if sandbox not in self._out:  # closed with the pool
            return
        keep = self.spec.reuse and not self._closed and await self._healthy(sandbox)
        if not keep:
            await asyncio.shield(sandbox.__aexit__(None, None, None))
            self._replaced += self.spec.reuse
        async with self._changed:
            self._out.discard(sandbox)
            if keep:
                self._ready.append(sandbox)
            self._changed.notify()

    def _start_ahead(self) -> None:
        """Start the next ones in the background, if there is room."""
        while not self._closed:
            living = len(self._out) + self._starting + len(self._ready)
            if living >= self.size or self._starting + len(self._ready) >= self.ahead:
                return
            self._starting += 1
            task = asyncio.create_task(self._start_one())
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _start_one(self) -> None:
        sandbox = None
        try:
            sandbox = await self._start()
        except (Failure, WeighError):
            pass  # whoever needs one tries again, and is told
        finally:
            async with self._changed:
                self._starting -= 1
                if sandbox is not None:
                    self._ready.append(sandbox)
                self._changed.notify()

    async def _start(self) -> Sandbox:
        for attempt in range(_TRIES):
            began = time.perf_counter()
            sandbox = self._make(self.spec)
            try:
                await sandbox.__aenter__()
            except Failure as failure:
                await sandbox.__aexit__(None, None, None)
                if attempt == _TRIES - 1 or not failure.error.transient:
                    raise
                self._replaced += 1
                continue
            self._started += 1
            self._seconds += time.perf_counter() - began
            return sandbox
        raise AssertionError("the last try returns or raises")

    async def _healthy(self, sandbox: Sandbox) -> bool:
        try:
            return (await sandbox.exec(["true"], timeout=5.0)).exit_code == 0
        except Failure:
            return False
