"""What is tried again, when, and when to stop trying altogether.

Only a failure that can pass is tried again, after a back-off with full jitter (so that many trials do not come back in
step). A provider that is dead for everybody is another matter: the circuit ends the run early, with what is done kept.
"""

from __future__ import annotations

import random
import time

import msgspec

from weigh.records.errors import Error

UNREACHABLE = "unreachable"
"""No connection could be made at all: says something about the server, nothing about the trial."""

RATE_LIMITED = "http_429"

FATAL = frozenset({"http_401", "http_402", "http_403", "http_404", "quota"})
"""Codes that every other request of the run will meet too: a wrong key, an unknown model, an empty account."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often and how patiently.

    Attributes:
        retries: How often one request is tried again after a failure that can pass.
        patience: The same for rate limits and an unreachable server, which are not the trial's fault.
        base: Seconds; the n-th back-off is drawn between half of and all of base * 2^n.
        cap: The longest back-off of our own; what the server asks for is honoured in full.
        longest_wait: A server that asks for a longer pause than this has spent our quota: not tried again.
    """

    retries: int = 5
    patience: int = 60
    base: float = 0.5
    cap: float = 30.0
    longest_wait: float = 900.0

    def delay(self, failures: int, error: Error) -> float:
        """Seconds to wait after the n-th failure (from 1)."""
        own: float = min(self.cap, self.base * 2 ** min(failures - 1, 30)) * (0.5 + 0.5 * random.random())
        return own if error.retry_after is None else error.retry_after + own * 0.1

    def allows(self, failures: int, excused: int, error: Error) -> bool:
        """Whether to try again after so many failures, and so many more that are not the trial's fault."""
        if not error.transient or (error.retry_after or 0.0) > self.longest_wait:
            return False
        return excused <= self.patience if excusable(error) else failures <= self.retries


def excusable(error: Error) -> bool:
    """Whether a failure says nothing about the request itself."""
    return error.code in (RATE_LIMITED, UNREACHABLE)


ONCE = RetryPolicy(retries=0, patience=0)
"""For what is behind something that tries again itself."""


class Circuit:
    """Notices that a provider is dead for everybody.

    Attributes:
        reason: Why the run has to end; None while it need not.
    """

    def __init__(self, *, failures: int = 10, seconds: float = 60.0, fatal: int = 3) -> None:
        """Trip after `failures` connection failures in a row spread over `seconds`, or `fatal` fatal ones in a row.

        Until the first success a quarter of that time and half of the failures are enough: then it is more likely a
        wrong address than an outage.
        """
        self._max_failures, self._max_seconds, self._max_fatal = failures, seconds, fatal
        self._failures = self._fatal = 0
        self._since = 0.0
        self._ever = False
        self.reason: str | None = None

    def succeeded(self) -> None:
        self._ever = True
        self._failures = self._fatal = 0

    def failed(self, error: Error) -> bool:
        """Count a failure; True when this one trips the circuit."""
        if self.reason is not None or error.kind not in ("provider", "limit"):
            return False
        if error.code in FATAL:
            self._fatal += 1
            if self._fatal >= self._max_fatal:
                self.reason = f"the provider refuses every request: {error.message}"
        elif error.code in (UNREACHABLE, "connection", "timeout", "unresponsive"):
            now = time.monotonic()
            if self._failures == 0:
                self._since = now
            self._failures += 1
            enough, long = self._max_failures, self._max_seconds
            if not self._ever:
                enough, long = (enough + 1) // 2, long / 4
            if self._failures >= enough and now - self._since >= long:
                self.reason = f"the provider has not answered for {now - self._since:.0f} s: {error.message}"
        elif error.code != RATE_LIMITED:
            self._failures = self._fatal = 0  # it answered, if only with an error of this request's own
        return self.reason is not None
