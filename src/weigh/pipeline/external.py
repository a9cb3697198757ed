"""Tasks with their own program (`weigh.define.external`): from cells to a start of the program, and back to trials.

The program answers many questions at once, so its cells are executed together: all that remain of one task and epoch,
or `batch` of them. Each becomes a trial of its own. What the program says counts only where the gateway's meter agrees
that a model was asked and answered: a question whose call failed is a failure although the program may have scored an
empty answer, and a program that never asked anything has measured nothing.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from weigh.define.external import OUT, ExternalEval, ExternalJob, Reported
from weigh.define.harness import Harness, Limits
from weigh.execute.budget import Budget
from weigh.execute.gateway.open import open_gateway
from weigh.execute.gateway.session import GatewayBudget
from weigh.execute.limiter import Limiter
from weigh.execute.program import Program, program_url, run_program
from weigh.execute.retry import RetryPolicy
from weigh.execute.sandboxes.folder import home
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.stop import StopSignal
from weigh.execute.trials import internal_error, trial_id
from weigh.execute.venvs import base_python, find_venv
from weigh.pipeline.external_calls import Attributed, attribute
from weigh.pipeline.external_trials import ProgramTrials
from weigh.pipeline.scoring import Scoring
from weigh.plan.cell import Cell
from weigh.protocols import ExecResult, Provider, Sink
from weigh.records.errors import CapabilityError, Error, Failure
from weigh.records.request import Request
from weigh.records.trial import EMPTY, ERROR, Trial
from weigh.records.usage import Usage

if TYPE_CHECKING:
    from weigh.execute.gateway.server import Gateway


class ExternalContext(msgspec.Struct, kw_only=True):
    """What a run has, for its programs.

    Attributes:
        run: The run's id.
        folder: Where the run's artifacts lie; the programs' own logs go below it.
        provider: The arm's, entered.
        scoring, sink, budget, stop: The run's.
        concurrency, retries, transform: As for any other task of the run.
        notice: Says a line to the user.
        spent: Told of usage that belongs to no single trial.
    """

    run: str
    folder: Path
    provider: Provider
    scoring: Scoring
    sink: Sink
    budget: Budget
    stop: StopSignal
    concurrency: int
    retries: int
    transform: Callable[[Request], Request] | None
    notice: Callable[[str], None]
    spent: Callable[[Usage], None]


async def problems(task: ExternalEval, harness: Harness) -> list[str]:
    """Why the task's program cannot run here, or would not measure what the harness promises; a line each."""
    found = []
    if task.packages and find_venv(task.packages) is None:
        found.append(
            f"{task.spec} runs a program of its own that is not installed ({', '.join(task.packages)}); "
            f"get it with `weigh external install {task.name}`"
        )
    if task.sandboxed:
        probe = await available("bubblewrap")
        if not probe.ok:
            found.append(
                f"{task.spec} runs in a sandbox, but bubblewrap does not work here: {probe.reason}. {probe.how_to_get}"
            )
    if harness.scaffold != "single_turn" or harness.tools or harness.limits != Limits():
        found.append(
            f"{task.spec} runs a program of its own, which harness '{harness.name}' cannot give a scaffold, tools or "
            "limits of a trial; run it with the default harness"
        )
    return found


async def run_external(task: ExternalEval, cells: Iterable[Cell], context: ExternalContext) -> None:
    """Execute cells of one task. Trials go to the sink; what the program did not get to, when a run stops, does not.

    Raises:
        WeighError: The task is defined wrongly, or the sink refused.
    """
    epochs: dict[int, list[Cell]] = {}
    for cell in cells:
        epochs.setdefault(cell.epoch, []).append(cell)
    async with open_gateway() as gateway:
        limiter = Limiter(context.concurrency)
        for group in epochs.values():
            size = task.batch or len(group)
            for start in range(0, len(group), size):
                if reason := context.budget.spent():
                    context.stop.request(reason)
                if context.stop.requested:
                    return
                await _Batch(task, group[start : start + size], context, gateway, limiter).run()


class _Batch:
    """One start of the program."""

    def __init__(
        self, task: ExternalEval, cells: list[Cell], context: ExternalContext, gateway: Gateway, limiter: Limiter
    ) -> None:
        self.task, self.cells, self.context, self.gateway = task, cells, context, gateway
        self.id = f"program-{trial_id()}"
        self.session = gateway.open(
            context.provider,
            budget=_within(task, context.budget),
            record=True,
            transform=context.transform,
            limiter=limiter,
            retry=RetryPolicy(retries=context.retries),
            sleep=context.stop.sleep,
        )
        self.trials = ProgramTrials(context.run, self.id, context.scoring)

    async def run(self) -> None:
        out = home().make()
        try:
            job, program = self._job()
            ended = await self._until_stop(run_program(program, self.gateway, self.session, out))
            self.gateway.close(self.session)
            reported, trouble = self._read(job, out)
            if isinstance(ended, ExecResult):
                await asyncio.to_thread(self._keep, out, ended)
            calls = self.session.calls or ()
            questions = [c.instance for c in self.cells]
            attributed = await asyncio.to_thread(attribute, list(calls), questions)
            await self._record(reported, attributed, trouble or self._why(ended), ended)
        finally:
            await asyncio.to_thread(shutil.rmtree, out, True)

    def _job(self) -> tuple[ExternalJob, Program]:
        task = self.task
        venv = find_venv(task.packages) if task.packages else None
        if task.packages and venv is None:
            raise CapabilityError(f"{task.spec}: its program is gone; `weigh external install {task.name}`")
        spec = SandboxSpec(mode="local", memory_mb=task.memory_mb, pids=task.pids, disk_mb=task.disk_mb, files=100_000)
        if task.sandboxed:
            seen = (venv.path,) if venv else ()
            spec = msgspec.structs.replace(spec, mode="bubblewrap", readonly=seen)
        job = ExternalJob(
            questions=tuple(c.instance for c in self.cells),
            epoch=self.cells[0].epoch,
            python=venv.python if venv else base_python(),
            url=program_url(self.gateway, self.session, spec),
            model=self.session.model,
            shots=task.shots,
            sampling=task.config.sampling_params,
        )
        return job, Program(
            command=task.command(job),
            inputs=task.inputs(job),
            env=dict(task.env),
            out=OUT,
            seconds=task.seconds,
            spec=spec,
            path=(str(Path(venv.path) / "bin"),) if venv else (),
        )

    async def _until_stop(self, work: Any) -> ExecResult | Error | None:
        """How the program ended; None when the run was stopped, an error when the sandbox broke."""
        running: asyncio.Future[ExecResult] = asyncio.ensure_future(work)
        take_back = self.context.stop.on_request(lambda: _cancel(running))
        try:
            return await running
        except Failure as failure:
            return failure.error
        except asyncio.CancelledError:
            if not self.context.stop.requested:
                raise
            return None
        finally:
            take_back()
            running.cancel()

    def _read(self, job: ExternalJob, out: Path) -> tuple[dict[str, Reported], Error | None]:
        """What the program reported, by question; and what is wrong with its report."""
        try:
            found = {r.id: r for r in self.task.read(job, out)}
        except Exception as bug:  # noqa: BLE001 - the wrapper's reader is anybody's code; its failure fails the trials
            error = internal_error(bug)
            message = f"what {self.task.name}'s program wrote cannot be read: {error.message}"
            return {}, msgspec.structs.replace(error, kind="task", code="unreadable", message=message)
        strangers = found.keys() - {c.instance.id for c in self.cells}
        if strangers:
            shown = ", ".join(repr(s) for s in sorted(strangers)[:3])
            self.context.notice(f"{self.task.spec}: the program reported {len(strangers)} unknown questions: {shown}")
        return found, None

    def _why(self, ended: ExecResult | Error | None) -> Error:
        """Why a question has no result."""
        name = self.task.name
        if isinstance(ended, Error):
            return ended
        if ended is None or ended.exit_code == 0:
            return Error(kind="task", code="no_result", message=f"{name}'s program reported nothing for this question")
        lines = [line for line in ended.stderr.splitlines() if line.strip()] or ["(it said nothing)"]
        how = f"was ended by its limit: {ended.limit}" if ended.limit else f"ended with exit code {ended.exit_code}"
        return Error(
            kind="task",
            code="program",
            message=f"{name}'s program {how}: {lines[-1][:300]}",
            detail=ended.stderr[-8000:],
        )

    def _keep(self, out: Path, ended: ExecResult) -> None:
        """Keep what the program wrote and said beside the run's artifacts."""
        folder = self.context.folder / self.id
        shutil.copytree(out, folder / OUT)
        hidden = self.session.token
        for name, text in (("stdout.txt", ended.stdout), ("stderr.txt", ended.stderr)):
            (folder / name).write_text(text.replace(hidden, "***"), encoding="utf-8")

    async def _record(
        self, reported: dict[str, Reported], calls: Attributed, missing: Error, ended: ExecResult | Error | None
    ) -> None:
        if calls.rest.calls:
            self.context.spent(calls.rest)
            self.context.budget.used_tokens += calls.rest.total or 0
            self.context.budget.used_dollars += calls.rest.cost or 0.0
        run_spent = self.session.spent is not None and _field(self.task, self.session.spent) is None
        timed_out = isinstance(ended, ExecResult) and ended.timed_out and self.session.meter.started > 0
        for cell in self.cells:
            name = cell.instance.id
            lost = calls.lost.get(name) or calls.lost_by_all
            own = calls.by_question.get(name, [])
            result = reported.get(name)
            if lost is not None and (lost.code or "").startswith("limit:"):
                if not run_spent:
                    await self._append(await self.trials.outcome(cell, str(lost.code), own))
            elif self.session.meter.started == 0 and (result is not None or ended is not None):
                message = f"{self.task.name}'s program never asked the model"
                empty = Error(kind="empty", code="no_calls", message=message)
                why = missing if result is None else empty
                await self._append(self.trials.trial(cell, EMPTY if why.kind == "empty" else ERROR, own, error=why))
            elif lost is not None:
                await self._append(self.trials.trial(cell, ERROR, own, error=lost))
            elif own and all(c.output is not None and c.output.is_empty for c in own):
                error = Error(kind="empty", message="the model produced nothing: no token, no tool call, no answer")
                await self._append(self.trials.trial(cell, EMPTY, own, error=error, result=result))
            elif result is not None and result.error is None:
                await self._append(await self.trials.judged(cell, result, own))
            elif result is not None:
                error = Error(kind="task", code="reported", message=str(result.error)[:400])
                await self._append(self.trials.trial(cell, ERROR, own, error=error, result=result))
            elif timed_out:
                await self._append(await self.trials.outcome(cell, "timeout", own))
            elif ended is not None:
                await self._append(self.trials.trial(cell, ERROR, own, error=missing))
        if run_spent:
            self.context.stop.request(f"the run's budget is spent ({self.session.spent})")

    async def _append(self, trial: Trial) -> None:
        await self.context.sink.append(trial)
        self.context.budget.charge(trial)


def _cancel(running: asyncio.Future[Any]) -> None:
    running.cancel()


def _within(task: ExternalEval, budget: Budget) -> GatewayBudget:
    """What one start may use: the task's own limits, and what the run has left."""
    # Where nothing is left there is still the smallest budget: the first call spends it, and the run ends.
    tokens = None if budget.tokens is None else max(1, budget.tokens - budget.used_tokens)
    if task.max_tokens is not None:
        tokens = task.max_tokens if tokens is None else min(tokens, task.max_tokens)
    dollars = None if budget.dollars is None else max(_LEAST, budget.dollars - budget.used_dollars)
    seconds = None if budget.remaining_seconds is None else max(_LEAST, budget.remaining_seconds)
    return GatewayBudget(calls=task.max_calls, tokens=tokens, dollars=dollars, seconds=seconds)


_LEAST = 1e-9
"""Seconds or dollars."""


def _field(task: ExternalEval, spent: str) -> int | None:
    """The task's own limit of that name; None when only the run has one."""
    return {"limit:calls": task.max_calls, "limit:tokens": task.max_tokens}.get(spent)
