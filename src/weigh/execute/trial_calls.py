"""The provider as one trial sees it: every call goes through the limiter, is retried where that can help, and is
recorded. This is the context a scaffold gets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weigh.execute.limits import LimitReached, check_turn
from weigh.execute.recording import CellName, RecordedCall
from weigh.execute.retry import RATE_LIMITED, excusable
from weigh.execute.stop import Abandoned
from weigh.execute.tools.toolbox import Toolbox
from weigh.protocols import Capability, Provider, Responder, Sandbox
from weigh.records.errors import CapabilityError, Error, Failure
from weigh.records.instance import Instance
from weigh.records.request import Output, Request, ToolCall, ToolSpec
from weigh.records.trajectory import Observation, Step
from weigh.records.trial import Attempt
from weigh.records.usage import Usage, add_usage
from weigh.records.workspace import Workspace

if TYPE_CHECKING:
    from weigh.execute.harness import Executor


class TrialCalls:
    """Scaffold context and metered provider of one trial.

    Attributes:
        provider: Itself, so that a scaffold's calls are metered.
        sandbox, instance: As in `ScaffoldContext`.
        steps: A scaffold of many steps appends them here as it goes; what a deadline cuts is then still shown.
        attempts: Failed calls and failed attempts, in order.
        recorded: The failure recorded last.
        started: Unix time at which the last attempt began.
        model_seconds, scoring: As in `Timing`.
        last_output, usage: Of the calls of the last attempt.
        last_call: Seconds the model took for the call that returned last, and how often it was tried again.
        artifacts, metadata: As in `ScaffoldContext`.
        calling: Whether a call was out when the deadline came.
        calls: Every call with its answer, when the executor records.
        toolbox: The tools, with what they keep; None when the harness has none.
    """

    __slots__ = (
        "_answering", "_began", "_cell", "_ended", "_executor", "_foreign", "_lost", "_usages", "artifacts", "attempts",
        "calling", "calls", "deadline", "instance", "last_call", "last_output", "metadata", "model_seconds", "recorded",
        "sandbox", "scoring", "started", "steps", "toolbox",
    )  # fmt: skip

    def __init__(self, executor: Executor, instance: Instance, cell: CellName | None = None) -> None:
        self._executor = executor
        self._cell = cell
        self.instance = instance
        self.sandbox: Sandbox | None = None
        self.attempts: list[Attempt] = []
        self.recorded: Error | None = None
        self.restart()

    def restart(self) -> None:
        """Begin a new attempt at the whole trial."""
        self.steps: list[Step] = []
        self.artifacts: dict[str, str] = {}
        self.metadata: dict[str, Any] = {}
        self._foreign = 0
        self.toolbox: Toolbox | None = None
        self.deadline: asyncio.Timeout | None = None
        self.last_output: Output | None = None
        self._usages: list[Usage] = []
        for_trial = None if self._cell is None else getattr(self._executor.provider, "for_trial", None)
        self._answering: Responder = self._executor.provider if for_trial is None else for_trial(self._cell)
        self.calls: list[RecordedCall] | None = [] if self._executor.record else None
        self.last_call: tuple[float, int] | None = None
        self.model_seconds = 0.0
        self.scoring: float | None = None
        self.calling = False
        self.restart_clock()

    def restart_clock(self) -> None:
        """What came before (opening a sandbox) is not the model's time."""
        self.started = time.time()
        self._began = time.perf_counter()
        self._ended: float | None = None
        self._lost = 0.0

    def stop_clock(self) -> None:
        self._ended = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Of the last attempt, without waiting for a slot and without calls that failed."""
        return max(0.0, round((self._ended or time.perf_counter()) - self._began - self._lost, 6))

    @property
    def usage(self) -> Usage:
        return self._usages[0] if len(self._usages) == 1 else add_usage(self._usages)

    @property
    def deadline_expired(self) -> bool:
        return self.deadline is not None and self.deadline.expired()

    def record(self, error: Error) -> None:
        """Keep a failure of the whole attempt."""
        self.recorded = error
        usage = self.usage if self._usages else None
        self.attempts.append(Attempt(started=self.started, seconds=self.seconds, error=error, usage=usage))

    # The provider's side

    @property
    def provider(self) -> Provider:
        return self

    @property
    def name(self) -> str:
        return self._executor.provider.name

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._executor.provider.capabilities

    @property
    def concurrency(self) -> int | None:
        return self._executor.provider.concurrency

    async def __aenter__(self) -> TrialCalls:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def identity(self) -> dict[str, Any]:
        return await self._executor.provider.identity()

    async def respond(self, request: Request) -> Output:
        """Send one request, waiting for a slot and trying again as the policy says. Raises `Failure` or `Abandoned`."""
        executor = self._executor
        if executor.limits is not None:
            check_turn(executor.limits, len(self._usages), self.usage)
        limiter, circuit = executor.limiter, executor.circuit
        failures = excused = 0
        while True:
            if not limiter.try_acquire():
                await self._wait_for_slot()
            sent = time.monotonic()
            self.calling = True
            try:
                output = await self._answering.respond(request)
            except Failure as failure:
                error = failure.error
            else:
                self.calling = False
                seconds = time.monotonic() - sent
                self.model_seconds += seconds
                self.last_call = (seconds, failures + excused)
                limiter.succeeded()
                circuit.succeeded()
                self.last_output = output
                self._usages.append(output.usage)
                if self.calls is not None:
                    at = time.time() - seconds
                    retries = failures + excused
                    self.calls.append(
                        RecordedCall(at=at, seconds=seconds, request=request, output=output, retries=retries)
                    )
                return output
            finally:
                limiter.release()
            self.calling = False
            took = time.monotonic() - sent
            self.last_call = (took, failures + excused)
            self.recorded = error
            self.attempts.append(Attempt(started=time.time() - took, seconds=round(took, 6), error=error))
            if error.code == RATE_LIMITED:
                limiter.rate_limited(sent, error.retry_after)
            if circuit.failed(error):
                executor.stop.request(circuit.reason or "the provider is dead")
            if excusable(error):
                excused += 1
            else:
                failures += 1
            if circuit.reason is not None or not executor.retry.allows(failures, excused, error):
                if self.calls is not None:
                    retries = failures + excused - 1
                    self.calls.append(
                        RecordedCall(at=time.time() - took, seconds=took, request=request, error=error, retries=retries)
                    )
                raise Failure(error)
            await self._back_off(error, failures + excused, took)

    # Tools and helper models

    @property
    def workspace(self) -> Workspace | None:
        return self._executor.workspace

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        return self._executor.tools.specs

    def _open_toolbox(self) -> Toolbox:
        if self.toolbox is None:
            self.toolbox = Toolbox(self._executor.tools, self.sandbox)
        return self.toolbox

    def read_calls(self, output: Output) -> Output:
        """Mend tool calls, those written as text included."""
        return self._open_toolbox().read(output, len(self._usages)) if self._executor.tools.tools else output

    async def call_tools(self, calls: Sequence[ToolCall]) -> tuple[Observation, ...]:
        """Make calls at the same time. Raises `LimitReached` before the first that is one too many."""
        box, limits = self._open_toolbox(), self._executor.limits
        if limits is not None and limits.tool_calls is not None and box.calls + len(calls) > limits.tool_calls:
            raise LimitReached("tool_calls")
        return await box.call(calls)

    def count_calls(self, number: int) -> None:
        """Count calls of an agent's own tools. Raises `LimitReached` before the first that is one too many."""
        limits = self._executor.limits
        if limits is not None and limits.tool_calls is not None and self._foreign + number > limits.tool_calls:
            raise LimitReached("tool_calls")
        self._foreign += number

    async def close_tools(self) -> None:
        """Close what tools keep, e.g. an interpreter."""
        if self.toolbox is not None:
            await self.toolbox.close()

    async def ask(self, role: str, request: Request) -> Output:
        """Ask a helper model, trying again as the policy says; its time is not charged to the trial."""
        executor = self._executor
        helper = executor.helpers.get(role)
        if helper is None:
            raise CapabilityError(
                f"no helper model has the role '{role}'; add one with -o helpers.{role}=PROVIDER/NAME"
            )
        began, failures = time.monotonic(), 0
        self._suspend_deadline()
        while True:
            try:
                output = await helper.respond(request)
            except Failure as failure:
                failures += 1
                error = failure.error
                self.attempts.append(Attempt(started=time.time(), seconds=0.0, error=error))
                self.recorded = error
                if not executor.retry.allows(failures, 0, error):
                    raise
                if not await executor.stop.sleep(executor.retry.delay(failures, error)):
                    raise Abandoned from None
            else:
                self._forgive(time.monotonic() - began)
                return output

    async def _wait_for_slot(self) -> None:
        began = time.monotonic()
        self._suspend_deadline()
        await self._executor.limiter.acquire()
        self._forgive(time.monotonic() - began)

    async def _back_off(self, error: Error, failures: int, lost: float) -> None:
        began = time.monotonic()
        self._suspend_deadline()
        executor = self._executor
        # The limiter has paused everybody for as long as the server asked; here only the jitter is left to wait.
        paused = error.code == RATE_LIMITED and error.retry_after is not None
        delay = executor.retry.delay(failures, error) - (error.retry_after or 0.0 if paused else 0.0)
        if not await executor.stop.sleep(delay):
            if executor.circuit.reason is not None:
                raise Failure(error)
            raise Abandoned
        self._forgive(lost + time.monotonic() - began)

    def _suspend_deadline(self) -> None:
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(None)

    def _forgive(self, seconds: float) -> None:
        """Time the trial could not use is not charged to it."""
        self._lost += seconds
        if not self._usages and not self.steps:
            self.started += seconds
        limit = self._executor.seconds
        if self.deadline is not None and limit is not None and not self.deadline.expired():
            left = limit - (time.perf_counter() - self._began - self._lost)
            self.deadline.reschedule(asyncio.get_running_loop().time() + max(0.0, left))
