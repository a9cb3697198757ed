"""What of a plan the store already has, and what has to be done about the rest.

A cell is settled when a trial with its key and an outcome is in the run. It is *rescored* when only its scores are out
of date, *copied* when another run of the store has the generation, and *run* otherwise. All of this happens before a
model is started: a plan that the store can serve entirely never starts one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from weigh.execute.trials import trial_id
from weigh.pipeline.scoring import Scoring
from weigh.plan.cell import Cell
from weigh.plan.matrix import Block
from weigh.records.errors import Error
from weigh.records.trial import ERROR, GAVE_UP, OK, Trial
from weigh.store.done import Done, DoneCell
from weigh.store.index import Generations
from weigh.store.journal import JournalWriter
from weigh.store.layout import RunFolder
from weigh.store.reader import read_trials

Fate = Literal["settled", "rescore", "copy", "run"]

_RESCORABLE = ("scorer", "judge")


class Reuse:
    """Decides the fate of cells from what is stored.

    Args:
        done: What this run has; None while it does not exist.
        generations: What other runs of the same arms have.
        scoring: Knows which scores are out of date.
        retry_failed: Whether failed trials are run again (the rule).
        again: Whether everything is run again, whatever is stored.
    """

    def __init__(
        self,
        done: Done | None,
        generations: Generations,
        scoring: Scoring,
        *,
        retry_failed: bool = True,
        again: bool = False,
    ) -> None:
        self.again = again
        self.done = done
        self.generations = generations
        self.scoring = scoring
        self.retry_failed = retry_failed

    @property
    def nothing_stored(self) -> bool:
        """True when every cell is to be run, which is then known without rendering any."""
        return not self.done and len(self.generations) == 0

    def stored(self, cell: Cell) -> DoneCell | None:
        """What the run has for a cell with this very key."""
        found = self.done.get(cell.identity) if self.done is not None else None
        return found if found is not None and found.key == cell.key else None

    def refresh(self) -> None:
        """Take in what other processes have written to the run meanwhile."""
        if self.done is not None:
            self.done.refresh()

    def fate(self, cell: Cell) -> Fate:
        """What has to be done about a cell."""
        if self.again:
            return "run"
        stored = self.stored(cell)
        if stored is not None:
            failed = stored.status in (ERROR, "empty")
            if not failed:
                # An outcome without an answer has scores by rule; a new rule gives new ones all the same.
                task = (cell.task, cell.variant)
                stale = self.scoring.stale(task, stored.scorers)
                # What the model left in its sandbox is gone: only a new trial can be looked at.
                return "run" if self.scoring.live(task, stale) else "rescore" if stale else "settled"
            if stored.error_kind in _RESCORABLE:
                task = (cell.task, cell.variant)
                again: Fate = "run" if self.scoring.live(task, self.scoring.digests[task]) else "rescore"
                return again if self.retry_failed else "settled"
            if not self.retry_failed:
                return "settled"
        return "copy" if cell.key in self.generations else "run"


class Sorted(msgspec.Struct, kw_only=True):
    """The cells of a plan by fate. Only what needs work before a model starts is kept.

    Attributes:
        counts: (arm, task spec) -> fate -> number of cells.
        rescore: Ids of trials of this run that need new scores.
        copies: How many cells another run has.
        remaining: Shards that have cells to run or to copy.
        outdated: Trial id -> key, of trials of this run that run again although they ended well: a scorer that looks
            at the trial's sandbox was changed, or the user wants it.
    """

    counts: dict[tuple[str, str, str], Counter[str]] = {}
    rescore: set[str] = set()
    copies: int = 0
    remaining: set[str] = set()
    outdated: dict[str, str] = {}


def sort_cells(blocks: Iterable[Block], cells: Callable[[Block], Iterator[Cell]], reuse: Reuse) -> Sorted:
    """Decide every cell's fate (renders each once). Do not call it when `reuse.nothing_stored`."""
    result = Sorted()
    for block in blocks:
        key = (block.arm.id, block.column.task.name, block.column.task.variant)
        counter = result.counts.setdefault(key, Counter())
        for cell in cells(block):
            fate = reuse.fate(cell)
            counter[fate] += 1
            if fate == "rescore":
                stored = reuse.stored(cell)
                if stored is not None:
                    result.rescore.add(stored.trial)
            elif fate == "copy":
                result.copies += 1
                result.remaining.add(block.shard)
            elif fate == "run":
                result.remaining.add(block.shard)
                stored = reuse.stored(cell)
                if stored is not None and stored.error_kind is None:
                    result.outdated[stored.trial] = stored.key
    return result


async def set_aside(outdated: Mapping[str, str], journal: JournalWriter, *, wanted: bool = False) -> None:
    """Mark trials as failed in scoring, so that the ones that run in their place are those that count.

    Args:
        wanted: Whether the user asked for it.
    """
    why = "it was asked for" if wanted else "a scorer that looks at the trial's sandbox was changed since"
    error = Error(kind="scorer", code="outdated", message=f"{why}; the trial runs again")
    for trial, key in outdated.items():
        await journal.append_scores(trial, key, {}, status=ERROR, error=error)


async def copy_block(
    cells: Sequence[Cell], reuse: Reuse, journal: JournalWriter, run_id: str
) -> tuple[list[Trial], list[Cell]]:
    """Copy into this run what other runs have of a block's cells, judged by today's scorers.

    Returns:
        The trials copied, and the cells for which nothing was there after all.
    """
    found = reuse.generations.lookup([c.key for c in cells])
    copied: list[Trial] = []
    left: list[Cell] = []
    for cell in cells:
        entry = found.get(cell.key)
        if entry is None:
            left.append(cell)
            continue
        if not _adoptable(cell, entry[1], reuse.scoring):
            left.append(cell)
            continue
        trial = await _adopt(cell, entry[1], reuse.scoring, run_id)
        await journal.append(trial)
        copied.append(trial)
    return copied, left


def adoptable(cells: Sequence[Cell], reuse: Reuse) -> set[str]:
    """The keys of those cells that another run has and that can be taken over as they are."""
    found = reuse.generations.lookup([cell.key for cell in cells])
    return {c.key for c in cells if c.key in found and _adoptable(c, found[c.key][1], reuse.scoring)}


def _adoptable(cell: Cell, stored: Trial, scoring: Scoring) -> bool:
    """Whether no score is lacking that only the trial's own sandbox, which is gone, could give."""
    task = (cell.task, cell.variant)
    known = {name: score.digest for name, score in stored.scores.items() if score.error is None}
    return not scoring.live(task, scoring.stale(task, known))


async def _adopt(cell: Cell, stored: Trial, scoring: Scoring, run_id: str) -> Trial:
    """A stored generation as a trial of this cell: its output, this task's name and scores."""
    fresh = msgspec.structs.replace(
        stored,
        id=trial_id(),
        run=run_id,
        **cell.named,
        reused=stored.reused or stored.id,
    )
    known = {name: score.digest for name, score in stored.scores.items() if score.error is None}
    wanted = scoring.digests[cell.task, cell.variant]
    keep = {n: s for n, s in stored.scores.items() if n in wanted and known.get(n) == wanted[n]}
    fresh = msgspec.structs.replace(fresh, scores=keep)
    return await rescored(fresh, scoring)


async def rescored(trial: Trial, scoring: Scoring, *, everything: bool = False) -> Trial:
    """The trial with the scores it lacks (or all of them) made anew from its stored output; no model is asked.

    A trial that failed otherwise than in scoring is returned as it is.
    """
    task = (trial.task, trial.variant)
    if trial.failed and not (trial.error and trial.error.kind in _RESCORABLE):
        return trial
    known = {name: score.digest for name, score in trial.scores.items() if score.error is None}
    names = list(scoring.digests[task]) if everything else scoring.stale(task, known)
    gone = scoring.live(task, names)
    names = [name for name in names if name not in gone]
    if trial.trajectory is None or not names:
        return trial
    answered = trial.status in (OK, ERROR, GAVE_UP)
    if answered:
        fresh = await scoring.judge(task, trial.instance, trial.trajectory, names=names)
    else:
        fresh = await scoring.no_match_of(task, trial.instance, trial.trajectory, trial.status, names)
    scores = {**trial.scores, **fresh}
    judged = [scores[name] for name in scoring.digests[task] if name in scores]
    failed = next((score.error for score in judged if score.error is not None), None)
    status = trial.status
    if answered:
        status = scoring.status_of(task, trial.trajectory, scores) if failed is None else ERROR
    return msgspec.structs.replace(trial, scores=scores, status=status, error=failed)


async def rescore_trials(
    folder: RunFolder, ids: set[str] | None, scoring: Scoring, journal: JournalWriter, *, everything: bool = False
) -> Iterable[Trial]:
    """Put new scores over stored trials of a run.

    Args:
        ids: Which trials; None for all of the tasks that `scoring` knows.
        everything: Also replace scores whose scorer has not changed.
    """
    changed: list[Trial] = []

    for trial in read_trials(folder, where=lambda head: ids is None or head.id in ids):
        if (trial.task, trial.variant) not in scoring.scorers:
            continue
        fresh = await rescored(trial, scoring, everything=everything)
        if fresh is trial:
            continue
        await journal.append_scores(fresh.id, fresh.key, fresh.scores, status=fresh.status, error=fresh.error)
        # Only what a summary needs is kept: the output of every trial of a large run would not fit.
        changed.append(msgspec.structs.replace(fresh, trajectory=None))
    return changed
