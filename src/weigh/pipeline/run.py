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
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from itertools import groupby, product
from typing import Any, Self

import msgspec

from weigh.define.external import ExternalEval
from weigh.define.harness import load_harness
from weigh.execute.budget import Budget
from weigh.execute.harness import Executor, OpenSandbox, bug_trial
from weigh.execute.limiter import Limiter
from weigh.execute.pool import GRACE_SECONDS, Stopping, run_cells
from weigh.execute.providers.registry import require_capabilities
from weigh.execute.retry import Circuit, RetryPolicy
from weigh.execute.sandboxes.planner import SandboxPlanner
from weigh.execute.sandboxes.seed import check_whole, seed, wholeness
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.scaffolds.registry import make_scaffold
from weigh.execute.stop import StopSignal
from weigh.pipeline.acting import Acting, find_acting, together
from weigh.pipeline.arms import ArmPlan, Sampling, plan_arms, request_transform
from weigh.pipeline.external import ExternalContext, run_external
from weigh.pipeline.finishing import finish_run
from weigh.pipeline.helpers import Helpers
from weigh.pipeline.manifest import make_manifest
from weigh.pipeline.narrow import narrow
from weigh.pipeline.planning import cells_by_task, estimator, plan_rows, plan_warnings
from weigh.pipeline.prepare import PreparedPlan, check, prepare_tasks, task_folders
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
    Setting,
    TrialDone,
)
from weigh.pipeline.reuse import Reuse, Sorted, copy_block, rescore_trials, set_aside, sort_cells
from weigh.pipeline.sandbox import sandbox_spec
from weigh.pipeline.scoring import Scoring, check_helpers
from weigh.pipeline.tally import Tally, count_plan
from weigh.plan.cell import Cell
from weigh.plan.matrix import Block, block_cells, blocks
from weigh.protocols import Provider, Sandbox
from weigh.records.agent_usage import miscount
from weigh.records.errors import CapabilityError, DefinitionError, Failure, WeighError
from weigh.records.run import Invocation
from weigh.records.trial import Trial, join_spec
from weigh.records.usage import Usage, add_usage
from weigh.records.workspace import Workspace
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
        arms: list[ArmPlan],
        prepared: PreparedPlan,
        helpers: Helpers,
    ) -> None:
        self.request, self.on_event, self.stop = request, on_event, stop
        self.arms, self.prepared = arms, prepared
        # What settings share is asked of the first: how much goes on at a time, and what scoring runs in.
        self.harness = arms[0].setting.harness
        self.actings = list({id(a.acting): a.acting for a in arms}.values())
        sampling = _sampling(request)
        self.transforms = {a.arm.id: request_transform(a.setting.harness, sampling, a.acting.tools.specs) for a in arms}
        self.store = Store(request.store)
        self.manifest = make_manifest(request, arms, prepared)
        # The plan as a whole is what the run is called after; this invocation may do a part of it.
        self.arms, self.prepared = narrow(arms, prepared, request)
        arms, prepared = self.arms, self.prepared
        self.scoring = Scoring({(t.name, t.variant): t.scorers for t in prepared.tasks}, helpers=helpers)
        check_helpers(
            self.scoring,
            {(c.task.name, c.task.variant): c.instances[0][1] for c in prepared.columns if c.instances},
            sandboxed=all(a.sandbox is not None for a in self.actings),
        )
        self.writer = f"{int(time.time())}-{secrets.token_hex(4)}"
        self.began = time.monotonic()
        self.usages: list[Usage] = []
        self.miscounted: list[str] = []
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
        settings = request.settings or (Setting(harness=load_harness(request.harness, request.overrides)),)
        actings: list[Acting] = []
        problems: list[str] = []
        for setting in settings:
            acting, found = await find_acting(setting)
            actings.append(acting)
            problems += found
        errors: list[WeighError] = []
        arms: list[ArmPlan] = []
        prepared, helpers = PreparedPlan(columns=(), tasks=(), suites=()), Helpers()
        try:
            arms = await plan_arms(
                request.models, actings, _sampling(request), request.concurrency, where=request.models_from
            )
        except WeighError as error:
            errors.append(error)
        try:
            prepared = await check(
                prepare_tasks(
                    request.tasks,
                    request.limit,
                    epochs=request.task_epochs,
                    allow_missing=request.skip_unavailable,
                    agents=any(setting.harness.scaffold != "single_turn" for setting in settings),
                    registry=request.registry,
                ),
                arms,
                skip_unavailable=request.skip_unavailable,
            )
        except WeighError as error:
            errors.append(error)
        try:
            helpers = await Helpers.plan(_helpers(settings), retries=settings[0].harness.retries)
        except WeighError as error:
            errors.append(error)
        together(problems, errors)
        return cls(request, on_event, stop, arms, prepared, helpers)

    @property
    def blocks(self) -> Iterator[Block]:
        """Every block of the matrix."""
        return blocks([a.arm for a in self.arms], self.prepared.columns)

    def cells(self, block: Block) -> Iterator[Cell]:
        """The cells of a block, rendered."""
        return block_cells(block, self.request.epochs, self.transforms[block.arm.id])

    @contextmanager
    def looking(self) -> Iterator[Reuse]:
        """What the store has of the plan, as a reader sees it; nothing is written."""
        exists = any(r.id == self.manifest.id for r in self.store.runs())
        folder = self.store.open(self.manifest.id) if exists else None
        with find_generations(self.store, self._digests, exclude=[self.manifest.id]) as generations:
            yield Reuse(
                done(folder) if folder else None,
                generations,
                self.scoring,
                retry_failed=self.request.retry_failed,
                again=self.request.again,
            )

    def dry_result(self) -> RunResult:
        """The plan, with what the store has and an estimate of the tokens that remain."""
        with self.looking() as reuse:
            plan = self._plan(sort_cells(self.blocks, self.cells, reuse), reuse)
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
            reuse = Reuse(
                stored, generations, self.scoring, retry_failed=self.request.retry_failed, again=self.request.again
            )
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
                    await set_aside(fates.outdated, journal, wanted=self.request.again)
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
            # One model at a time, with all arms it serves.
            for _, group in groupby(self.arms, key=lambda a: id(a.provider)):
                arms = list(group)
                waiting = [
                    b
                    for b in blocks([a.arm for a in arms], self.prepared.columns)
                    if fates is None or b.shard in fates.remaining
                ]
                if waiting:
                    await self._run_arms_of_model(arms, waiting, reuse, journal, leases, budget)
                if self.stop.requested:
                    break
        finally:
            renewal.cancel()
        return self.stop.reason

    async def _run_arms_of_model(
        self,
        arms: list[ArmPlan],
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
        concurrency = self.request.concurrency or self.harness.concurrency or arms[0].provider.concurrency
        concurrency = concurrency or DEFAULT_CONCURRENCY
        wanted = {b.arm.id for b in waiting}
        async with AsyncExitStack() as stack:
            executors = await self._open_arms(stack, [a for a in arms if a.arm.id in wanted], concurrency)
            provider = next(iter(executors.values())).provider
            waiting = await self._run_programs(waiting, provider, concurrency, reuse, journal, leases, budget)
            while waiting:
                contested: list[Block] = []
                await run_cells(
                    self._claimed_cells(waiting, contested, reuse, leases),
                    lambda cell: executors[cell.arm].execute(cell),
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

    async def _open_arms(self, stack: AsyncExitStack, arms: Sequence[ArmPlan], concurrency: int) -> dict[str, Executor]:
        """Start the model of some arms until the stack closes; gives what executes each arm's cells."""
        began = time.monotonic()
        try:
            provider = await stack.enter_async_context(arms[0].provider)
        except Failure as failure:
            raise CapabilityError(f"{arms[0].spec.text} did not start: {failure.error.message}") from failure
        for task in self.prepared.tasks:
            await require_capabilities(provider, [task.capability], task.task.spec)
        limiter, circuit = Limiter(concurrency), Circuit()
        return {
            arm.arm.id: await self._open_arm(stack, arm, provider, limiter, circuit, time.monotonic() - began)
            for arm in arms
        }

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
        self.on_event(ArmStarted(arm=arm.arm.id, seconds=took + time.monotonic() - began))
        return Executor(
            provider,
            scaffold,
            run=self.manifest.id,
            score=self.scoring.score,
            no_match=self.scoring.no_match,
            status=self.scoring.status,
            concurrency=limiter.maximum,
            seconds=harness.limits.seconds,
            retry=RetryPolicy(retries=harness.retries),
            circuit=circuit,
            limiter=limiter,
            stop=self.stop,
            open_sandbox=open_sandbox,
            tools=acting.tools,
            helpers=self.scoring.helpers,
            limits=harness.limits,
            workspace=arm.setting.workspace,
            record=harness.record,
            axes=arm.arm.axes,
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
        for (key, task), arm in product(programs.items(), dict.fromkeys(b.arm.id for b in waiting)):
            own = [b for b in waiting if (b.column.task.name, b.column.task.variant) == key and b.arm.id == arm]
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
                    transform=self.transforms[arm],
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
        for acting in self.actings:
            await stack.enter_async_context(acting.servers)

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

    def _executors(self) -> int:
        """How many sandboxes may be at work at one time."""
        asked = self.request.concurrency or self.harness.concurrency or DEFAULT_CONCURRENCY
        cores = max(4, 2 * (os.cpu_count() or 1))
        # An agent's sandbox mostly waits for the model; one that only tests what was written computes.
        return self.harness.executors or (asked if any(a.sandbox for a in self.actings) else cores)

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
                if miscount(trial) is not None:
                    self.miscounted.append(trial.id)
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
            trials = f"{event.in_flight} {'trial' if event.in_flight == 1 else 'trials'} in flight"
            if event.now:
                text = f"cancelling {trials}, to run again next time"
            else:
                # A trial that has to ask the model again is given back: its next step may take minutes.
                step = "the step it is at" if event.in_flight == 1 else "the step they are at"
                text = f"stopping; {trials} may end {step} within {GRACE_SECONDS:g} s; what is unfinished runs again"
            more = "; Ctrl-C again stops at once" if event.reason == "interrupted" and not event.now else ""
            self.on_event(Notice(text=f"{event.reason}: {text}{more}"))

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
                "helpers": _helpers([a.setting for a in self.arms]),
                "host_class": host_class(),
                "cells": cells_by_task(self.prepared, asked.epochs),
                "warnings": [*self.prepared.skipped, *self._warnings],
                **({"study": asked.study} if asked.study else {}),
            },
            metrics={t.task.spec: t.info().metrics for t in self.prepared.tasks},
            markers={t.task.spec: t.markers for t in self.prepared.tasks if t.markers},
            provenance=provenance(task_folders(self.prepared), {a.arm.id: a.identity for a in self.arms}),
        )

    async def _close(self, folder: RunFolder, invocation: Invocation, stopped: str | None) -> Tally:
        """Count what the plan has now, write the end of the invocation, and finish the journal."""
        tally = self._tally(done(folder), stopped)
        folder.end(msgspec.structs.replace(invocation, ended=time.time(), summary=msgspec.to_builtins(tally)))
        if self.miscounted:
            first, *more = self.miscounted
            where = f"in trial {first}" + (f" and {len(more)} more" if more else "")
            self.on_event(Notice(text=f"{where} the agent reports other calls or tokens than the gateway counted"))
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
            warnings=self._warnings,
        )

    @property
    def _warnings(self) -> tuple[str, ...]:
        return (
            *self.prepared.warnings,
            *plan_warnings(self.request, self.prepared),
            *dict.fromkeys(w for a in self.arms for w in a.acting.warnings),
        )


async def renew_leases(leases: Leases) -> None:
    """Say from time to time that this process lives."""
    while True:
        await asyncio.sleep(LEASE_SECONDS / 4)
        leases.renew()


def _helpers(settings: Sequence[Setting]) -> dict[str, str]:
    """The helper models of all settings; a run has one for each role.

    Raises:
        DefinitionError: Two settings want different ones.
    """
    found: dict[str, str] = {}
    for setting in settings:
        for role, model in setting.harness.helpers.items():
            if found.setdefault(role, model) != model:
                raise DefinitionError(
                    f"the settings of one run have two models for the role '{role}': {found[role]}, {model}"
                )
    return found


def _sampling(request: RunRequest) -> Sampling:
    return Sampling(temperature=request.temperature, max_tokens=request.max_tokens, seed=request.seed)
