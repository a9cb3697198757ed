"""Thousands of trials in flight on one event loop, by a bounded number of workers.

Workers pull cells from an iterator one at a time: there is never a coroutine, a request or a result per planned
trial, so memory does not grow with the plan. Each finished trial goes to the sink before its worker pulls the next one.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import msgspec

from weigh.execute.budget import Budget
from weigh.execute.stop import Abandoned, StopSignal
from weigh.protocols import Sink
from weigh.records.errors import WeighError
from weigh.records.trial import Trial

C = TypeVar("C")

GRACE_SECONDS = 10.0
"""How long trials in flight may still take when a run is asked to stop."""


class Finished(msgspec.Struct, frozen=True):
    """A trial has been handed to the sink."""

    trial: Trial


class Stopping(msgspec.Struct, frozen=True):
    """No new trial begins; `in_flight` are being finished (or cancelled)."""

    reason: str
    in_flight: int
    now: bool = False


Event = Finished | Stopping


class PoolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the cells.

    Attributes:
        started: Cells taken from the plan.
        done: Trials handed to the sink, failed ones included.
        statuses: How many by status (`ok`, `timeout`, `error`, ...).
        failures: How many failed, by kind of error.
        cancelled: Taken but given back unfinished, because the run was stopped; they run again next time.
        stopped: Why the run ended before the plan did; None when it did not.
        tokens: Of all trials, so far as known.
        seconds: Wall time.
    """

    started: int
    done: int
    statuses: dict[str, int]
    failures: dict[str, int]
    cancelled: int = 0
    stopped: str | None = None
    tokens: int = 0
    seconds: float = 0.0


async def run_cells(
    cells: Iterable[C],
    work: Callable[[C], Awaitable[Trial]],
    sink: Sink,
    *,
    concurrency: int,
    on_bug: Callable[[C, Exception], Trial],
    budget: Budget | None = None,
    stop: StopSignal | None = None,
    grace: float = GRACE_SECONDS,
    on_event: Callable[[Event], None] | None = None,
) -> PoolResult:
    """Execute every cell, at most `concurrency` at a time.

    Args:
        cells: Pulled lazily, from the event loop's thread.
        work: Executes one cell. Only a bug of ours makes it raise (see `on_bug`), save for `WeighError`, which ends
            the run, and `Abandoned`, which gives the cell back.
        sink: Where finished trials go.
        on_bug: Makes a failed trial (kind `internal`) of a cell whose `work` raised.
        budget: What the run may spend.
        stop: How others ask the run to end.
        grace: Seconds that trials in flight have to finish when the run is asked to stop.
        on_event: Told what happens.

    Raises:
        WeighError: From `cells`, `work` or `sink`, after what was in flight has been finished or cancelled.
    """
    stop = stop or StopSignal()
    tally = _Tally()
    iterator = iter(cells)
    began = time.monotonic()
    if budget is not None:
        budget.start()

    async def worker() -> None:
        last_yield = time.monotonic()
        while not stop.requested:
            if budget is not None and (spent := budget.spent()):
                stop.request(spent)
                return
            try:
                cell = next(iterator)
            except StopIteration:
                return
            tally.started += 1
            try:
                trial = await work(cell)
            except (Abandoned, asyncio.CancelledError) as given_back:
                tally.cancelled += 1
                if isinstance(given_back, Abandoned):
                    continue
                raise
            except WeighError:
                tally.cancelled += 1
                raise
            except Exception as bug:  # noqa: BLE001 - a bug of ours must not lose the cell: it becomes a failed trial
                trial = on_bug(cell, bug)
            await sink.append(trial)
            tally.count(trial)
            if budget is not None:
                budget.charge(trial)
            if on_event is not None:
                on_event(Finished(trial))
            # Work that never really waits (a scripted provider) must not starve timers and signals.
            if (now := time.monotonic()) - last_yield > 0.02:
                await asyncio.sleep(0)
                last_yield = now

    # Trials hold no cycles but make many objects: with Python's own threshold a tenth of the time goes into looking.
    thresholds = gc.get_threshold()
    gc.set_threshold(max(20_000, thresholds[0]), *thresholds[1:])
    wake = asyncio.Event()
    tasks = [asyncio.ensure_future(worker()) for _ in range(concurrency)]
    running = len(tasks)

    def ended(task: asyncio.Future[None]) -> None:
        nonlocal running
        running -= 1
        if running == 0 or (not task.cancelled() and task.exception() is not None):
            wake.set()

    for task in tasks:
        task.add_done_callback(ended)
    take_back = stop.on_request(wake.set)
    loop = asyncio.get_running_loop()
    timer = None
    if budget is not None and budget.seconds is not None:
        timer = loop.call_later(
            budget.remaining_seconds or 0.0, stop.request, f"the run's budget of {budget.seconds:g} s is spent"
        )
    try:
        await wake.wait()
        broken = any(t.done() and not t.cancelled() and t.exception() is not None for t in tasks)
        if running and not broken and not stop.now:
            if tally.in_flight:  # a worker between two trials has none
                _tell(on_event, Stopping(stop.reason or "", tally.in_flight))
            await _drain(wake, stop, grace, lambda: running)
        if tally.in_flight and not broken and stop.now:
            _tell(on_event, Stopping(stop.reason or "", tally.in_flight, now=True))
    finally:
        if timer is not None:
            timer.cancel()
        take_back()
        gc.set_threshold(*thresholds)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome
    return tally.result(stop.reason, time.monotonic() - began)


async def _drain(wake: asyncio.Event, stop: StopSignal, grace: float, running: Callable[[], int]) -> None:
    """Wait until nothing is in flight, the grace time is over, a worker broke, or somebody asks a second time."""
    try:
        async with asyncio.timeout(grace):
            wake.clear()
            while running() and not stop.now:
                await wake.wait()
                if running() and not stop.now:
                    return
    except TimeoutError:
        return


def _tell(on_event: Callable[[Event], None] | None, event: Event) -> None:
    if on_event is not None:
        on_event(event)


class _Tally:
    """Counts of a run while it goes."""

    def __init__(self) -> None:
        self.started = self.done = self.cancelled = self.tokens = 0
        self.statuses: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    @property
    def in_flight(self) -> int:
        return self.started - self.done - self.cancelled

    def count(self, trial: Trial) -> None:
        self.done += 1
        self.statuses[trial.status] += 1
        self.tokens += trial.usage.total or 0
        if trial.failed:
            self.failures[trial.error.kind if trial.error else "internal"] += 1

    def result(self, stopped: str | None, seconds: float) -> PoolResult:
        return PoolResult(
            started=self.started,
            done=self.done,
            statuses=dict(self.statuses),
            failures=dict(self.failures),
            cancelled=self.cancelled,
            stopped=stopped,
            tokens=self.tokens,
            seconds=seconds,
        )
