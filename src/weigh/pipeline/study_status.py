"""Where a study stands: every task in every arm, with what is done, runs, failed (and why) or is missing; and what the
rest will take, going by what is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weigh.pipeline.claims import LEASE_SECONDS
from weigh.pipeline.reuse import Reuse, adoptable
from weigh.pipeline.run import Session
from weigh.plan.matrix import Block, blocks
from weigh.records.arm import Arm
from weigh.records.trial import OK
from weigh.store.dataset import Dataset, open_dataset
from weigh.store.layout import RunFolder, Store
from weigh.store.leases import Leases


class CellGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One task in one arm: all its trials.

    Attributes:
        arm: The arm.
        task: The task's spec.
        planned: How many trials there are to be.
        done: How many ended, with an answer or with another outcome, and stay.
        outdated: How many of those done have scores that another version of their scorer gave; they are scored anew
            from what is stored.
        again: How many ended and run again all the same: the user wants it, or a scorer that looks into the trial's
            sandbox, which is gone, was changed.
        elsewhere: How many of those still missing another run of the store has; they will be taken over.
        running: How many of those missing a process is at work on, counting only what it was asked for.
        failed: Trials that failed, by kind; they run again next time.
        remaining: How many the next run will execute.
        reasons: The commonest messages of failures.
        outcomes: Of those done, the ones without an answer, by status.
    """

    arm: Arm
    task: str
    planned: int
    done: int = 0
    outdated: int = 0
    again: int = 0
    remaining: int = 0
    elsewhere: int = 0
    running: int = 0
    failed: dict[str, int] = {}
    reasons: tuple[str, ...] = ()
    outcomes: dict[str, int] = {}

    @property
    def missing(self) -> int:
        """Trials that are neither done, nor to run again, nor running, nor failed, nor stored elsewhere."""
        there = self.done + self.again + self.running + sum(self.failed.values()) + self.elsewhere
        return self.planned - there

    @property
    def partly(self) -> bool:
        """Whether some of its trials are done and others are not."""
        return 0 < self.done + self.elsewhere < self.planned


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What remains will take about this.

    Attributes:
        trials: That remain.
        known: For how many of them trials like them are stored.
        tokens, generated, seconds: Sums over the trials that remain; None where nothing like them is stored.
        concurrency: Trials in flight that `wall` assumes.
    """

    trials: int
    known: int
    tokens: float | None = None
    generated: float | None = None
    seconds: float | None = None
    concurrency: int = 1

    @property
    def wall(self) -> float | None:
        """Seconds on the clock."""
        return None if self.seconds is None else self.seconds / max(1, self.concurrency)


def cell_groups(session: Session) -> list[CellGroup]:
    """Every task in every arm of a planned run, from what is stored; a pure reader."""
    exists = any(run.id == session.manifest.id for run in session.store.runs())
    folder = session.store.open(session.manifest.id) if exists else None
    leased = _leased(session, folder) if folder is not None else {}
    reasons = _reasons(session.store, session.manifest.id) if folder is not None else {}
    groups: list[CellGroup] = []
    with session.looking() as reuse:
        for arm in session.arms:
            for column, task in zip(session.prepared.columns, session.prepared.tasks, strict=True):
                counts, failed, outcomes = _counted(session, blocks([arm.arm], [column]), reuse, leased)
                groups.append(
                    CellGroup(
                        arm=arm.arm,
                        task=task.task.spec,
                        failed=dict(failed),
                        reasons=reasons.get((arm.arm.id, column.task.name, column.task.variant), ()),
                        outcomes=dict(outcomes),
                        **counts,
                    )
                )
    return groups


def _counted(
    session: Session, blocks: Iterable[Block], reuse: Reuse, leased: Mapping[str, float]
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Cells by the fields of `CellGroup`, failures by kind, and outcomes without an answer by status."""
    counts: Counter[str] = Counter(planned=0)
    failed: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for block in blocks:
        fates = [(cell, reuse.fate(cell)) for cell in session.cells(block)]
        there = adoptable([cell for cell, fate in fates if fate == "copy"], reuse)
        for cell, fate in fates:
            entry = reuse.stored(cell)
            executes = fate == "run" or (fate == "copy" and cell.key not in there)
            counts["planned"] += 1
            counts["remaining"] += executes
            if entry is not None and entry.error_kind is None:
                counts["again" if executes else "done"] += 1
                counts["outdated"] += fate == "rescore"
                if not executes and entry.status != OK:
                    outcomes[entry.status] += 1
            elif not executes and fate == "copy":
                counts["elsewhere"] += 1
            elif entry is not None and entry.error_kind is not None:
                failed[entry.error_kind] += 1
            else:
                counts["running"] += cell.epoch < leased.get(block.shard, 0)
    return counts, failed, outcomes


def forecast(session: Session, groups: Iterable[CellGroup]) -> Forecast:
    """What remains, in tokens and time, by the means of stored trials: of the same task and model in the same tier,
    else of the same model, else of any in runs of the same name.
    """
    groups = [g for g in groups if g.remaining]
    trials = sum(g.remaining for g in groups)
    concurrency = session.request.concurrency or session.harness.concurrency or session.arms[0].provider.concurrency
    base = Forecast(trials=trials, known=0, concurrency=min(concurrency or 1, max(1, trials)))
    runs = [run for run in session.store.runs() if run.name == session.manifest.name]
    if not groups or not runs:
        return base
    arms = {(run.id, arm.id): arm for run in runs for arm in run.arms}
    with open_dataset(session.store, [run.id for run in runs]) as data:
        means = _means(data, arms)
    known = 0
    totals: dict[str, float] = {}
    for group in groups:
        mean = next((means[key] for key in _keys(group.arm, group.task) if key in means), None)
        if mean is None:
            continue
        known += group.remaining
        for name, value in mean.items():
            if value is not None:
                totals[name] = totals.get(name, 0.0) + value * group.remaining
    return msgspec.structs.replace(base, known=known, **totals)


_MEANS = """
select run, arm, task, count(*) as n, sum(seconds) as seconds, sum(generated) as generated,
       sum(coalesce("new", 0) + coalesce(cached, 0) + coalesce(generated, 0)) as tokens,
       count("new") + count(generated) as known
from trials where status not in ('error', 'empty') group by all
"""


def _means(data: Dataset, arms: Mapping[tuple[str, str], Arm]) -> dict[tuple[Any, ...], dict[str, float | None]]:
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for row in data.sql(_MEANS):
        arm = arms.get((row["run"], row["arm"]))
        if arm is None:
            continue
        for key in _keys(arm, row["task"]):
            entry = sums.setdefault(key, Counter())
            for name in ("n", "seconds", "generated", "tokens", "known"):
                entry[name] += row[name] or 0
    return {
        key: {
            "seconds": entry["seconds"] / entry["n"],
            "generated": entry["generated"] / entry["n"] if entry["known"] else None,
            "tokens": entry["tokens"] / entry["n"] if entry["known"] else None,
        }
        for key, entry in sums.items()
    }


def _keys(arm: Arm, task: str) -> Sequence[tuple[Any, ...]]:
    """What is looked for, the most alike first."""
    model, agent, tier = (arm.axes.get(name) for name in ("model", "agent", "tier"))
    return ((model, agent, tier, task), (model, agent, task), (model, agent), (model,), ())


_REASONS = """
select arm, task, variant, error_kind, error_message, count(*) as n from trials
where status in ('error', 'empty') group by all order by n desc
"""


def _reasons(store: Store, run: str) -> dict[tuple[str, str, str], tuple[str, ...]]:
    found: dict[tuple[str, str, str], list[str]] = {}
    with open_dataset(store, [run]) as data:
        for row in data.sql(_REASONS):
            key = (row["arm"], row["task"], row["variant"])
            found.setdefault(key, []).append(f"{row['n']} {row['error_kind']}: {row['error_message'] or ''}".strip())
    return {key: tuple(lines[:3]) for key, lines in found.items()}


def _leased(session: Session, folder: RunFolder) -> dict[str, float]:
    """The shards that a living process holds, each with how many epochs it was asked for."""
    leases = Leases(folder.leases, "status", ttl=LEASE_SECONDS)
    asked = {invocation.id: invocation.plan.get("cells") or {} for invocation in folder.invocations()}
    found: dict[str, float] = {}
    for column, task in zip(session.prepared.columns, session.prepared.tasks, strict=True):
        for block in blocks([a.arm for a in session.arms], [column]):
            lease = leases.holder(block.shard)
            if lease is not None:
                # The writer of a lease is an invocation. A study has no limit, so cells are questions times epochs.
                cells = asked.get(lease.writer, {}).get(task.task.spec)
                found[block.shard] = float("inf") if cells is None else cells / len(column.instances)
    return found
