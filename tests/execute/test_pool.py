"""The pool: bounded, lazy, stopped without loss, and no bug loses a cell."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from tests.execute.helpers import ListSink, cells, executor, run_all
from weigh.execute.budget import Budget
from weigh.execute.pool import Event, Finished, PoolResult, Stopping, run_cells
from weigh.execute.providers.scripted import ScriptedOptions, ScriptedProvider, echo
from weigh.execute.stop import StopSignal
from weigh.execute.trials import bug_trial
from weigh.plan.cell import Cell
from weigh.records.errors import CapabilityError, DataError, StoreError
from weigh.records.request import Output, Request
from weigh.records.trial import Trial
from weigh.records.usage import Usage


def on_bug(cell: Cell, bug: Exception) -> Trial:
    return bug_trial("r", cell, bug)


async def pooled(count: int, provider: ScriptedProvider, *, concurrency: int = 8, **settings: object) -> PoolResult:
    sink = settings.pop("sink", None) or ListSink()
    stop = settings.setdefault("stop", StopSignal())
    runner = executor(provider, concurrency=concurrency, stop=stop)
    return await run_cells(
        cells(count), runner.execute, sink, concurrency=concurrency, on_bug=on_bug, **settings  # type: ignore[arg-type]
    )  # fmt: skip


async def until(happened: Callable[[], bool]) -> None:
    """Let the others go on until something has happened."""
    async with asyncio.timeout(60):
        while not happened():  # noqa: ASYNC110 - a turn of the loop, not a time
            await asyncio.sleep(0)


async def test_every_cell_becomes_one_trial_and_never_more_in_flight_than_asked() -> None:
    busy = most = 0

    async def work(cell: Cell) -> Trial:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.001)
        busy -= 1
        return bug_trial("r", cell, ValueError())

    sink = ListSink()
    result = await run_cells(cells(100), work, sink, concurrency=7, on_bug=on_bug)
    assert sorted(int(t.instance.id) for t in sink.trials) == list(range(100))
    assert most == 7 and result.started == result.done == 100
    assert len({t.id for t in sink.trials}) == 100


async def test_cells_are_pulled_lazily() -> None:
    pulled = 0

    def counted() -> Iterator[Cell]:
        nonlocal pulled
        for cell in cells(1000):
            pulled += 1
            yield cell

    async def work(cell: Cell) -> Trial:
        assert pulled <= len(sink.trials) + 4
        await asyncio.sleep(0)
        return bug_trial("r", cell, ValueError())

    sink = ListSink()
    await run_cells(counted(), work, sink, concurrency=4, on_bug=on_bug)
    assert pulled == 1000


async def test_memory_does_not_grow_with_the_plan() -> None:
    class Nowhere:
        async def append(self, trial: Trial) -> None:
            return None

    peaks = []
    for count in (300, 3000):
        tracemalloc.start()
        await pooled(count, ScriptedProvider(echo), sink=Nowhere())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 + 100_000


async def test_a_bug_of_ours_is_a_failed_trial() -> None:
    async def work(cell: Cell) -> Trial:
        if cell.instance.id == "2":
            raise KeyError("oops")
        return bug_trial("r", cell, ValueError())

    sink = ListSink()
    await run_cells(cells(5), work, sink, concurrency=2, on_bug=on_bug)
    bad = next(t for t in sink.trials if t.instance.id == "2")
    assert bad.status == "error" and bad.error and bad.error.kind == "internal" and "KeyError" in bad.error.message
    assert bad.error.detail and "test_pool.py" in bad.error.detail


async def test_a_full_disk_ends_the_run() -> None:
    class Full(ListSink):
        async def append(self, trial: Trial) -> None:
            if len(self.trials) == 10:
                raise StoreError("the disk is full")
            await super().append(trial)

    sink = Full()
    with pytest.raises(StoreError, match="disk is full"):
        await asyncio.wait_for(pooled(1000, ScriptedProvider(echo, ScriptedOptions(latency=0.001)), sink=sink), 60)
    assert len(sink.trials) == 10


async def test_an_error_of_the_plan_ends_the_run_and_keeps_what_is_done() -> None:
    def broken() -> Iterator[Cell]:
        yield from cells(20)
        raise DataError("row 20 has no field 'question'")

    sink = ListSink()
    runner = executor(ScriptedProvider(echo))
    with pytest.raises(DataError, match="row 20"):
        await run_cells(broken(), runner.execute, sink, concurrency=1, on_bug=on_bug)
    assert len(sink.trials) == 20


async def test_stopping_finishes_what_is_in_flight() -> None:
    stop, sink, events = StopSignal(), ListSink(), list[Event]()
    told = asyncio.Event()

    class Slow(ScriptedProvider):
        """Stops the run in its twenty-first call; what is asked from then on ends when that was told."""

        async def respond(self, request: Request) -> Output:
            if self.calls == 20:
                stop.request("interrupted")
            if stop.reason:
                await told.wait()
            return await super().respond(request)

    def tell(event: Event) -> None:
        events.append(event)
        if isinstance(event, Stopping):
            told.set()

    result = await pooled(10_000, Slow(echo), stop=stop, sink=sink, on_event=tell)
    assert result.stopped == "interrupted" and result.cancelled == 0
    assert result.started == result.done == len(sink.trials) == sum(isinstance(e, Finished) for e in events)
    assert 1 <= next(e for e in events if isinstance(e, Stopping)).in_flight <= 8  # a worker may be between two trials


async def test_in_flight_are_trials_and_not_workers() -> None:
    gate, stop = asyncio.Event(), StopSignal()
    events: list[Event] = []

    def told(event: Event) -> None:
        events.append(event)
        gate.set()

    async def work(cell: Cell) -> Trial:
        if cell.instance.id == "1":
            stop.request("enough")
        await gate.wait()
        return bug_trial("r", cell, ValueError())

    result = await run_cells(cells(18), work, ListSink(), concurrency=32, on_bug=on_bug, stop=stop, on_event=told)
    assert [e.in_flight for e in events if isinstance(e, Stopping)] == [2]
    assert (result.done, result.stopped) == (2, "enough")
    events.clear()
    await run_cells(cells(18), work, ListSink(), concurrency=32, on_bug=on_bug, budget=Budget(seconds=0), on_event=told)
    assert events == []


async def test_what_does_not_finish_in_the_grace_time_is_given_back() -> None:
    stop, sink = StopSignal(), ListSink()
    hanging = ScriptedProvider(echo, ScriptedOptions(hang_every=4))

    async def stopping() -> None:
        await until(lambda: hanging.calls == 32)  # of which eight hang
        stop.request("interrupted")

    result, _ = await asyncio.gather(pooled(10_000, hanging, stop=stop, sink=sink, grace=0.1), stopping())
    assert result.cancelled == 8 and result.started == result.done + 8
    assert all(t.status == "ok" for t in sink.trials)


async def test_asking_twice_cancels_at_once() -> None:
    stop = StopSignal()
    hanging = ScriptedProvider(echo, ScriptedOptions(hang_every=1))

    async def impatient() -> None:
        await until(lambda: hanging.calls == 8)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.sleep(0.05)

    with stop.on_signals(signal.SIGUSR1):
        began = time.monotonic()
        result, _ = await asyncio.gather(pooled(100, hanging, stop=stop, grace=60), impatient())
    assert time.monotonic() - began < 20 and result.cancelled == 8


async def test_waiting_trials_do_not_hold_up_a_stop() -> None:
    stop, sink = StopSignal(), ListSink()
    limited = ScriptedProvider(echo, ScriptedOptions(rate_limit=1, retry_after=60))

    async def stopping() -> None:
        await until(lambda: len(sink.trials) == 1)
        for _ in range(100):  # turns, in which its worker takes another and all wait
            await asyncio.sleep(0)
        stop.request("interrupted")

    began = time.monotonic()
    result, _ = await asyncio.gather(pooled(100, limited, stop=stop, sink=sink, grace=60), stopping())
    assert time.monotonic() - began < 20
    assert result.statuses == {"ok": 1} and result.cancelled == 8


async def test_a_budget_of_tokens() -> None:
    budget = Budget(tokens=50)
    result = await pooled(1000, ScriptedProvider(["one two"]), concurrency=1, budget=budget)
    assert result.stopped and "50 tokens" in result.stopped
    assert 50 <= budget.used_tokens < 60 and result.done < 30


async def test_a_budget_of_time() -> None:
    result = await pooled(100_000, ScriptedProvider(echo, ScriptedOptions(latency=0.01)), budget=Budget(seconds=0.2))
    assert result.stopped and "0.2 s" in result.stopped and 0.15 < result.seconds < 60


async def test_a_budget_of_dollars_counts_what_is_priced_and_refuses_what_is_not() -> None:
    priced = ScriptedProvider(lambda request: Output(text="x", usage=Usage(new=1, generated=1, cost=0.25, calls=1)))
    budget = Budget(dollars=1.0)
    result = await pooled(100, priced, concurrency=1, budget=budget)
    assert result.done == 4 and budget.used_dollars == 1.0 and result.stopped and "$1" in result.stopped
    with pytest.raises(CapabilityError, match="no price is known"):
        await pooled(100, ScriptedProvider(echo), budget=Budget(dollars=1.0))


async def test_nothing_to_do() -> None:
    trials, result = await run_all(ScriptedProvider(echo), 0)
    assert trials == [] and result.started == 0 and result.stopped is None
