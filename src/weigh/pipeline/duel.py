"""`weigh duel`: two models on the same questions, in lockstep and in random order, until it is settled which is better.

A confidence sequence (`analyze.sequential`) may be looked at after every question, so the duel ends at the first
question at which the answer is known, or at the budget. Questions count in the order that was drawn and never in the
order in which answers arrive, else fast questions would count first. All trials are those of an ordinary run of the two
models: what is stored is not run again, and `weigh run` with the same models and tasks completes it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain

import msgspec

from weigh.analyze.unequal import failed_unequally
from weigh.define.external import ExternalEval
from weigh.execute.harness import Executor
from weigh.execute.pool import run_cells
from weigh.execute.stop import StopSignal
from weigh.execute.trials import bug_trial
from weigh.pipeline.claims import Claims
from weigh.pipeline.duel_questions import Pair, draw, duel_metric, shared_bounds
from weigh.pipeline.duel_standing import Scoreboard, Standing
from weigh.pipeline.request import OnEvent, RunRequest, RunResult
from weigh.pipeline.reuse import Reuse
from weigh.pipeline.run import Session
from weigh.plan.cell import Cell
from weigh.plan.matrix import Block, block_cells
from weigh.records.errors import DefinitionError, StoreError
from weigh.records.run import MetricInfo
from weigh.records.trial import Trial
from weigh.store.journal import JournalWriter
from weigh.store.layout import RunFolder
from weigh.store.reader import read_trials

PAIRS_LOCAL = 2
"""Questions in flight where a model runs in this process or on this machine: both of a pair share its cores."""
PAIRS_REMOTE = 8
"""Questions in flight otherwise: few, since what is in flight when the duel ends was asked for nothing."""


class DuelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to settle it.

    Attributes:
        margin: Differences smaller than this do not matter; None asks only for better or worse.
        max_questions: The most questions to ask; None for all there are.
        alpha: The chance of a wrong answer, however often one looks.
        order: Seed of the order of the questions.
        metric: Which score; None for each task's first.
    """

    margin: float | None = None
    max_questions: int | None = None
    alpha: float = 0.05
    order: int = 0
    metric: str | None = None


class DuelResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a duel ended.

    Attributes:
        run: The run that holds its trials.
        a, b: The arms.
        metric: What was compared.
        standing: At the end.
        ended: Why it ended, for people.
        withheld: Why no verdict is given although there are numbers.
        clustered: Whether clusters of questions are the units.
        saved: Questions not asked, of all there are.
        fixed: How many a design of fixed size would have asked, had it known beforehand what `fixed_for` says.
    """

    run: RunResult
    a: str
    b: str
    metric: MetricInfo
    standing: Standing
    ended: str
    options: DuelOptions
    withheld: str | None = None
    clustered: bool = False
    saved: int = 0
    fixed: int | None = None
    fixed_for: str | None = None

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `equivalent`, `unresolved`, or `withheld`; about b."""
        return "withheld" if self.withheld else self.standing.verdict


OnStanding = Callable[[Standing], None]


async def duel(
    request: RunRequest,
    options: DuelOptions,
    on_standing: OnStanding | None = None,
    on_event: OnEvent | None = None,
    stop: StopSignal | None = None,
) -> DuelResult:
    """Let two models (`request.models`) answer until it is settled.

    Raises:
        DefinitionError: Not two models, or a score that has no bounds.
        WeighError: As `weigh.pipeline.run.run`; another process works on the same run.
    """
    if len(request.models) != 2:
        raise DefinitionError(f"a duel is between two models, not {len(request.models)}")
    if request.epochs != 1:
        raise DefinitionError("a duel asks each question once; more questions settle more than repeats")
    session = await _Duel.plan(request, on_event or (lambda event: None), stop or StopSignal())
    session.prepare(options, on_standing or (lambda standing: None))
    return session.result(await session.execute())


class _DurableSink:
    """Takes the next question only when the last one is durable and has counted: else quick models would run ahead."""

    def __init__(self, journal: JournalWriter) -> None:
        self._journal = journal

    async def append(self, trial: Trial) -> None:
        """Store a trial and wait until it is."""
        await self._journal.append(trial)
        await self._journal.flush()


class _Duel(Session):
    """A run whose cells are taken in pairs, question by question in the order drawn, until it is settled."""

    def prepare(self, options: DuelOptions, on_standing: OnStanding) -> None:
        """Draw the order."""
        self.options, self.on_standing = options, on_standing
        for task in self.prepared.tasks:
            if isinstance(task.task, ExternalEval):
                raise DefinitionError(f"{task.task.spec} runs a program of its own and cannot be asked in lockstep")
        self.metrics = [duel_metric(t.task.spec, t.info().metrics, options.metric) for t in self.prepared.tasks]
        self.metric = self.metrics[0]
        self.clustered = any(i.cluster is not None for c in self.prepared.columns for _, i in c.instances)
        self.units = draw(self.prepared.columns, options.order)
        self.total = sum(len(unit) for unit in self.units)
        self.queue: deque[list[Pair]] = deque()
        self.waiting: dict[tuple[str, str, str], Pair] = {}
        self.stored: dict[tuple[str, str, str, str, int], tuple[str, float]] = {}
        self.board = Scoreboard(
            shared_bounds(self.metrics),
            lower_is_better=self.metric.lower_is_better,
            total=self.total,
            alpha=options.alpha,
            margin=options.margin,
        )

    # -- running ----------------------------------------------------------------------------------------------------

    async def work(self, folder: RunFolder, claims: Claims, waiting: Sequence[Block]) -> None:
        """Both arms at once: take what is stored, start the models only if a question remains, go on until settled."""
        every = list(self.blocks)
        if not all(claims.claim(block) for block in every):
            raise StoreError(
                f"another process works on run {self.manifest.id}; wait for it, or give the duel another --name"
            )
        claims.reuse.refresh()
        self.stored = {t.cell: (t.key, self._value(t)) for t in read_trials(folder)}
        await claims.copy(every)
        cells = self._lockstep(claims.reuse)
        first = next(cells, None)
        if first is not None and not self.stop.requested:
            await self._ask(chain([first], cells), claims.journal)

    async def _ask(self, cells: Iterator[Cell], journal: JournalWriter) -> None:
        local = any(a.provider.concurrency is not None for a in self.arms)
        pairs = self.request.concurrency or self.harness.concurrency or (PAIRS_LOCAL if local else PAIRS_REMOTE)
        async with AsyncExitStack() as stack:
            executors: dict[str, Executor] = {}
            for arm in self.arms:
                executors |= await self.resources.open_arms(stack, [arm], pairs)
            await run_cells(
                cells,
                lambda cell: executors[cell.arm].execute(cell),
                _DurableSink(journal),
                concurrency=2 * pairs,
                on_bug=partial(bug_trial, self.manifest.id),
                budget=self.budget(),
                stop=self.stop,
                on_event=self.progress.pool_event,
            )

    def _lockstep(self, reuse: Reuse) -> Iterator[Cell]:
        """The cells that are to be run, both of a question after each other, until it is settled or nothing is left.

        What is stored counts on the way, so that a duel that the store can settle starts no model.
        """
        most = self.options.max_questions or self.total
        begun = 0
        for unit in self.units:
            if begun >= most:
                break
            begun += len(unit)
            self.queue.append(unit)
            for pair in unit:
                for side, cell in enumerate(self._cells(pair)):
                    self.waiting[cell.task, cell.variant, cell.instance.id] = pair
                    key, value = self.stored.get(cell.identity, (None, math.nan))
                    if key == cell.key and reuse.fate(cell) != "run":
                        pair.values[side] = value
                    elif self.board.settled:
                        return
                    else:
                        yield cell
            self._count()
            if self.board.settled:
                return

    def _cells(self, pair: Pair) -> Iterator[Cell]:
        """The two cells of a question, rendered."""
        column = self.prepared.columns[pair.column]
        for arm in self.arms:
            block = Block(shard="", arm=arm.arm, column=column, start=pair.position, stop=pair.position + 1)
            yield from block_cells(block, 1, self.transforms[arm.arm.id])

    def durable(self, trials: Sequence[Trial]) -> None:
        """A trial counts once it is durable."""
        super().durable(trials)
        ids = [a.arm.id for a in self.arms]
        for trial in trials:
            if trial.reused is not None:
                self.stored[trial.cell] = (trial.key, self._value(trial))
                continue
            pair = self.waiting.get((trial.task, trial.variant, trial.instance.id))
            if pair is not None:
                pair.values[ids.index(trial.arm)] = self._value(trial)
        self._count()

    def _value(self, trial: Trial) -> float:
        """What a trial counts for; NaN when it failed."""
        for task, metric in zip(self.prepared.tasks, self.metrics, strict=True):
            if (task.name, task.variant) == (trial.task, trial.variant):
                score = trial.scores.get(metric.scorer)
                if trial.failed or score is None or score.value is None:
                    return math.nan
                return float(score.value)
        return math.nan

    def _count(self) -> None:
        """Let the units at the head of the queue count, as far as all of their answers are there."""
        changed = False
        while self.queue and not self.board.settled and all(pair.complete for pair in self.queue[0]):
            self.board.count(self.queue.popleft())
            changed = True
        if changed:
            self.on_standing(self.board.standing())

    # -- what came of it --------------------------------------------------------------------------------------------

    def result(self, run: RunResult) -> DuelResult:
        """The end of the duel."""
        failures = failed_unequally(self.board.failed[0], self.board.failed[1], alpha=self.options.alpha)
        fixed, fixed_for = self.board.fixed_size()
        return DuelResult(
            run=run,
            a=self.arms[0].arm.id,
            b=self.arms[1].arm.id,
            metric=self.metric,
            standing=self.board.standing(),
            ended=self._ended(run),
            options=self.options,
            withheld=failures.reason if failures.unequal else None,
            clustered=self.clustered,
            saved=self.total - self.board.asked,
            fixed=fixed,
            fixed_for=fixed_for,
        )

    def _ended(self, run: RunResult) -> str:
        if self.board.settled:
            return "settled"
        if run.stopped:
            return run.stopped
        if self.board.asked < self.total:
            return f"the budget of {self.options.max_questions} questions is spent"
        return "all questions are asked"
