"""What an invocation has done so far: counted for its end, and told to whoever watches while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec

from weigh.execute.pool import GRACE_SECONDS, Stopping
from weigh.execute.sandboxes.planner import SandboxPlanner
from weigh.pipeline.request import Notice, OnEvent, SandboxesSeen, TrialDone
from weigh.pipeline.tally import Tally
from weigh.records.agent_usage import miscount
from weigh.records.trial import Trial
from weigh.records.usage import Usage, add_usage

LOOK_SECONDS = 0.2
"""How often what the sandboxes are doing is told, at most."""


class Progress:
    """Counts trials, usage and time from when it is made, and tells of them.

    Args:
        on_event: Told what happens.
        planner: The run's sandboxes; it is told which trials are done.

    Attributes:
        executed, reused, rescored: Trials so far, as in `RunResult`.
    """

    def __init__(self, on_event: OnEvent, planner: SandboxPlanner) -> None:
        self.executed = self.reused = self.rescored = 0
        self._on_event, self._planner = on_event, planner
        self._began = time.monotonic()
        self._usages: list[Usage] = []
        self._miscounted: list[str] = []
        self._shown = 0.0

    def notice(self, text: str) -> None:
        """Say a line to the user."""
        self._on_event(Notice(text=text))

    def durable(self, trials: Sequence[Trial]) -> None:
        """Trials have become durable."""
        for trial in trials:
            if trial.reused is None:
                self.executed += 1
                self.spent(trial.usage)
                if miscount(trial) is not None:
                    self._miscounted.append(trial.id)
            else:
                self.reused += 1
            self._on_event(TrialDone(trial=trial, reused=trial.reused is not None))
            self._planner.did(trial.spec)
        self._show_sandboxes()

    def scored_again(self, trials: Iterable[Trial]) -> None:
        """Trials of the run have new scores."""
        for trial in trials:
            self.rescored += 1
            self._on_event(TrialDone(trial=trial, reused=True))

    def spent(self, usage: Usage) -> None:
        """Count usage, a trial's or one that belongs to no single trial."""
        self._usages.append(usage)
        if len(self._usages) > 1000:
            self._usages = [add_usage(self._usages)]

    def pool_event(self, event: object) -> None:
        """Tell what `execute.pool` says, as far as it is the user's business: that the run is stopping."""
        if isinstance(event, Stopping):
            trials = f"{event.in_flight} {'trial' if event.in_flight == 1 else 'trials'} in flight"
            if event.now:
                text = f"cancelling {trials}, to run again next time"
            else:
                # A trial that has to ask the model again is given back: its next step may take minutes.
                step = "the step it is at" if event.in_flight == 1 else "the step they are at"
                text = f"stopping; {trials} may end {step} within {GRACE_SECONDS:g} s; what is unfinished runs again"
            more = "; Ctrl-C again stops at once" if event.reason == "interrupted" and not event.now else ""
            self.notice(f"{event.reason}: {text}{more}")

    def complete(self, counted: Tally, stopped: str | None) -> Tally:
        """What the store has of the plan, completed with what this invocation did.

        Args:
            counted: From `count_plan`.
            stopped: Why the run stopped early; None when it did not.
        """
        return msgspec.structs.replace(
            counted,
            executed=self.executed,
            reused=self.reused,
            rescored=self.rescored,
            stopped=stopped,
            usage=add_usage(self._usages),
            sandboxes=self._planner.state.started,
            seconds=time.monotonic() - self._began,
        )

    def tell_miscounts(self) -> None:
        """Say in which trials the agent's own counts are not the gateway's."""
        if self._miscounted:
            first, *more = self._miscounted
            where = f"in trial {first}" + (f" and {len(more)} more" if more else "")
            self.notice(f"{where} the agent reports other calls or tokens than the gateway counted")

    def _show_sandboxes(self) -> None:
        """Tell what the sandboxes are doing, a few times a second at most; nothing where none was ever started."""
        now = time.monotonic()
        if now - self._shown < LOOK_SECONDS:
            return
        self._shown = now
        state = self._planner.state
        if state.started:
            self._on_event(
                SandboxesSeen(waiting=state.waiting, running=state.running, idle=state.idle, budget=state.budget)
            )
