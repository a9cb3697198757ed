"""The limiter, the retry policy and the circuit on their own."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weigh.execute.limiter import Limiter
from weigh.execute.retry import Circuit, RetryPolicy
from weigh.execute.stop import Abandoned, StopSignal
from weigh.records.errors import Error


def error(code: str, *, transient: bool = True, retry_after: float | None = None) -> Error:
    return Error(kind="provider", code=code, message=code, transient=transient, retry_after=retry_after)


async def test_no_more_than_the_limit_and_first_come_first_served() -> None:
    limiter, order = Limiter(2), list[int]()

    async def one(number: int) -> None:
        await limiter.acquire()
        order.append(number)
        assert limiter.in_flight <= 2
        await asyncio.sleep(0.001)
        limiter.release()

    await asyncio.gather(*(one(n) for n in range(20)))
    assert order == list(range(20)) and limiter.in_flight == 0


async def test_one_round_of_complaints_halves_once_and_successes_raise_it_again() -> None:
    limiter = Limiter(64)
    sent = time.monotonic()
    limiter.in_flight = 64
    for _ in range(64):
        limiter.rate_limited(sent, None)
    assert limiter.limit == 32
    limiter.rate_limited(time.monotonic(), None)
    assert limiter.limit == 16
    for _ in range(17):
        limiter.succeeded()
    assert 16.9 < limiter.limit < 17.1
    for _ in range(10_000):
        limiter.succeeded()
    assert limiter.limit == 64


async def test_a_pause_is_for_everybody_and_the_longest_counts() -> None:
    limiter = Limiter(4)
    limiter.pause(0.1)
    limiter.pause(0.01)
    began = time.monotonic()
    await asyncio.gather(*(limiter.acquire() for _ in range(4)))
    assert time.monotonic() - began >= 0.09 and limiter.pauses == 1


async def test_a_waiter_that_is_cancelled_loses_no_slot() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    waiters = [asyncio.ensure_future(limiter.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    limiter.release()
    waiters[1].cancel()  # the slot was handed to it in this very turn
    await asyncio.wait_for(waiters[2], 30)
    assert limiter.in_flight == 1


async def test_closing_sends_everybody_home() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    waiter = asyncio.ensure_future(limiter.acquire())
    await asyncio.sleep(0)
    limiter.close()
    with pytest.raises(Abandoned):
        await waiter
    with pytest.raises(Abandoned):
        await limiter.acquire()


@given(st.integers(1, 100))
def test_back_off_grows_within_its_bounds(failures: int) -> None:
    policy = RetryPolicy(base=0.5, cap=8.0)
    full = min(8.0, 0.5 * 2 ** (failures - 1))
    assert full / 2 <= policy.delay(failures, error("http_500")) <= full
    assert 7.0 <= policy.delay(failures, error("http_429", retry_after=7.0)) <= 7.0 + full / 10


def test_what_is_tried_again() -> None:
    policy = RetryPolicy(retries=2, patience=10, longest_wait=60)
    assert policy.allows(2, 0, error("http_500")) and not policy.allows(3, 0, error("http_500"))
    assert policy.allows(9, 10, error("http_429")) and not policy.allows(0, 11, error("http_429"))
    assert not policy.allows(0, 0, error("http_400", transient=False))
    assert not policy.allows(0, 1, error("http_429", retry_after=3600.0)), "an hour's pause is a spent quota"


def test_the_circuit_needs_failures_in_a_row_over_time() -> None:
    circuit = Circuit(failures=4, seconds=0.0, fatal=2)
    circuit.succeeded()
    assert [circuit.failed(error("unreachable")) for _ in range(4)] == [False, False, False, True]
    patient = Circuit(failures=4, seconds=60.0)
    assert not any(patient.failed(error("unreachable")) for _ in range(100))
    mixed = Circuit(failures=2, seconds=0.0, fatal=2)
    mixed.succeeded()
    for _ in range(10):
        assert not mixed.failed(error("unreachable"))
        assert not mixed.failed(error("http_500")), "it answers, if badly"
        assert not mixed.failed(error("http_401", transient=False))
        mixed.succeeded()
    assert not mixed.failed(error("http_401")) and mixed.failed(error("http_401"))
    assert mixed.reason and "refuses every request" in mixed.reason


async def test_a_stop_wakes_sleepers() -> None:
    stop = StopSignal()
    assert await stop.sleep(0.001) is True
    asyncio.get_running_loop().call_later(0.02, stop.request, "enough")
    began = time.monotonic()
    assert await stop.sleep(30) is False and time.monotonic() - began < 20
    stop.request("again", now=True)
    assert stop.reason == "enough" and stop.now
