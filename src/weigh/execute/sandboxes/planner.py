"""Shares a budget of executors between the tasks of a run.

An executor is a sandbox at work. Whoever needs one says for which task, and what it has to be able to do. While
there is room, everybody is served at once. When there is none, the next free place goes to the task that is furthest
below its share, and shares follow the work tasks still have, so that they end together and no core waits for the
last one. Nothing is reserved: a place that its task does not want serves another.

A request is routed to any idle executor that covers it (same mode and image, and nothing narrower than asked); only
sandboxes declared safe to reuse are ever idle. A stateful session keeps its executor until it is closed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from weigh.execute.sandboxes.open import make_sandbox
from weigh.execute.sandboxes.pool import SandboxPool
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import Sandbox
from weigh.records.errors import Error, Failure

_SAME = ("mode", "image", "root", "network", "gateway_socket", "env", "readonly", "path", "folder", "reuse")
_AT_LEAST = ("memory_mb", "pids", "file_size_mb", "disk_mb", "files", "wall_seconds")


class TaskLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How one task stands.

    Attributes:
        waiting: Requests that have no executor yet.
        running: Executors at work for it.
        left: Work it still has, in whatever unit the caller counts (trials, seconds).
        share: How many executors are meant for it now.
    """

    waiting: int
    running: int
    left: float
    share: float


class PlannerState(msgspec.Struct, frozen=True, kw_only=True):
    """What the executors are doing: `waiting` requests, `running` and `idle` executors, `started` in all, and tasks."""

    budget: int
    waiting: int
    running: int
    idle: int
    started: int
    tasks: dict[str, TaskLoad]

    def __str__(self) -> str:
        return f"sandboxes: {self.waiting} waiting, {self.running} of {self.budget} running, {self.idle} idle"


class SandboxPlanner:
    """Leases executors to tasks under one budget. An asynchronous context manager: leaving closes every executor.

    Args:
        budget: How many executors may be at work at one time.
        make: What makes a sandbox; tests hand in fakes.
    """

    def __init__(self, budget: int, *, make: Callable[[SandboxSpec], Sandbox] = make_sandbox) -> None:
        if budget < 1:
            raise ValueError("a planner needs a budget of at least one executor")
        self.budget = budget
        self._make = make
        self._pools: dict[bytes, SandboxPool] = {}
        self._owner: dict[Sandbox, tuple[SandboxPool, str, bool]] = {}
        self._running: dict[str, int] = {}
        self._left: dict[str, float] = {}
        self._waiting: dict[str, list[tuple[int, asyncio.Future[None]]]] = {}
        self._order = itertools.count()
        self._busy = 0
        self._sessions: dict[tuple[str, str], asyncio.Task[Sandbox]] = {}
        self._closed = False

    async def __aenter__(self) -> SandboxPlanner:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._closed = True
        for queue in self._waiting.values():
            for _, waiter in queue:
                if not waiter.done():
                    waiter.set_exception(_closed())
        for session in self._sessions.values():
            session.cancel()
        await asyncio.gather(*self._sessions.values(), return_exceptions=True)
        for pool in self._pools.values():
            await pool.__aexit__(None, None, None)

    def plan(self, task: str, left: float) -> None:
        """Say how much work a task still has; call it again whenever that changes. 0: it is done."""
        self._left[task] = max(0.0, left)

    def did(self, task: str, work: float = 1.0) -> None:
        """Take finished work off what a task has left."""
        self.plan(task, self._left.get(task, 0.0) - work)

    def share(self, task: str) -> float:
        """How many executors are meant for a task: in proportion to the work left, among the tasks that want any."""
        wanting = {t for t in (*self._waiting, *self._running) if self._waiting.get(t) or self._running.get(t)} | {task}
        work = {t: max(self._left.get(t, 1.0), 1e-9) for t in wanting}
        return self.budget * work[task] / sum(work.values())

    @property
    def state(self) -> PlannerState:
        """What is going on now."""
        pools = [pool.state for pool in self._pools.values()]
        tasks = {*self._left, *self._running, *self._waiting}
        return PlannerState(
            budget=self.budget,
            waiting=sum(map(len, self._waiting.values())),
            running=self._busy,
            idle=sum(p.idle for p in pools),
            started=sum(p.started for p in pools),
            tasks={
                task: TaskLoad(
                    waiting=len(self._waiting.get(task, ())),
                    running=self._running.get(task, 0),
                    left=self._left.get(task, 0.0),
                    share=round(self.share(task), 2),
                )
                for task in sorted(tasks)
            },
        )

    # One request

    @asynccontextmanager
    async def lease(self, task: str, spec: SandboxSpec) -> AsyncIterator[Sandbox]:
        """An executor for the length of a `with` block."""
        sandbox = await self.acquire(task, spec)
        try:
            yield sandbox
        finally:
            await self.release(sandbox)

    async def acquire(self, task: str, spec: SandboxSpec, *, within: bool = False) -> Sandbox:
        """An executor that covers `spec`; waits for the task's turn when the budget is out.

        Args:
            within: The caller holds an executor already (scoring a trial whose sandbox still lives). It is served at
                once, over the budget if need be: were it to wait, trials that all hold one would wait for ever.

        Raises:
            Failure: Kind `sandbox`: none starts, or the planner is closed.
            CapabilityError: This machine cannot run such sandboxes.
        """
        if self._closed:
            raise _closed()
        if not within:
            await self._turn(task)
        try:
            pool = self._route(spec)
            sandbox = await pool.acquire()
        except BaseException:
            if not within:
                self._leave(task)
            raise
        self._owner[sandbox] = (pool, task, within)
        return sandbox

    async def release(self, sandbox: Sandbox) -> None:
        """Give an executor back; whoever is next gets its place."""
        owner = self._owner.pop(sandbox, None)
        if owner is None:  # closed with the planner
            return
        pool, task, within = owner
        try:
            await pool.release(sandbox)
        finally:
            if not within:
                self._leave(task)

    # Sessions

    async def session(self, task: str, key: str, spec: SandboxSpec) -> Sandbox:
        """The executor of a stateful session: the same one for the same key until `end`."""
        known = self._sessions.get((task, key))
        if known is None:
            known = self._sessions[task, key] = asyncio.create_task(self.acquire(task, spec))
        try:
            return await asyncio.shield(known)
        except BaseException:
            if known.done() and (known.cancelled() or known.exception() is not None):
                self._sessions.pop((task, key), None)  # it never began: the next one tries anew
            raise

    async def end(self, task: str, key: str) -> None:
        """Close a session, begun or not."""
        known = self._sessions.pop((task, key), None)
        if known is None:
            return
        if not known.done():
            known.cancel()
        (result,) = await asyncio.gather(known, return_exceptions=True)
        if not isinstance(result, BaseException):
            await self.release(result)

    # Turns and routes

    async def _turn(self, task: str) -> None:
        """Wait until the task may have one more executor."""
        queue = self._waiting.setdefault(task, [])
        if self._busy < self.budget and not any(self._waiting.values()):
            self._enter(task)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (next(self._order), waiter)
        heapq.heappush(queue, entry)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._leave(task)  # its turn had come already
            elif entry in queue:
                queue.remove(entry)
                heapq.heapify(queue)
            raise

    def _enter(self, task: str) -> None:
        self._busy += 1
        self._running[task] = self._running.get(task, 0) + 1

    def _leave(self, task: str) -> None:
        """A place is free: the task that is furthest below its share has the next."""
        self._busy -= 1
        self._running[task] -= 1
        while self._busy < self.budget:
            waiting = [t for t, queue in self._waiting.items() if queue]
            if not waiting:
                return
            following = min(waiting, key=lambda t: (self._running.get(t, 0) / self.share(t), self._waiting[t][0][0]))
            _, waiter = heapq.heappop(self._waiting[following])
            if not waiter.done():
                self._enter(following)
                waiter.set_result(None)

    def _route(self, spec: SandboxSpec) -> SandboxPool:
        """The pool to take it from: one with an idle executor that covers the request, else its own kind's."""
        if spec.reuse:
            for pool in self._pools.values():
                if pool.state.idle and covers(pool.spec, spec):
                    return pool
        key = msgspec.json.encode(spec, order="deterministic")
        if key not in self._pools:
            # Requests from within come over the budget, one for each executor at most.
            self._pools[key] = SandboxPool(spec, size=2 * self.budget, make=self._make)
        return self._pools[key]


def covers(have: SandboxSpec, want: SandboxSpec) -> bool:
    """Whether an executor of one kind can serve a request for another: the same place, and no limit narrower. A wider
    network does not cover a narrower one: what must not reach out, must not."""
    return (
        all(getattr(have, name) == getattr(want, name) for name in _SAME)
        and all(getattr(have, name) >= getattr(want, name) for name in _AT_LEAST)
        and (have.cpu_seconds is None or (want.cpu_seconds is not None and have.cpu_seconds >= want.cpu_seconds))
    )


def _closed() -> Failure:
    return Failure(Error(kind="sandbox", code="closed", message="the sandbox planner is closed"))
