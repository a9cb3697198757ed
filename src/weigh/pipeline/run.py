"""`weigh run`: from what a user asks to trials in the store.

In order: resolve harness, arms and tasks; check everything; make the manifest; take from the store what is there;
start one model at a time and execute the cells that remain, block by leased block; finish the journal. Whatever stops
it (an error, a budget, Ctrl-C, kill -9), what is durable stays, and the same command goes on from there.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from itertools import groupby
from typing import Self

import msgspec

from weigh.execute.budget import Budget
from weigh.execute.pool import run_cells
from weigh.execute.stop import StopSignal
from weigh.execute.trials import bug_trial
from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.claims import LEASE_SECONDS, Claims
from weigh.pipeline.external import ExternalContext
from weigh.pipeline.finishing import finish_run
from weigh.pipeline.invocation import make_invocation
from weigh.pipeline.manifest import make_manifest
from weigh.pipeline.narrow import narrow
from weigh.pipeline.planning import all_warnings, estimator, plan_rows
from weigh.pipeline.programs import run_programs
from weigh.pipeline.progress import Progress
from weigh.pipeline.request import OnEvent, Plan, Planned, RunRequest, RunResult
from weigh.pipeline.resolve import Resolved, resolve
from weigh.pipeline.resources import Resources
from weigh.pipeline.reuse import Reuse, Sorted, rescore_trials, set_aside, sort_cells
from weigh.pipeline.scoring import Scoring, check_helpers
from weigh.pipeline.tally import Tally, count_plan
from weigh.plan.cell import Cell
from weigh.plan.matrix import Block, block_cells, blocks
from weigh.protocols import Provider
from weigh.records.run import Invocation
from weigh.records.trial import Trial
from weigh.store.done import done
from weigh.store.index import Generations, find_generations
from weigh.store.journal import JournalWriter, repair
from weigh.store.layout import RunFolder, Store
from weigh.store.leases import Leases


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
    """One invocation of a run, from its plan to its result. Made by `Session.plan`.

    Attributes:
        request, on_event, stop: As given.
        harness: What settings share is asked of the first one's.
        store: Where the run lies, or will.
        manifest: The run, all of it.
        arms, prepared: The part of it that this invocation executes.
        transforms: What each arm changes of a rendered request, by the arm's id.
        scoring: Judges trials.
        resources: What is opened for it.
        progress: What it has done.
    """

    def __init__(self, request: RunRequest, on_event: OnEvent, stop: StopSignal, resolved: Resolved) -> None:
        self.request, self.on_event, self.stop = request, on_event, stop
        self.harness = resolved.arms[0].setting.harness
        self.transforms = resolved.transforms
        self.store = Store(request.store)
        # The plan as a whole is what the run is called after; this invocation may do a part of it.
        self.manifest = make_manifest(request, resolved.arms, resolved.prepared)
        self.arms, self.prepared = narrow(resolved.arms, resolved.prepared, request)
        self.scoring = Scoring({(t.name, t.variant): t.scorers for t in self.prepared.tasks}, helpers=resolved.helpers)
        check_helpers(
            self.scoring,
            {(c.task.name, c.task.variant): c.instances[0][1] for c in self.prepared.columns if c.instances},
            sandboxed=all(a.sandbox is not None for a in resolved.actings),
            asked={role for acting in resolved.actings for role in acting.helpers},
            study=request.models_from.removesuffix(": models"),
        )
        self.resources = Resources(
            self.manifest.id,
            self.harness,
            resolved.actings,
            self.prepared.tasks,
            self.scoring,
            concurrency=request.concurrency,
            stop=stop,
            on_event=on_event,
        )
        self.progress = Progress(on_event, self.resources.planner)
        self._started = time.time()
        self._writer = f"{int(self._started)}-{secrets.token_hex(4)}"

    @classmethod
    async def plan(cls, request: RunRequest, on_event: OnEvent, stop: StopSignal) -> Self:
        """Resolve and check everything; nothing is written and no model is started."""
        return cls(request, on_event, stop, await resolve(request))

    # -- the plan, and what the store has of it ---------------------------------------------------------------------

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
        with self._generations() as generations:
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

    def _plan(self, fates: Sorted | None, reuse: Reuse) -> Plan:
        arms = [a.arm for a in self.arms]
        estimate = estimator(self.cells, reuse) if self.request.dry_run else None
        return Plan(
            run=self.manifest,
            rows=plan_rows(arms, self.prepared, self.request.epochs, fates, estimate),
            skipped=self.prepared.skipped,
            warnings=self._warnings,
        )

    def _generations(self) -> Generations:
        """What other runs of the same arms have."""
        return find_generations(self.store, [a.arm.digest for a in self.arms], exclude=[self.manifest.id])

    @property
    def _warnings(self) -> tuple[str, ...]:
        return all_warnings(self.request, self.prepared, self.arms)

    # -- executing it -----------------------------------------------------------------------------------------------

    async def execute(self) -> RunResult:
        """Write the manifest, take over what is there, run the rest, finish the journal."""
        folder = self.store.create(self.manifest)
        for line in repair(folder):
            self.progress.notice(line)
        invocation = self.invocation()
        folder.begin(invocation)
        generations = self._generations()
        stopped: str | None = "error"
        try:
            stored = done(folder, skip=self._writer)
            reuse = Reuse(
                stored, generations, self.scoring, retry_failed=self.request.retry_failed, again=self.request.again
            )
            fates = None if reuse.nothing_stored else sort_cells(self.blocks, self.cells, reuse)
            plan = self._plan(fates, reuse)
            self.on_event(Planned(plan=plan))
            for row in plan.rows:
                self.resources.planner.did(row.task, -float(row.requests + row.rescored))
            async with AsyncExitStack() as stack:
                await self.resources.open(stack)
                journal = await stack.enter_async_context(JournalWriter(folder, self._writer, self.durable))
                if fates is not None:
                    await self._take_over(folder, fates, journal)
                leases = Leases(folder.leases, self._writer, ttl=LEASE_SECONDS)
                claims = Claims(self.manifest.id, self.cells, reuse, journal, leases, self.stop)
                try:
                    waiting = [b for b in self.blocks if fates is None or b.shard in fates.remaining]
                    with claims.renewing():
                        await self.work(folder, claims, waiting)
                    stopped = self.stop.reason
                finally:
                    await claims.give_back()
        finally:
            generations.close()
            result = await self._close(folder, invocation, stopped)
        return result.finish(self.manifest, plan)

    async def _take_over(self, folder: RunFolder, fates: Sorted, journal: JournalWriter) -> None:
        """Count what the run has already, with new scores where a scorer changed."""
        self.progress.reused = sum(c["settled"] + c["rescore"] for c in fates.counts.values())
        await set_aside(fates.outdated, journal, wanted=self.request.again)
        if fates.rescore:
            changed = await rescore_trials(folder, fates.rescore, self.scoring, journal)
            await journal.flush()
            self.progress.scored_again(changed)

    def durable(self, trials: Sequence[Trial]) -> None:
        """Trials have become durable."""
        self.progress.durable(trials)

    def invocation(self) -> Invocation:
        """What the run's folder remembers of it from its beginning."""
        return make_invocation(self._writer, self._started, self.request, self.arms, self.prepared, self._warnings)

    def budget(self) -> Budget:
        """What this invocation may spend; its time does not yet run."""
        return Budget(
            seconds=self.request.max_seconds,
            tokens=self.request.max_tokens_total,
            dollars=self.request.max_dollars,
        )

    async def work(self, folder: RunFolder, claims: Claims, waiting: Sequence[Block]) -> None:
        """Execute what remains: one model at a time, with all arms it serves.

        Args:
            folder: The run's.
            claims: Gives what this process may take.
            waiting: The blocks in which something remains.
        """
        budget = self.budget()
        budget.start()
        for _, group in groupby(self.arms, key=lambda a: id(a.provider)):
            arms = list(group)
            own = {a.arm.id for a in arms}
            remaining = [b for b in waiting if b.arm.id in own]
            if remaining:
                await self._work_on_model(folder, arms, remaining, claims, budget)
            if self.stop.requested:
                break

    async def _work_on_model(
        self, folder: RunFolder, arms: list[ArmPlan], waiting: list[Block], claims: Claims, budget: Budget
    ) -> None:
        """Copy what other runs have, then start the model, if anything is left, and work through the blocks."""
        waiting = await claims.copy(waiting)
        if not waiting:
            return
        concurrency = self.resources.concurrency_on(arms[0].provider)
        wanted = {b.arm.id for b in waiting}
        async with AsyncExitStack() as stack:
            executors = await self.resources.open_arms(stack, [a for a in arms if a.arm.id in wanted], concurrency)
            provider = next(iter(executors.values())).provider
            context = self._for_programs(folder, provider, concurrency, claims, budget)
            waiting = await run_programs(self.prepared.tasks, waiting, claims, context, self.transforms)
            async for cells in claims.rounds(waiting):
                await run_cells(
                    cells,
                    lambda cell: executors[cell.arm].execute(cell),
                    claims.journal,
                    concurrency=concurrency,
                    on_bug=partial(bug_trial, self.manifest.id),
                    budget=budget,
                    stop=self.stop,
                    on_event=self.progress.pool_event,
                )

    def _for_programs(
        self, folder: RunFolder, provider: Provider, concurrency: int, claims: Claims, budget: Budget
    ) -> ExternalContext:
        """What tasks that bring their own program are given."""
        return ExternalContext(
            run=self.manifest.id,
            folder=folder.artifacts,
            provider=provider,
            scoring=self.scoring,
            sink=claims.journal,
            budget=budget,
            stop=self.stop,
            concurrency=concurrency,
            retries=self.harness.retries,
            transform=None,
            notice=self.progress.notice,
            spent=self.progress.spent,
        )

    # -- its end ----------------------------------------------------------------------------------------------------

    async def _close(self, folder: RunFolder, invocation: Invocation, stopped: str | None) -> Tally:
        """Count what the plan has now, write the end of the invocation, and finish the journal."""
        counted = count_plan(done(folder), self.arms, self.prepared.columns, self.request.epochs)
        tally = self.progress.complete(counted, stopped)
        folder.end(msgspec.structs.replace(invocation, ended=time.time(), summary=msgspec.to_builtins(tally)))
        self.progress.tell_miscounts()
        finished = await finish_run(folder)
        if finished is not None:
            for note in finished.notes:
                self.progress.notice(note)
        return tally
