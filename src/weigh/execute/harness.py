"""One trial from a cell: open what it needs, let the scaffold drive the model, judge, and record every attempt.

`Executor` is made once per arm and knows the provider, the scaffold and the limits; `execute` turns one cell into one
trial and never raises for anything that a trial can record. Failures that can pass are retried call by call, so that an
agent's twentieth turn does not cost the nineteen before it; what waiting and failed calls took is not charged to the
trial's deadline, since a deadline is about the model and not about the weather.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from weigh.execute.limiter import Limiter
from weigh.execute.retry import Circuit, RetryPolicy
from weigh.execute.stop import StopSignal
from weigh.plan.cell import Cell
from weigh.protocols import Provider, Sandbox, Scaffold
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Trial

ScoreTrial = Callable[[Cell, Trajectory, Sandbox | None], Awaitable[dict[str, Score]]]
NoMatch = Callable[[Cell, str], dict[str, Score]]
OpenSandbox = Callable[[Cell], AbstractAsyncContextManager[Sandbox] | None]


class Executor:
    """Executes the cells of one arm."""

    def __init__(
        self,
        provider: Provider,
        scaffold: Scaffold,
        *,
        run: str,
        score: ScoreTrial,
        no_match: NoMatch,
        concurrency: int,
        seconds: float | None = None,
        retry: RetryPolicy | None = None,
        circuit: Circuit | None = None,
        limiter: Limiter | None = None,
        stop: StopSignal | None = None,
        open_sandbox: OpenSandbox | None = None,
    ) -> None:
        """
        Args:
            provider: Entered by the caller.
            scaffold: Drives it.
            run: The run's id, for the trials.
            score: Judges a trajectory that ended well, while the sandbox lives. A `Score` with an error makes the
                trial a failure.
            no_match: The scores of an outcome that is no answer (`timeout`, `refused`, `limit:turns`, ...).
            concurrency: The most requests in flight; made into a `Limiter` unless one is given (share one between the
                executors of one provider).
            seconds: Deadline of a trial, scoring excluded.
            retry: What is tried again.
            circuit: Ends the run when the provider is dead.
            stop: The run's stop signal; the circuit uses it, and waiting trials listen to it.
            open_sandbox: Gives the trial's sandbox, or None for a cell that needs none.
        """
        raise NotImplementedError

    async def execute(self, cell: Cell) -> Trial:
        """Execute one cell. Raises only `Abandoned` (given back because the run stops) and `WeighError`."""
        raise NotImplementedError


def bug_trial(run: str, cell: Cell, bug: Exception) -> Trial:
    """The trial of a cell during which our own code broke (kind `internal`), for `run_cells(on_bug=...)`."""
    raise NotImplementedError


def trial_id() -> str:
    """Twelve characters of lower-case base32: 60 random bits, short enough to type a prefix of."""
    raise NotImplementedError
