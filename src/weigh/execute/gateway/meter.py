"""What a session of the gateway may use, and what it has used: values, kept for every call."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import msgspec

from weigh.records.bounds import Count, Positive, check_bounds
from weigh.records.errors import Error
from weigh.records.request import Output, Request
from weigh.records.usage import Usage, add_usage

KEPT_CALLS = 100_000
"""The most calls of which each is kept; later ones push the oldest out and stay in the sums."""


class GatewayBudget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a session may use; None is no limit.

    Attributes:
        calls: Requests passed on to the model.
        tokens: New, cached and generated together; a call whose tokens nobody counted ends the session.
        dollars: Where prices are known; a call without a known price ends the session.
        seconds: Since the session was opened; a call that is out then is cut off.
    """

    calls: Count | None = None
    tokens: Count | None = None
    dollars: Positive | None = None
    seconds: Positive | None = None

    def __post_init__(self) -> None:
        check_bounds(self)


class Call(NamedTuple):
    """One request of a session as it was passed on, and what came of it.

    Attributes:
        at: Unix time at which it was sent to the provider.
        seconds: Until its answer; waiting for a slot and earlier tries are not the model's time.
        request: As the provider got it.
        output: None when it failed.
        error: Why it failed.
        question: What the program said the call is for (the header `X-Weigh-Question`); None when it said nothing.
        retries: How often it was tried again.
        wire: The protocol it came by: `chat`, `completion`, `responses`, `messages`, `loglikelihood`.
    """

    at: float
    seconds: float
    request: Request
    output: Output | None
    error: Error | None
    question: str | None = None
    retries: int = 0
    wire: str = ""


class MeteredCall(NamedTuple):
    """What is kept of every call, recorded or not.

    Attributes:
        at, seconds, question, retries, wire: As in `Call`.
        usage: Tokens and dollars; None when it was not answered.
        code: The failure's code, e.g. `http_500` or `limit:calls`; None when it was answered.
    """

    at: float
    seconds: float
    usage: Usage | None
    retries: int
    wire: str
    question: str | None
    code: str | None


class Meter(msgspec.Struct):
    """What a session has used so far.

    Attributes:
        usage: Tokens, dollars and answered calls.
        started: Calls that were passed on.
        errors: Calls that ended in a failure, retries used up.
        retries: How often a call was tried again.
        refused: Calls turned away because a budget was spent.
        latency: Seconds of all answered calls, summed.
        calls: Every call, oldest first, refused ones included.
    """

    usage: Usage = Usage()
    started: int = 0
    errors: int = 0
    retries: int = 0
    refused: int = 0
    latency: float = 0.0
    calls: deque[MeteredCall] = msgspec.field(default_factory=lambda: deque(maxlen=KEPT_CALLS))

    def keep(self, call: Call) -> None:
        """Count a call that is over."""
        self.retries += call.retries
        if call.output is not None:
            self.latency += call.seconds
            used = call.output.usage
            self.usage = used if not self.usage.calls else add_usage([self.usage, used])
        self.calls.append(
            MeteredCall(
                at=call.at,
                seconds=call.seconds,
                usage=None if call.output is None else call.output.usage,
                retries=call.retries,
                wire=call.wire,
                question=call.question,
                code=None if call.error is None else call.error.code or call.error.kind,
            )
        )

    def summary(self) -> dict[str, Any]:
        """The sums in plain values, to be kept beside what a program reports of itself; unknown is left out."""
        sums: dict[str, Any] = msgspec.to_builtins(self.usage)
        counted = {"started": self.started, "errors": self.errors, "retries": self.retries, "refused": self.refused}
        return {**sums, **counted, "seconds": round(self.latency, 6)}
