"""What a whole run may spend. When it is spent no new trial begins; those in flight are finished and kept."""

from __future__ import annotations

import time

from weigh.records.errors import CapabilityError
from weigh.records.trial import Trial


class Budget:
    """Seconds, tokens and dollars of one run; None means unlimited.

    Tokens and dollars are known only after a trial, so a run can go over by what was in flight.

    Attributes:
        seconds, tokens, dollars: The limits.
        used_tokens, used_dollars: What is spent, so far as it is known.
        unpriced: Trials whose cost nobody knows.
    """

    def __init__(
        self, *, seconds: float | None = None, tokens: int | None = None, dollars: float | None = None
    ) -> None:
        self.seconds, self.tokens, self.dollars = seconds, tokens, dollars
        self.used_tokens = 0
        self.used_dollars = 0.0
        self.unpriced = 0
        self._began: float | None = None

    def start(self) -> None:
        """Begin to count the time; starting again changes nothing, so one budget serves all pools of a run."""
        if self._began is None:
            self._began = time.monotonic()

    @property
    def remaining_seconds(self) -> float | None:
        if self.seconds is None or self._began is None:
            return self.seconds
        return max(0.0, self.seconds - (time.monotonic() - self._began))

    def charge(self, trial: Trial) -> None:
        """Count what a trial cost, its failed attempts included. Raises `CapabilityError` when dollars are limited and
        the first trials have no known cost: a limit that cannot be watched is no limit."""
        for usage in (trial.usage, *(a.usage for a in trial.attempts if a.usage is not None and a.error is not None)):
            self.used_tokens += usage.total or 0
            if usage.cost is not None:
                self.used_dollars += usage.cost
            elif usage.calls:
                self.unpriced += 1
                if self.dollars is not None:
                    raise CapabilityError(
                        f"the run may spend ${self.dollars:g}, but no price is known for what arm '{trial.arm}' uses; "
                        "give one (`-m MODEL::price=INPUT/OUTPUT`, dollars per million tokens) or limit tokens"
                    )

    def spent(self) -> str | None:
        """Which limit is reached, for a person; None while there is something left."""
        if self.tokens is not None and self.used_tokens >= self.tokens:
            return f"the run's budget of {self.tokens:,} tokens is spent"
        if self.dollars is not None and self.used_dollars >= self.dollars:
            return f"the run's budget of ${self.dollars:g} is spent"
        if self.seconds is not None and self.remaining_seconds == 0.0:
            return f"the run's budget of {self.seconds:g} s is spent"
        return None
