"""What a run opens, and closes however it ends.

For its whole length: sandboxes (started as they are needed), helper models, servers of tools. For as long as its cells
run: a model, and for each arm of it the scaffold and what executes the arm's cells.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from weigh.define.harness import Harness
from weigh.define.prepared import PreparedTask
from weigh.execute.harness import Executor, OpenSandbox
from weigh.execute.limiter import Limiter
from weigh.execute.providers.registry import require_capabilities
from weigh.execute.retry import Circuit, RetryPolicy
from weigh.execute.sandboxes.planner import SandboxPlanner
from weigh.execute.sandboxes.seed import check_whole, seed, wholeness
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.scaffolds.registry import make_scaffold
from weigh.execute.stop import StopSignal
from weigh.pipeline.acting import Acting
from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.request import ArmStarted, OnEvent
from weigh.pipeline.sandbox import sandbox_spec
from weigh.pipeline.scoring import Scoring
from weigh.plan.cell import Cell
from weigh.protocols import Provider, Sandbox
from weigh.records.errors import CapabilityError, Failure
from weigh.records.trial import join_spec
from weigh.records.workspace import Workspace

DEFAULT_CONCURRENCY = 32


class Resources:
    """Opens what trials and scoring use.

    Args:
        run: The run's id.
        harness: Says what settings share: how many sandboxes are at work, and what scoring runs in.
        actings: What the arms act with, each once.
        tasks: The tasks that will run.
        scoring: Judges trials; it is given the sandboxes.
        concurrency: Trials in flight, as the user wants it; None leaves it to harness and provider.
        stop: How the run is asked to end.
        on_event: Told when an arm is up.

    Attributes:
        planner: The sandboxes.
    """

    def __init__(
        self,
        run: str,
        harness: Harness,
        actings: Sequence[Acting],
        tasks: Sequence[PreparedTask],
        scoring: Scoring,
        *,
        concurrency: int | None,
        stop: StopSignal,
        on_event: OnEvent,
    ) -> None:
        self._run, self._harness, self._actings, self._tasks, self._scoring = run, harness, actings, tasks, scoring
        self._concurrency, self._stop, self._on_event = concurrency or harness.concurrency, stop, on_event
        self.planner = SandboxPlanner(self._most_sandboxes())

    def concurrency_on(self, provider: Provider) -> int:
        """How many trials of a model are in flight at one time."""
        return self._concurrency or provider.concurrency or DEFAULT_CONCURRENCY

    def _most_sandboxes(self) -> int:
        """How many sandboxes may be at work at one time."""
        cores = max(4, 2 * (os.cpu_count() or 1))
        # An agent's sandbox mostly waits for the model; one that only tests what was written computes.
        agents = any(a.sandbox for a in self._actings)
        return self._harness.executors or ((self._concurrency or DEFAULT_CONCURRENCY) if agents else cores)

    async def open(self, stack: AsyncExitStack) -> None:
        """Start what trials and scoring share, until the stack closes."""
        if any(t.needs_sandbox for t in self._tasks):
            self._scoring.sandboxes, self._scoring.sandbox = self.planner, sandbox_spec(self._harness)
        await stack.enter_async_context(self.planner)
        await stack.enter_async_context(self._scoring.helpers)
        for acting in self._actings:
            await stack.enter_async_context(acting.servers)

    async def open_arms(self, stack: AsyncExitStack, arms: Sequence[ArmPlan], concurrency: int) -> dict[str, Executor]:
        """Start the model of some arms until the stack closes; gives what executes each arm's cells.

        Args:
            stack: Closes what is opened.
            arms: All of one model.
            concurrency: Trials in flight, all arms together.

        Raises:
            CapabilityError: The model does not start, or cannot do what a task or a harness asks.
        """
        began = time.monotonic()
        try:
            provider = await stack.enter_async_context(arms[0].provider)
        except Failure as failure:
            raise CapabilityError(f"{arms[0].spec.text} did not start: {failure.error.message}") from failure
        for task in self._tasks:
            await require_capabilities(provider, [task.capability], task.task.spec)
        limiter, circuit = Limiter(concurrency), Circuit()
        took = time.monotonic() - began
        return {arm.arm.id: await self._open_arm(stack, arm, provider, limiter, circuit, took) for arm in arms}

    async def _open_arm(
        self, stack: AsyncExitStack, arm: ArmPlan, provider: Provider, limiter: Limiter, circuit: Circuit, took: float
    ) -> Executor:
        """Start what an arm has besides its model, which took `took` seconds to start."""
        began = time.monotonic()
        harness, acting = arm.setting.harness, arm.acting
        if acting.tools.tools:
            await require_capabilities(provider, ["tools"], f"harness '{harness.name}'")
        scaffold: Any = make_scaffold(harness.scaffold, harness.scaffold_options)
        if hasattr(scaffold, "__aenter__"):
            scaffold = await stack.enter_async_context(scaffold)
        open_sandbox = self._trial_sandboxes(arm, scaffold)
        self._on_event(ArmStarted(arm=arm.arm.id, seconds=took + time.monotonic() - began))
        return Executor(
            provider,
            scaffold,
            run=self._run,
            score=self._scoring.score,
            no_match=self._scoring.no_match,
            status=self._scoring.status,
            concurrency=limiter.maximum,
            seconds=harness.limits.seconds,
            retry=RetryPolicy(retries=harness.retries),
            circuit=circuit,
            limiter=limiter,
            stop=self._stop,
            open_sandbox=open_sandbox,
            tools=acting.tools,
            helpers=self._scoring.helpers,
            limits=harness.limits,
            workspace=arm.setting.workspace,
            record=harness.record,
            axes=arm.arm.axes,
        )

    def _trial_sandboxes(self, arm: ArmPlan, scaffold: Any) -> OpenSandbox | None:
        """What gives each trial a sandbox of its own; None when the arm needs none."""
        spec, workspace = arm.acting.sandbox, arm.setting.workspace
        if spec is None:
            return None
        if hasattr(scaffold, "sandbox"):
            spec = scaffold.sandbox(spec, workspace)
        return partial(self._seeded, spec, workspace)

    @asynccontextmanager
    async def _seeded(self, spec: SandboxSpec, workspace: Workspace | None, cell: Cell) -> AsyncIterator[Sandbox]:
        """A sandbox with what the trial starts with."""
        before = wholeness(workspace)
        async with self.planner.lease(join_spec(cell.task, cell.variant), spec) as sandbox:
            await seed(sandbox, workspace, cell.instance)
            yield sandbox
        check_whole(workspace, before)
