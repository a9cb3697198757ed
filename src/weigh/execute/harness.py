"""One trial from a cell: open what it needs, let the scaffold drive the model, judge, and record every attempt.

`Executor` is made once per arm and knows the provider, the scaffold and the limits; `execute` turns one cell into one
trial and never raises for anything that a trial can record. Failures that can pass are retried call by call, so that an
agent's twentieth turn does not cost the nineteen before it; what waiting and failed calls took is not charged to the
trial's deadline, since a deadline is about the model and not about the weather.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

import msgspec

from weigh.define.harness import Limits
from weigh.execute.limiter import Limiter
from weigh.execute.limits import LimitReached
from weigh.execute.recording import NAME as RECORDING
from weigh.execute.recording import CellName, Head, recording_text
from weigh.execute.retry import Circuit, RetryPolicy
from weigh.execute.stop import Abandoned, StopSignal
from weigh.execute.tools.toolbox import ToolSet
from weigh.execute.trial_calls import TrialCalls
from weigh.execute.trials import counted, cut_short, internal_error, is_empty, make_trial
from weigh.plan.cell import Cell
from weigh.protocols import Provider, Sandbox, Scaffold
from weigh.records.arm import Axis
from weigh.records.errors import Error, Failure, WeighError
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import EMPTY, ERROR, GAVE_UP, OK, Trial
from weigh.records.workspace import Workspace

ScoreTrial = Callable[[Cell, Trajectory, Sandbox | None], Awaitable[dict[str, Score]]]
NoMatch = Callable[[Cell, Trajectory], Awaitable[dict[str, Score]]]
StatusOf = Callable[[Cell, Trajectory, Mapping[str, Score]], str]
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
        status: StatusOf = lambda cell, trajectory, scores: OK,
        concurrency: int,
        seconds: float | None = None,
        retry: RetryPolicy | None = None,
        circuit: Circuit | None = None,
        limiter: Limiter | None = None,
        stop: StopSignal | None = None,
        open_sandbox: OpenSandbox | None = None,
        tools: ToolSet | None = None,
        helpers: Mapping[str, Provider] | None = None,
        limits: Limits | None = None,
        workspace: Workspace | None = None,
        record: bool = False,
        axes: Mapping[str, Axis] | None = None,
    ) -> None:
        """
        Args:
            provider: Entered by the caller.
            scaffold: Drives it.
            run: The run's id, for the trials.
            score: Judges a trajectory that ended well, while the sandbox lives. A `Score` with an error makes the
                trial a failure.
            no_match: The scores of an outcome that is no answer (`timeout`, `refused`, `limit:turns`, ...).
            status: The status of a trial that was judged: `ok`, or an outcome that only scores can tell (`gave-up`).
            concurrency: The most requests in flight; made into a `Limiter` unless one is given (share one between the
                executors of one provider).
            seconds: Deadline of a trial, scoring excluded.
            retry: What is tried again.
            circuit: Ends the run when the provider is dead.
            stop: The run's stop signal; the circuit uses it, and waiting trials listen to it.
            open_sandbox: Gives the trial's sandbox, or None for a cell that needs none.
            tools: What the model may call.
            helpers: Entered helper models by role, for scaffolds.
            limits: Of turns, tokens, dollars and tool calls; the deadline is `seconds`.
            workspace: What each trial's sandbox starts with, for scaffolds.
            record: Whether each trial keeps what it asked and was answered, as the artifact `calls.jsonl`.
            axes: Of the arm; they are in a recording's name.
        """
        self.provider, self.scaffold, self.run = provider, scaffold, run
        self.score, self.no_match, self.status, self.open_sandbox = score, no_match, status, open_sandbox
        self.seconds = seconds
        self.record, self.axes = record, dict(axes or {})
        self._names_trials = record or hasattr(provider, "for_trial")
        self.tools, self.helpers, self.workspace = tools or ToolSet(), helpers or {}, workspace
        self.limits = limits if limits is not None and limits != Limits() else None
        self.retry = retry or RetryPolicy()
        self.circuit = circuit or Circuit()
        self.limiter = limiter or Limiter(concurrency)
        self.stop = stop or StopSignal()
        self._alive_until = 0.0
        self._probe: asyncio.Task[bool] | None = None
        self.stop.on_request(self.limiter.close)

    async def execute(self, cell: Cell) -> Trial:
        """Execute one cell. Raises only `Abandoned` (given back because the run stops) and `WeighError`."""
        calls = TrialCalls(self, cell.instance, self._name(cell) if self._names_trials else None)
        tries = 0
        while True:
            tries += 1
            try:
                return await self._attempt(cell, calls)
            except Failure as failure:
                error = failure.error
                if calls.recorded is not error:
                    calls.record(error)
            except (Abandoned, WeighError):
                raise
            except Exception as bug:  # noqa: BLE001 - a bug of ours or of a plug-in becomes a failed trial, never a score
                error = internal_error(bug)
                calls.record(error)
            # Calls of the provider were retried one by one; here a broken sandbox or agent gets a new trial.
            again = error.kind in ("sandbox", "agent") and self.retry.allows(tries, 0, error)
            if not again or not await self.stop.sleep(self.retry.delay(tries, error)):
                # What an agent said before it failed is kept, for people.
                said = counted(cut_short(cell, calls, None), calls) if calls.artifacts else None
                return make_trial(self.run, cell, calls, status=ERROR, error=error, trajectory=said)
            calls.restart()

    def _name(self, cell: Cell) -> CellName:
        return CellName(
            task=cell.task, variant=cell.variant, instance=cell.instance.id, epoch=cell.epoch, axes=self.axes
        )

    async def _attempt(self, cell: Cell, calls: TrialCalls) -> Trial:
        manager = self.open_sandbox(cell) if self.open_sandbox is not None else None
        if manager is None:
            try:
                return await self._drive(cell, calls)
            finally:
                await calls.close_tools()
        async with manager as sandbox:
            calls.sandbox = sandbox
            calls.restart_clock()
            try:
                return await self._drive(cell, calls)
            finally:
                await calls.close_tools()
                calls.sandbox = None

    async def _drive(self, cell: Cell, calls: TrialCalls) -> Trial:
        """Let the scaffold run under the deadline, then judge what came of it."""
        if self.seconds is None:
            trajectory = await self._limited(cell, calls)
        else:
            try:
                async with asyncio.timeout(self.seconds) as deadline:
                    calls.deadline = deadline
                    trajectory = await self._limited(cell, calls)
            except TimeoutError:
                calls.stop_clock()
                if not calls.deadline_expired:
                    raise
                trajectory = await self._timed_out(cell, calls)
            finally:
                calls.deadline = None
        calls.stop_clock()
        return await self._judge(cell, calls, self._recorded(cell, counted(trajectory, calls), calls))

    def _recorded(self, cell: Cell, trajectory: Trajectory, calls: TrialCalls) -> Trajectory:
        """With the recording among its artifacts, when there is one."""
        if calls.calls is None:
            return trajectory
        head = Head(model=self.provider.name, at=calls.started, cell=self._name(cell))
        artifacts = {**trajectory.artifacts, RECORDING: recording_text(head, calls.calls)}
        return msgspec.structs.replace(trajectory, artifacts=artifacts)

    async def _limited(self, cell: Cell, calls: TrialCalls) -> Trajectory:
        """Let the scaffold run; a limit ends it with what there is."""
        try:
            return await self.scaffold.run(cell.request, calls)
        except LimitReached as limit:
            return cut_short(cell, calls, f"limit:{limit.name}")

    async def _timed_out(self, cell: Cell, calls: TrialCalls) -> Trajectory:
        """A deadline is an outcome of the model, unless the server does not answer anything at all any more."""
        if calls.calling and not await self._alive():
            raise Failure(
                Error(
                    kind="provider",
                    code="unresponsive",
                    message=f"no answer within {self.seconds:g} s, and the server answers nothing else either",
                    transient=True,
                )
            )
        return cut_short(cell, calls, "timeout")

    async def _alive(self) -> bool:
        """Ask the provider whether it is alive, where it can tell; one question serves all who ask within 5 s."""
        alive = getattr(self.provider, "alive", None)
        if alive is None or time.monotonic() < self._alive_until:
            return True
        if self._probe is None:
            self._probe = asyncio.ensure_future(alive())
            self._probe.add_done_callback(self._probed)
        answered: bool = await asyncio.shield(self._probe)
        return answered

    def _probed(self, task: asyncio.Task[bool]) -> None:
        self._probe = None
        if not task.cancelled() and task.exception() is None and task.result():
            self._alive_until = time.monotonic() + 5.0

    async def _judge(self, cell: Cell, calls: TrialCalls, trajectory: Trajectory) -> Trial:
        if trajectory.stop_reason not in (None, GAVE_UP):
            scores = await self.no_match(cell, trajectory)
            return make_trial(
                self.run, cell, calls, status=trajectory.stop_reason, trajectory=trajectory, scores=scores
            )
        if is_empty(trajectory):
            error = Error(kind="empty", message="the model produced nothing: no token, no tool call, no answer")
            return make_trial(self.run, cell, calls, status=EMPTY, trajectory=trajectory, error=error)
        began = time.perf_counter()
        try:
            scores = await self.score(cell, trajectory, calls.sandbox)
        except (Abandoned, WeighError):
            raise
        except Failure as failure:
            calls.scoring = time.perf_counter() - began
            return make_trial(self.run, cell, calls, status=ERROR, trajectory=trajectory, error=failure.error)
        except Exception as bug:  # noqa: BLE001 - a scorer that raises makes a failed trial, and keeps the trajectory
            calls.scoring = time.perf_counter() - began
            error = internal_error(bug, kind="scorer")
            return make_trial(self.run, cell, calls, status=ERROR, trajectory=trajectory, error=error)
        calls.scoring = time.perf_counter() - began
        failed = None
        for name, score in scores.items():
            if score.error is not None:
                failed = score.error
                break
            if score.value is not None and not math.isfinite(score.value):
                message = f"scorer '{name}' gave {score.value}, which is no number"
                failed = Error(kind="scorer", code="nan", message=message)
                scores = {**scores, name: Score(digest=score.digest, error=failed)}
                break
        status = self.status(cell, trajectory, scores) if failed is None else ERROR
        return make_trial(self.run, cell, calls, status=status, trajectory=trajectory, scores=scores, error=failed)
