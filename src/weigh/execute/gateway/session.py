"""One user of the gateway: an address and a token, a model behind it, what it has used, and what it may use.

A session belongs to one trial or one program. Budgets are checked before a call is passed on: the number of calls is
exact; tokens and dollars are known only after a call, so they can be exceeded by what was in flight. When a budget is
spent, `spent` names it (`limit:calls`), every later call is refused, and whoever opened the session reads it there.

A trial's own context can be the provider. Its limits then end the session in the same way: `LimitReached` becomes a
refusal to the program and stays in `ended`, for the scaffold to raise once it has stopped the program.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from weigh.execute.gateway.meter import KEPT_CALLS, Call, GatewayBudget, Meter
from weigh.execute.limiter import Limiter
from weigh.execute.limits import LimitReached
from weigh.execute.recording import RecordedCall
from weigh.execute.retry import RetryPolicy, excusable
from weigh.execute.stop import Abandoned
from weigh.protocols import Provider
from weigh.records.errors import Error, Failure
from weigh.records.request import LoglikelihoodRequest, Output, Request

__all__ = ["Call", "GatewayBudget", "Meter", "Session"]


class _Answered(NamedTuple):
    """How a call ended: its output or its error, when its last try was sent, how long that took, tries before it."""

    output: Output | None
    error: Error | None
    at: float
    seconds: float
    retries: int


class Session:
    """An address with its token, and what stands behind it. Made by `Gateway.open`.

    Attributes:
        token: What its user shows as the API key; never stored.
        id: Of its own address, `/t/ID` below the gateway's. It is no secret: only this token is taken there.
        provider: Entered by whoever opened the session.
        model: The name that `/v1/models` gives.
        meter: What was used.
        calls: Requests and answers, oldest first, when `record` was asked for.
        spent: `limit:calls`, `limit:tokens`, `limit:dollars` or `limit:seconds` once that budget is spent; a limit of
            the trial behind it has its own name (`limit:turns`).
        ended: What the trial's context raised to end it: `LimitReached`, or `Abandoned` because the run stops.
        over: Set once no further call will be answered, so that a program need not be waited for.
        last_error: Why the last call that was passed on failed; None when it was answered.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        budget: GatewayBudget | None = None,
        record: bool = False,
        on_call: Callable[[RecordedCall], None] | None = None,
        transform: Callable[[Request], Request] | None = None,
        limiter: Limiter | None = None,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[bool]] | None = None,
    ) -> None:
        self.token = f"weigh-{secrets.token_urlsafe(32)}"
        self.id = secrets.token_hex(8)
        self.provider, self.model = provider, provider.name
        self.budget = budget or GatewayBudget()
        self.meter = Meter()
        self.calls: deque[Call] | None = deque(maxlen=KEPT_CALLS) if record else None
        self.spent: str | None = None
        self.ended: LimitReached | Abandoned | None = None
        self.over = asyncio.Event()
        self.last_error: Error | None = None
        self._on_call = on_call
        self._transform = transform
        self._limiter = limiter or Limiter(provider.concurrency or 32)
        self._retry = retry or RetryPolicy()
        self._sleep = sleep or _sleep
        self._opened = time.monotonic()

    @property
    def path(self) -> str:
        """Of its own address, below the gateway's."""
        return f"/t/{self.id}"

    def is_me(self, token: str) -> bool:
        """Whether a token is this session's, compared in constant time."""
        return hmac.compare_digest(self.token.encode(), token.encode())

    async def respond(self, request: Request, question: str | None = None, *, wire: str = "") -> Output:
        """Pass a request on under the budgets, waiting for a slot and trying again as the policy says.

        Args:
            request: As the program made it.
            question: What it is for, if the program said so.

        Raises:
            Failure: With code `limit:NAME` when a budget or a limit of the trial is spent, `stopping` when the run
                ends, else what the provider said.
        """
        began = time.time()

        def keep(error: Error | None, answered: _Answered | None = None) -> None:
            output, _, at, seconds, retries = answered or _Answered(None, None, began, time.time() - began, 0)
            self._keep(Call(at, seconds, request, output, error, question, retries, wire))

        try:
            self._check_budget()
        except Failure as failure:
            keep(failure.error)
            raise
        self.meter.started += 1
        request = self._within_tokens(self._transform(request) if self._transform else request)
        try:
            async with asyncio.timeout(self._seconds_left()) as deadline:
                answered = await self._send(request)
        except (LimitReached, Abandoned, TimeoutError) as end:
            if isinstance(end, TimeoutError):
                if not deadline.expired():
                    raise
                self._spend("seconds")
            else:
                self.meter.started -= 1
                self._end(end)
            refusal = self._refuse()
            keep(refusal.error)
            raise refusal from end
        self.last_error = answered.error
        keep(answered.error, answered)
        if answered.output is None:
            assert answered.error is not None
            self.meter.errors += 1
            raise Failure(answered.error)
        # A limit that cannot be watched is no limit.
        if self.budget.dollars is not None and answered.output.usage.cost is None:
            self._spend("dollars")
        if self.budget.tokens is not None and answered.output.usage.total is None:
            self._spend("tokens")
        return answered.output

    async def count_tokens(self, request: Request) -> int:
        """How many tokens a request has, by a provider that can tell. Raises `Failure` (code `not_found`) else."""
        count = getattr(self.provider, "count_tokens", None)
        if count is None:
            message = f"{self.model} cannot count tokens beforehand, and nothing is guessed here"
            raise Failure(Error(kind="agent", code="not_found", message=message))
        counted: int = await count(request)
        return counted

    async def _send(self, request: Request) -> _Answered:
        """Try until it is answered or not to be tried again."""
        failures = excused = 0
        while True:
            await self._limiter.acquire()
            sent, at = time.monotonic(), time.time()
            try:
                output = await self.provider.respond(request)
            except Failure as failure:
                error = failure.error
            else:
                self._limiter.succeeded()
                return self._measured(_Answered(output, None, at, time.monotonic() - sent, failures + excused))
            finally:
                self._limiter.release()
            if error.code == "http_429":
                self._limiter.rate_limited(sent, error.retry_after)
            answered = self._measured(_Answered(None, error, at, time.monotonic() - sent, failures + excused))
            if excusable(error):
                excused += 1
            else:
                failures += 1
            if not self._retry.allows(failures, excused, error):
                return answered
            if not await self._sleep(self._retry.delay(failures + excused, error)):
                return answered

    def _measured(self, answered: _Answered) -> _Answered:
        """With the time and the retries of a provider that waits and tries again itself, as a trial's context does.

        It says so of the call that has just returned; nothing else can have run in between.
        """
        last = getattr(self.provider, "last_call", None)
        if last is None:
            return answered
        seconds, retries = last
        at = answered.at + max(0.0, answered.seconds - seconds)
        return answered._replace(at=at, seconds=seconds, retries=answered.retries + retries)

    def _seconds_left(self) -> float | None:
        if self.budget.seconds is None:
            return None
        return max(0.0, self._opened + self.budget.seconds - time.monotonic())

    def _check_budget(self) -> None:
        budget, meter = self.budget, self.meter
        if not self.over.is_set():
            if budget.calls is not None and meter.started >= budget.calls:
                self._spend("calls")
            elif budget.tokens is not None and (meter.usage.total or 0) >= budget.tokens:
                self._spend("tokens")
            elif budget.dollars is not None and (meter.usage.cost or 0.0) >= budget.dollars:
                self._spend("dollars")
            elif budget.seconds is not None and time.monotonic() - self._opened >= budget.seconds:
                self._spend("seconds")
        if self.over.is_set():
            raise self._refuse()

    def _spend(self, what: str) -> None:
        if self.spent is None:
            self.spent = f"limit:{what}"
        self.over.set()

    def _end(self, end: LimitReached | Abandoned) -> None:
        """The trial behind it takes no further call."""
        self.ended = self.ended or end
        if isinstance(end, LimitReached):
            self._spend(end.name)
        self.over.set()

    def _refuse(self) -> Failure:
        """What a program is told once the session is over."""
        self.meter.refused += 1
        if self.spent is None:
            return Failure(Error(kind="limit", code="stopping", message="the run stops; no further call is answered"))
        if isinstance(self.ended, LimitReached):
            why = str(self.ended)
        else:
            what = self.spent.removeprefix("limit:")
            why = f"the budget of {getattr(self.budget, what):g} {what} is spent"
        return Failure(Error(kind="limit", code=self.spent, message=f"{why}; no further call is answered"))

    def _within_tokens(self, request: Request) -> Request:
        """The request, asking for no more tokens than are left."""
        if self.budget.tokens is None or isinstance(request, LoglikelihoodRequest):
            return request
        left = max(1, self.budget.tokens - (self.meter.usage.total or 0))
        if request.sampling.max_tokens <= left:
            return request
        return msgspec.structs.replace(request, sampling=msgspec.structs.replace(request.sampling, max_tokens=left))

    def _keep(self, call: Call) -> None:
        self.meter.keep(call)
        if self.calls is not None:
            self.calls.append(call)
        if self._on_call is not None:
            self._on_call(RecordedCall(**call._asdict()))


async def _sleep(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return True
