"""`weigh run`: from what a user asks to trials in the store.

In order: resolve harness, arms and tasks; check everything; make the manifest; take from the store what is there;
start one model at a time and execute the cells that remain, block by leased block; finish the journal. Whatever stops
it (an error, a budget, Ctrl-C, kill -9), what is durable stays, and the same command goes on from there.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Self

import msgspec

from weigh.define.external import ExternalEval
from weigh.define.harness import Harness, load_harness
from weigh.execute.budget import Budget
from weigh.execute.harness import Executor, OpenSandbox, bug_trial
from weigh.execute.pool import Stopping, run_cells
from weigh.execute.providers.registry import require_capabilities
from weigh.execute.retry import RetryPolicy
from weigh.execute.sandboxes.planner import SandboxPlanner
from weigh.execute.scaffolds.registry import make_scaffold
from weigh.execute.stop import StopSignal
from weigh.pipeline.acting import Acting, find_acting, own_code, together
from weigh.pipeline.arms import ArmPlan, Sampling, plan_arms, request_transform
from weigh.pipeline.external import ExternalContext, run_external
from weigh.pipeline.finishing import finish_run
from weigh.pipeline.helpers import Helpers
from weigh.pipeline.manifest import make_manifest
from weigh.pipeline.planning import estimator, plan_rows, plan_warnings
from weigh.pipeline.prepare import PreparedPlan, check, prepare_tasks, sandbox_spec, task_folders
from weigh.pipeline.provenance import host_class, provenance, redact_command
from weigh.pipeline.request import (
    ArmStarted,
    Notice,
    OnEvent,
    Plan,
    Planned,
    RunRequest,
    RunResult,
    SandboxesSeen,
    TrialDone,
)
from weigh.pipeline.reuse import Reuse, Sorted, copy_block, rescore_trials, set_aside, sort_cells
from weigh.pipeline.scoring import Scoring, check_helpers
from weigh.pipeline.tally import Tally, count_plan
from weigh.plan.cell import Cell
from weigh.plan.matrix import Block, block_cells, blocks
from weigh.protocols import Provider
from weigh.records.errors import CapabilityError, Failure, WeighError
from weigh.records.run import Invocation
from weigh.records.trial import Trial, join_spec
from weigh.records.usage import Usage, add_usage
from weigh.store.done import Done, done
from weigh.store.index import find_generations
from weigh.store.journal import JournalWriter, repair
from weigh.store.layout import RunFolder, Store
from weigh.store.leases import Leases

DEFAULT_CONCURRENCY = 32
LEASE_SECONDS = 60.0
POLL_SECONDS = 0.2
"""How often a process that has nothing left looks whether a block that another one holds has become free."""


async def run(request: RunRequest, on_event: OnEvent | None = None, stop: StopSignal | None = None) -> RunResult:
    """Execute what remains of a plan.

    Args:
        request: What to run.
        on_event: Told what happens, on the event loop.
        stop: To end the run from outside; Ctrl-C is the command line's business.

    Raises:
        WeighError: The plan is wrong or the store cannot be written; what was durable before stays.
    """
    session = await Session.plan(request, on_event or (lambda event: None), stop or StopSignal())
    return session.dry_result() if request.dry_run else await session.execute()


class Session:
    """One invocation of a run, from its plan to its result. Made by `Session.plan`."""

    def __init__(
        self,
        request: RunRequest,
        on_event: OnEvent,
        stop: StopSignal,
        harness: Harness,
        arms: list[ArmPlan],
        prepared: PreparedPlan,
        helpers: Helpers,
        acting: Acting,
    ) -> None:
        self.request, self.on_event, self.stop = request, on_event, stop
        self.harness, self.arms, self.prepared, self.acting = harness, arms, prepared, acting
        self.sampling = _sampling(request)
        self.transform = request_transform(harness, self.sampling, acting.tools.specs)
        self.store = Store(request.store)
        self.manifest = make_manifest(request, harness, arms, prepared)
        self.scoring = Scoring({(t.name, t.variant): t.scorers for t in prepared.tasks}, helpers=helpers)
        check_helpers(
            self.scoring,
            {(c.task.name, c.task.variant): c.instances[0][1] for c in prepared.columns if c.instances},
            sandboxed=acting.sandbox is not None,
        )
        self.writer = f"{int(time.time())}-{secrets.token_hex(4)}"
        self.began = time.monotonic()
        self.usages: list[Usage] = []
        self.planner = SandboxPlanner(self._executors())
        self.shown = 0.0
        self.copied: set[tuple[str, str, str, str, int]] = set()
        self.executed = 0
        self.reused = 0
        self.rescored = 0
        self.started_at = time.time()

    @classmethod
    async def plan(cls, request: RunRequest, on_event: OnEvent, stop: StopSignal) -> Self:
        """Resolve and check everything; nothing is written and no model is started."""
        harness = load_harness(request.harness, request.overrides)
        concurrency = request.concurrency or harness.concurrency
        acting, problems = await find_acting(harness)
        errors: list[WeighError] = []
        arms: list[ArmPlan] = []
        prepared, helpers = PreparedPlan(columns=(), tasks=(), suites=()), Helpers()
        try:
            arms = await plan_arms(request.models, harness, _sampling(request), concurrency, own_code(harness))
        except WeighError as error:
            errors.append(error)
        try:
            prepared = await check(
                prepare_tasks(request.tasks, request.limit, allow_missing=request.skip_unavailable),
                arms,
                harness,
                skip_unavailable=request.skip_unavailable,
                needs_chat=harness.scaffold != "single_turn",
                needs_tools=bool(acting.tools.tools),
            )
        except WeighError as error:
            errors.append(error)
        try:
            helpers = await Helpers.plan(harness.helpers, retries=harness.retries)
        except WeighError as error:
            errors.append(error)
        together(problems, errors)
        return cls(request, on_event, stop, harness, arms, prepared, helpers, acting)

    @property
    def blocks(self) -> Iterator[Block]:
        """Every block of the matrix."""
        return blocks([a.arm for a in self.arms], self.prepared.columns)

    def cells(self, block: Block) -> Iterator[Cell]:
        """The cells of a block, rendered."""
        return block_cells(block, self.request.epochs, self.transform)

    def dry_result(self) -> RunResult:
        """The plan, with what the store has and an estimate of the tokens that remain."""
        exists = any(r.id == self.manifest.id for r in self.store.runs())
        folder = self.store.open(self.manifest.id) if exists else None
        generations = find_generations(self.store, self._digests, exclude=[self.manifest.id])
        try:
            reuse = Reuse(
                done(folder) if folder else None,
                generations,
                self.scoring,
                retry_failed=self.request.retry_failed,
            )
            plan = self._plan(sort_cells(self.blocks, self.cells, reuse), reuse)
        finally:
            generations.close()
        self.on_event(Planned(plan=plan))
        return RunResult(run=self.manifest, plan=plan)

    async def execute(self) -> RunResult:
        """Write the manifest, take over what is there, run the rest, finish the journal."""
        folder = self.store.create(self.manifest)
        for line in repair(folder):
            self.on_event(Notice(text=line))
        invocation = self._invocation()
        folder.begin(invocation)
        generations = find_generations(self.store, self._digests, exclude=[self.manifest.id])
        stopped: str | None = "error"
        try:
            stored = done(folder, skip=self.writer)
            reuse = Reuse(stored, generations, self.scoring, retry_failed=self.request.retry_failed)
            fates = None if reuse.nothing_stored else sort_cells(self.blocks, self.cells, reuse)
            plan = self._plan(fates, reuse)
            self.on_event(Planned(plan=plan))
            for row in plan.rows:
                self.planner.did(row.task, -float(row.requests + row.rescored))
            async with AsyncExitStack() as stack:
                await self._open_helpers(stack)
                journal = await stack.enter_async_context(JournalWriter(folder, self.writer, self._durable))
                if fates is not None:
                    self.reused = sum(c["settled"] + c["rescore"] for c in fates.counts.values())
                    await set_aside(fates.outdated, journal)
                    await self._rescore(folder, fates, journal)
                leases = Leases(folder.leases, self.writer, ttl=LEASE_SECONDS)
                try:
                    stopped = await self._run_arms(folder, reuse, fates, journal, leases)
                finally:
                    await journal.flush()
                    leases.release_all()
        finally:
            generations.close()
            result = await self._close(folder, invocation, stopped)
        return result.finish(self.manifest, plan)

    # -- one arm after the other ------------------------------------------------------------------------------------

    async def _run_arms(
        self, folder: RunFolder, reuse: Reuse, fates: Sorted | None, journal: JournalWriter, leases: Leases
    ) -> str | None:
        budget = Budget(
            seconds=self.request.max_seconds,
            tokens=self.request.max_tokens_total,
            dollars=self.request.max_dollars,
        )
        budget.start()
        renewal = asyncio.create_task(renew_leases(leases))
        try:
            for arm in self.arms:
                waiting = [
                    b for b in blocks([arm.arm], self.prepared.columns) if fates is None or b.shard in fates.remaining
                ]
                if waiting:
                    await self._run_arm(arm, waiting, reuse, journal, leases, budget)
                if self.stop.requested:
                    break
        finally:
            renewal.cancel()
        return self.stop.reason

    async def _run_arm(
        self,
        arm: ArmPlan,
        waiting: list[Block],
        reuse: Reuse,
        journal: JournalWriter,
        leases: Leases,
        budget: Budget,
    ) -> None:
        """Copy what other runs have, then start the model, if anything is left, and work through the blocks."""
        if len(reuse.generations):
            waiting = await self._copy(waiting, reuse, journal, leases)
        if not waiting:
            return
        concurrency = self.request.concurrency or self.harness.concurrency or arm.provider.concurrency
        concurrency = concurrency or DEFAULT_CONCURRENCY
        async with AsyncExitStack() as stack:
            executor = await self._open_arm(stack, arm, concurrency)
            waiting = await self._run_programs(waiting, executor.provider, concurrency, reuse, journal, leases, budget)
            while waiting:
                contested: list[Block] = []
                await run_cells(
                    self._claimed_cells(waiting, contested, reuse, leases),
                    executor.execute,
                    journal,
                    concurrency=concurrency,
                    on_bug=partial(bug_trial, self.manifest.id),
                    budget=budget,
                    stop=self.stop,
                    on_event=self._pool_event,
                )
                if self.stop.requested:
                    return
                # What is done is given back first: two processes that each wait for the other's blocks would wait
                # for ever. Others then finish what they hold, or die and leave it to us.
                await journal.flush()
                leases.release_all()
                waiting = contested
                if waiting:
                    await self.stop.sleep(POLL_SECONDS)

    async def _open_arm(self, stack: AsyncExitStack, arm: ArmPlan, concurrency: int) -> Executor:
        """Start a model until the stack closes; gives what executes its cells."""
        began = time.monotonic()
        try:
            provider = await stack.enter_async_context(arm.provider)
        except Failure as failure:
            raise CapabilityError(f"{arm.spec.text} did not start: {failure.error.message}") from failure
        for task in self.prepared.tasks:
            await require_capabilities(provider, [task.capability], task.task.spec)
        if self.acting.tools.tools:
            await require_capabilities(provider, ["tools"], f"harness '{self.harness.name}'")
        open_sandbox = self._trial_sandboxes()
        self.on_event(ArmStarted(arm=arm.arm.id, seconds=time.monotonic() - began))
        return Executor(
            provider,
            make_scaffold(self.harness.scaffold, self.harness.scaffold_options),
            run=self.manifest.id,
            score=self.scoring.score,
            no_match=self.scoring.no_match,
            concurrency=concurrency,
            seconds=self.harness.limits.seconds,
            retry=RetryPolicy(retries=self.harness.retries),
            stop=self.stop,
            open_sandbox=open_sandbox,
            tools=self.acting.tools,
            helpers=self.scoring.helpers,
            limits=self.harness.limits,
        )

    async def _run_programs(
        self,
        waiting: list[Block],
        provider: Provider,
        concurrency: int,
        reuse: Reuse,
        journal: JournalWriter,
        leases: Leases,
        budget: Budget,
    ) -> list[Block]:
        """Work through the blocks of tasks that bring their own program; returns the others."""
        programs = {(t.name, t.variant): t.task for t in self.prepared.tasks if isinstance(t.task, ExternalEval)}
        left = [b for b in waiting if (b.column.task.name, b.column.task.variant) not in programs]
        for key, task in programs.items():
            own = [b for b in waiting if (b.column.task.name, b.column.task.variant) == key]
            while own and not self.stop.requested:
                contested: list[Block] = []
                context = ExternalContext(
                    run=self.manifest.id,
                    folder=self.store.open(self.manifest.id).artifacts,
                    provider=provider,
                    scoring=self.scoring,
                    sink=journal,
                    budget=budget,
                    stop=self.stop,
                    concurrency=concurrency,
                    retries=self.harness.retries,
                    transform=self.transform,
                    notice=lambda text: self.on_event(Notice(text=text)),
                    spent=self.usages.append,
                )
                await run_external(task, self._claimed_cells(own, contested, reuse, leases), context)
                await journal.flush()
                leases.release_all()
                own = contested
                if own:
                    await self.stop.sleep(POLL_SECONDS)
        return left

    def _claimed_cells(
        self, waiting: Sequence[Block], contested: list[Block], reuse: Reuse, leases: Leases
    ) -> Iterator[Cell]:
        """The cells to run of every block that this process can lease; blocks of others are noted for later."""
        for block in waiting:
            if not leases.claim(block.shard):
                contested.append(block)
                continue
            reuse.refresh()
            if reuse.nothing_stored:
                yield from self.cells(block)
            else:
                yield from (cell for cell in self.cells(block) if self._remains(reuse, cell))

    def _remains(self, reuse: Reuse, cell: Cell) -> bool:
        """Whether a cell is to be run; one that should have been copied is, when the copy was not there after all."""
        fate = reuse.fate(cell)
        return fate == "run" or (fate == "copy" and cell.identity not in self.copied)

    async def _copy(
        self, waiting: Sequence[Block], reuse: Reuse, journal: JournalWriter, leases: Leases
    ) -> list[Block]:
        """Copy what other runs have; returns the blocks in which something is left to run."""
        left: list[Block] = []
        for block in waiting:
            if not leases.claim(block.shard):
                left.append(block)
                continue
            reuse.refresh()
            fates = [(cell, reuse.fate(cell)) for cell in self.cells(block)]
            copied, missing = await copy_block([c for c, f in fates if f == "copy"], reuse, journal, self.manifest.id)
            self.reused += len(copied)
            if missing or any(f == "run" for _, f in fates):
                left.append(block)
                self.copied.update(t.cell for t in copied)
            if self.stop.requested:
                return left
        await journal.flush()
        return left

    # -- before and after -------------------------------------------------------------------------------------------

    async def _open_helpers(self, stack: AsyncExitStack) -> None:
        """Start what trials and scoring share: a pool of sandboxes (lazily), helper models, servers of tools."""
        if any(t.needs_sandbox for t in self.prepared.tasks):
            self.scoring.sandboxes, self.scoring.sandbox = self.planner, sandbox_spec(self.harness)
        await stack.enter_async_context(self.planner)
        await stack.enter_async_context(self.scoring.helpers)
        await stack.enter_async_context(self.acting.servers)

    def _trial_sandboxes(self) -> OpenSandbox | None:
        """What gives each trial a sandbox of its own; None when the harness needs none."""
        spec = self.acting.sandbox
        if spec is None:
            return None
        return lambda cell: self.planner.lease(join_spec(cell.task, cell.variant), spec)

    def _executors(self) -> int:
        """How many sandboxes may be at work at one time."""
        asked = self.request.concurrency or self.harness.concurrency or DEFAULT_CONCURRENCY
        cores = max(4, 2 * (os.cpu_count() or 1))
        # An agent's sandbox mostly waits for the model; one that only tests what was written computes.
        return self.harness.executors or (asked if self.acting.sandbox is not None else cores)

    async def _rescore(self, folder: RunFolder, fates: Sorted, journal: JournalWriter) -> None:
        if not fates.rescore:
            return
        changed = await rescore_trials(folder, fates.rescore, self.scoring, journal)
        await journal.flush()
        for trial in changed:
            self.rescored += 1
            self.on_event(TrialDone(trial=trial, reused=True))

    def _durable(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            if trial.reused is None:
                self.executed += 1
                self.usages.append(trial.usage)
                if len(self.usages) > 1000:
                    self.usages = [add_usage(self.usages)]
            self.on_event(TrialDone(trial=trial, reused=trial.reused is not None))
            self.planner.did(trial.spec)
        self._show_sandboxes()

    def _show_sandboxes(self) -> None:
        """Tell what the sandboxes are doing, a few times a second at most; nothing where none was ever started."""
        now = time.monotonic()
        if now - self.shown < 0.2:
            return
        self.shown = now
        state = self.planner.state
        if state.started:
            self.on_event(
                SandboxesSeen(waiting=state.waiting, running=state.running, idle=state.idle, budget=state.budget)
            )

    def _pool_event(self, event: object) -> None:
        if isinstance(event, Stopping):
            ending = "cancelling" if event.now else "finishing"
            self.on_event(Notice(text=f"{event.reason}: {ending} {event.in_flight} trials in flight"))

    def _invocation(self) -> Invocation:
        asked = self.request
        return Invocation(
            id=self.writer,
            started=self.started_at,
            command=redact_command(asked.command),
            plan={
                "limit": asked.limit,
                "epochs": asked.epochs,
                "seed": asked.seed,
                "temperature": asked.temperature,
                "concurrency": asked.concurrency,
                "helpers": self.harness.helpers,
                "host_class": host_class(),
            },
            metrics={t.task.spec: t.info().metrics for t in self.prepared.tasks},
            provenance=provenance(task_folders(self.prepared), {a.arm.id: a.identity for a in self.arms}),
        )

    async def _close(self, folder: RunFolder, invocation: Invocation, stopped: str | None) -> Tally:
        """Count what the plan has now, write the end of the invocation, and finish the journal."""
        tally = self._tally(done(folder), stopped)
        folder.end(msgspec.structs.replace(invocation, ended=time.time(), summary=msgspec.to_builtins(tally)))
        finished = await finish_run(folder)
        if finished is not None:
            for note in finished.notes:
                self.on_event(Notice(text=note))
        return tally

    def _tally(self, stored: Done, stopped: str | None) -> Tally:
        counted = count_plan(stored, self.arms, self.prepared.columns, self.request.epochs)
        return msgspec.structs.replace(
            counted,
            executed=self.executed,
            reused=self.reused,
            rescored=self.rescored,
            stopped=stopped,
            usage=add_usage(self.usages),
            sandboxes=self.planner.state.started,
            seconds=time.monotonic() - self.began,
        )

    @property
    def _digests(self) -> list[str]:
        return [a.arm.digest for a in self.arms]

    def _plan(self, fates: Sorted | None, reuse: Reuse) -> Plan:
        arms = [a.arm for a in self.arms]
        estimate = estimator(self.cells, reuse) if self.request.dry_run else None
        return Plan(
            run=self.manifest,
            rows=plan_rows(arms, self.prepared, self.request.epochs, fates, estimate),
            skipped=self.prepared.skipped,
            warnings=(*self.prepared.warnings, *plan_warnings(self.request, self.prepared)),
        )


async def renew_leases(leases: Leases) -> None:
    """Say from time to time that this process lives."""
    while True:
        await asyncio.sleep(LEASE_SECONDS / 4)
        leases.renew()


def _sampling(request: RunRequest) -> Sampling:
    return Sampling(temperature=request.temperature, max_tokens=request.max_tokens, seed=request.seed)
