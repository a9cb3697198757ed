"""Thousands of trials in flight on one event loop, by a bounded number of workers.

Workers pull cells from an iterator one at a time: there is never a coroutine, a request or a result per planned
trial, so memory does not grow with the plan. Each finished trial goes to the sink before its worker pulls the next one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import msgspec

from weigh.execute.budget import Budget
from weigh.execute.stop import StopSignal
from weigh.protocols import Sink
from weigh.records.trial import Trial

C = TypeVar("C")


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
    grace: float = 10.0,
    on_event: Callable[[Event], None] | None = None,
) -> PoolResult:
    """Execute every cell, at most `concurrency` at a time.

    Args:
        cells: Pulled lazily, from the event loop's thread.
        work: Executes one cell. Only a bug of ours makes it raise (see `on_bug`), save for `WeighError`, which ends the run,
            and `Abandoned`, which gives the cell back.
        sink: Where finished trials go.
        on_bug: Makes a failed trial (kind `internal`) of a cell whose `work` raised.
        budget: What the run may spend.
        stop: How others ask the run to end.
        grace: Seconds that trials in flight have to finish when the run is asked to stop.
        on_event: Told what happens.

    Raises:
        WeighError: From `cells`, `work` or `sink`, after what was in flight has been finished or cancelled.
    """
    raise NotImplementedError
