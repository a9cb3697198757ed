"""One trial from a cell: open what it needs, let the scaffold drive the model, judge, and record every attempt.

`Executor` is made once per arm and knows the provider, the scaffold and the limits; `execute` turns one cell into one
trial and never raises for anything that a trial can record. Failures that can pass are retried call by call, so that an
agent's twentieth turn does not cost the nineteen before it; what waiting and failed calls took is not charged to the
trial's deadline, since a deadline is about the model and not about the weather.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Literal

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
from weigh.plan.cell import Cell
from weigh.protocols import Provider, Sandbox, Scaffold
from weigh.records.arm import Axis
from weigh.records.errors import Error, Failure, WeighError
from weigh.records.request import LoglikelihoodRequest, Output
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import EMPTY, ERROR, GAVE_UP, OK, Attempt, Timing, Trial
from weigh.records.usage import Usage
from weigh.records.workspace import Workspace

ScoreTrial = Callable[[Cell, Trajectory, Sandbox | None], Awaitable[dict[str, Score]]]
NoMatch = Callable[[Cell, Trajectory], Awaitable[dict[str, Score]]]
StatusOf = Callable[[Cell, Trajectory, Mapping[str, Score]], str]
OpenSandbox = Callable[[Cell], AbstractAsyncContextManager[Sandbox] | None]

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [a + b for a in _BASE32 for b in _BASE32]


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
                said = _counted(_cut_short(cell, calls, None), calls) if calls.artifacts else None
                return self._trial(cell, calls, status=ERROR, error=error, trajectory=said)
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
        return await self._judge(cell, calls, self._recorded(cell, _counted(trajectory, calls), calls))

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
            return _cut_short(cell, calls, f"limit:{limit.name}")

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
        return _cut_short(cell, calls, "timeout")

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
            return self._trial(cell, calls, status=trajectory.stop_reason, trajectory=trajectory, scores=scores)
        if _is_empty(trajectory):
            error = Error(kind="empty", message="the model produced nothing: no token, no tool call, no answer")
            return self._trial(cell, calls, status=EMPTY, trajectory=trajectory, error=error)
        began = time.perf_counter()
        try:
            scores = await self.score(cell, trajectory, calls.sandbox)
        except (Abandoned, WeighError):
            raise
        except Failure as failure:
            calls.scoring = time.perf_counter() - began
            return self._trial(cell, calls, status=ERROR, trajectory=trajectory, error=failure.error)
        except Exception as bug:  # noqa: BLE001 - a scorer that raises makes a failed trial, and keeps the trajectory
            calls.scoring = time.perf_counter() - began
            error = internal_error(bug, kind="scorer")
            return self._trial(cell, calls, status=ERROR, trajectory=trajectory, error=error)
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
        return self._trial(cell, calls, status=status, trajectory=trajectory, scores=scores, error=failed)

    def _trial(
        self,
        cell: Cell,
        calls: TrialCalls,
        *,
        status: str,
        trajectory: Trajectory | None = None,
        scores: dict[str, Score] | None = None,
        error: Error | None = None,
    ) -> Trial:
        seconds = calls.seconds
        if trajectory is None:
            usage, attempts = calls.usage, tuple(calls.attempts)
        else:
            usage = trajectory.usage if trajectory.usage.calls else calls.usage
            attempts = tuple(calls.attempts)
            if error is None or not attempts or attempts[-1].error != error:  # else the last one failed, partly done
                attempts = (*attempts, Attempt(started=calls.started, seconds=seconds))
        return Trial(
            id=trial_id(),
            run=self.run,
            key=cell.key,
            arm=cell.arm,
            task=cell.task,
            variant=cell.variant,
            instance=cell.instance,
            instance_digest=cell.instance_digest,
            epoch=cell.epoch,
            status=status,
            error=error,
            trajectory=trajectory,
            scores=scores or {},
            attempts=attempts,
            timing=Timing(
                started=calls.started,
                total=round(seconds + (calls.scoring or 0.0), 6),
                model=round(calls.model_seconds, 6) if calls.model_seconds else None,
                tools=_tool_seconds(calls, trajectory),
                scoring=None if calls.scoring is None else round(calls.scoring, 6),
            ),
            usage=usage,
        )


def _cut_short(cell: Cell, calls: TrialCalls, why: str | None) -> Trajectory:
    """What there is of a trial that a limit, the deadline or a failure ended."""
    return Trajectory(
        request=cell.request,
        output=calls.last_output or Output(),
        steps=tuple(calls.steps),
        usage=calls.usage,
        stop_reason=why,
    )


def _counted(trajectory: Trajectory, calls: TrialCalls) -> Trajectory:
    """A trajectory with the usage of all calls, what the scaffold left, and the counters of its tools, filled in."""
    if not trajectory.usage.calls:
        trajectory = msgspec.structs.replace(trajectory, usage=calls.usage)
    if calls.artifacts or calls.metadata:
        trajectory = msgspec.structs.replace(
            trajectory,
            artifacts={**calls.artifacts, **trajectory.artifacts},
            metadata={**calls.metadata, **trajectory.metadata},
        )
    if calls.toolbox is not None:
        metadata = {**trajectory.metadata, **calls.toolbox.counts()}
        trajectory = msgspec.structs.replace(trajectory, metadata=metadata)
    return trajectory


def _tool_seconds(calls: TrialCalls, trajectory: Trajectory | None) -> float | None:
    """What tools took: those of the harness as measured, an agent's own as its steps say."""
    if calls.toolbox is not None:
        return round(calls.toolbox.seconds, 6)
    known = [
        seen.seconds
        for step in (trajectory.steps if trajectory else ())
        for seen in step.observations
        if seen.seconds is not None
    ]
    return round(sum(known), 6) if known else None


def _is_empty(trajectory: Trajectory) -> bool:
    """Whether nothing came at all; a ranking without continuations is nothing, one with them is something."""
    if not trajectory.output.is_empty:
        return False
    if isinstance(trajectory.request, LoglikelihoodRequest):
        return True
    return not any(s.tool_calls or (s.source == "model" and s.message.strip()) for s in trajectory.steps)


def internal_error(bug: BaseException, *, kind: Literal["internal", "scorer"] = "internal") -> Error:
    """An exception nobody foresaw, as a value: what it says, and its traceback for a bug report."""
    text = str(bug).strip().split("\n", 1)[0][:300]
    message = f"{type(bug).__name__}: {text}" if text else type(bug).__name__
    return Error(kind=kind, code="exception", message=message, detail="".join(traceback.format_exception(bug))[-8000:])


def bug_trial(run: str, cell: Cell, bug: BaseException) -> Trial:
    """The trial of a cell during which our own code broke (kind `internal`), for `run_cells(on_bug=...)`."""
    now = time.time()
    error = internal_error(bug)
    return Trial(
        id=trial_id(),
        run=run,
        key=cell.key,
        arm=cell.arm,
        task=cell.task,
        variant=cell.variant,
        instance=cell.instance,
        instance_digest=cell.instance_digest,
        epoch=cell.epoch,
        status=ERROR,
        error=error,
        attempts=(Attempt(started=now, seconds=0.0, error=error),),
        timing=Timing(started=now, total=0.0),
        usage=Usage(),
    )


def trial_id() -> str:
    """Twelve characters of lower-case base32: 60 random bits, short enough to type a prefix of.

    One of them is a digit, so that an id is never taken for a word.
    """
    while True:
        bits = int.from_bytes(os.urandom(8), "big")
        name = "".join([_PAIRS[bits >> shift & 1023] for shift in (0, 10, 20, 30, 40, 50)])
        if not name.isalpha():
            return name
