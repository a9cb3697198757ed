"""One user of the gateway: a token, a model behind it, what it has used, and what it may use.

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

from weigh.execute.limiter import Limiter
from weigh.execute.limits import LimitReached
from weigh.execute.retry import RetryPolicy, excusable
from weigh.execute.stop import Abandoned
from weigh.protocols import Provider
from weigh.records.errors import Error, Failure
from weigh.records.request import LoglikelihoodRequest, Output, Request
from weigh.records.usage import Usage, add_usage

KEPT_CALLS = 100_000
"""The most calls whose requests and answers are kept; later ones are only counted."""


class GatewayBudget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a session may use; None is no limit.

    Attributes:
        calls: Requests passed on to the model.
        tokens: New, cached and generated together.
        dollars: Where prices are known; a call without a known price is refused.
        seconds: Since the session was opened.
    """

    calls: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    seconds: float | None = None


class Call(NamedTuple):
    """One request of a session as it was passed on, and what came of it.

    Attributes:
        at: Unix time at which it was sent to the provider.
        seconds: Until its answer; waiting for a slot and earlier tries are not the model's time.
        request: As the provider got it.
        output: None when it failed.
        error: Why it failed.
        question: What the program said the call is for (the header `X-Weigh-Question`); None when it said nothing.
    """

    at: float
    seconds: float
    request: Request
    output: Output | None
    error: Error | None
    question: str | None = None


class Meter(msgspec.Struct):
    """What a session has used so far.

    Attributes:
        usage: Tokens, dollars and answered calls.
        started: Calls that were passed on.
        errors: Calls that ended in a failure, retries used up.
        retries: How often a call was tried again.
        refused: Calls turned away because a budget was spent.
        latency: Seconds of all answered calls, summed.
    """

    usage: Usage = Usage()
    started: int = 0
    errors: int = 0
    retries: int = 0
    refused: int = 0
    latency: float = 0.0


class Session:
    """A token and what stands behind it. Made by `Gateway.open`.

    Attributes:
        token: What its user shows as the API key; never stored.
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
        transform: Callable[[Request], Request] | None = None,
        limiter: Limiter | None = None,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[bool]] | None = None,
    ) -> None:
        self.token = f"weigh-{secrets.token_urlsafe(32)}"
        self.provider, self.model = provider, provider.name
        self.budget = budget or GatewayBudget()
        self.meter = Meter()
        self.calls: deque[Call] | None = deque(maxlen=KEPT_CALLS) if record else None
        self.spent: str | None = None
        self.ended: LimitReached | Abandoned | None = None
        self.over = asyncio.Event()
        self.last_error: Error | None = None
        self._transform = transform
        self._limiter = limiter or Limiter(provider.concurrency or 32)
        self._retry = retry or RetryPolicy()
        self._sleep = sleep or _sleep
        self._opened = time.monotonic()

    def is_me(self, token: str) -> bool:
        """Whether a token is this session's, compared in constant time."""
        return hmac.compare_digest(self.token.encode(), token.encode())

    async def respond(self, request: Request, question: str | None = None) -> Output:
        """Pass a request on under the budgets, waiting for a slot and trying again as the policy says.

        Args:
            request: As the program made it.
            question: What it is for, if the program said so.

        Raises:
            Failure: With code `limit:NAME` when a budget or a limit of the trial is spent, `stopping` when the run
                ends, else what the provider said.
        """
        try:
            self._check_budget()
        except Failure as failure:
            self._keep(Call(time.time(), 0.0, request, None, failure.error, question))
            raise
        self.meter.started += 1
        request = self._within_tokens(self._transform(request) if self._transform else request)
        began = time.time()
        try:
            output, at, seconds = await self._send(request)
        except (LimitReached, Abandoned) as end:
            self.meter.started -= 1
            self._end(end)
            refusal = self._refuse()
            self._keep(Call(began, 0.0, request, None, refusal.error, question))
            raise refusal from end
        except Failure as failure:
            self.meter.errors += 1
            self.last_error = failure.error
            self._keep(Call(began, time.time() - began, request, None, failure.error, question))
            raise
        self.last_error = None
        self.meter.latency += seconds
        self.meter.usage = output.usage if not self.meter.usage.calls else add_usage([self.meter.usage, output.usage])
        self._keep(Call(at, seconds, request, output, None, question))
        if self.budget.dollars is not None and output.usage.cost is None:
            self._spend("dollars")  # a limit that cannot be watched is no limit
        return output

    async def _send(self, request: Request) -> tuple[Output, float, float]:
        """The answer, when its last try was sent (Unix time), and the seconds the model took."""
        failures = excused = 0
        while True:
            await self._limiter.acquire()
            sent = time.monotonic()
            try:
                output = await self.provider.respond(request)
            except Failure as failure:
                error = failure.error
            else:
                self._limiter.succeeded()
                seconds = time.monotonic() - sent
                return output, time.time() - seconds, seconds
            finally:
                self._limiter.release()
            if error.code == "http_429":
                self._limiter.rate_limited(sent, error.retry_after)
            if excusable(error):
                excused += 1
            else:
                failures += 1
            if not self._retry.allows(failures, excused, error):
                raise Failure(error)
            self.meter.retries += 1
            if not await self._sleep(self._retry.delay(failures + excused, error)):
                raise Failure(error)

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
        if self.calls is not None:
            self.calls.append(call)


async def _sleep(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return True
