"""Where a study stands: every task in every arm, with what is done, runs, failed (and why) or is missing; and what the
rest will take, going by what is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weigh.pipeline.run import LEASE_SECONDS, Session
from weigh.plan.matrix import blocks
from weigh.records.arm import Arm
from weigh.records.trial import OK
from weigh.store.dataset import Dataset, open_dataset
from weigh.store.done import done
from weigh.store.layout import Store
from weigh.store.leases import Leases


class CellGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One task in one arm: all its trials.

    Attributes:
        arm: The arm.
        task: The task's spec.
        planned: How many trials there are to be.
        done: How many ended, with an answer or with another outcome.
        elsewhere: How many of those still missing another run of the store has; they will be taken over.
        running: How many of those missing a process is at work on.
        failed: Trials that failed, by kind; they run again next time.
        reasons: The commonest messages of failures.
        outcomes: Of those done, the ones without an answer, by status.
    """

    arm: Arm
    task: str
    planned: int
    done: int = 0
    elsewhere: int = 0
    running: int = 0
    failed: dict[str, int] = {}
    reasons: tuple[str, ...] = ()
    outcomes: dict[str, int] = {}

    @property
    def missing(self) -> int:
        """Trials that are neither done, nor running, nor failed, nor stored elsewhere."""
        return self.planned - self.done - self.running - sum(self.failed.values()) - self.elsewhere

    @property
    def remaining(self) -> int:
        """Trials that the next run will execute."""
        return self.planned - self.done - self.elsewhere

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
    plan = session.dry_result().plan
    reused = {(row.arm, row.task): row.reused for row in plan.rows}
    folder = session.store.open(session.manifest.id) if exists else None
    stored = done(folder) if folder is not None else None
    leased = _leased(session, Leases(folder.leases, "status", ttl=LEASE_SECONDS)) if folder is not None else set()
    reasons = _reasons(session.store, session.manifest.id) if folder is not None else {}
    groups: list[CellGroup] = []
    for arm in session.arms:
        for column in session.prepared.columns:
            spec = (column.task.name, column.task.variant)
            name = session.prepared.tasks[session.prepared.columns.index(column)].task.spec
            ended = planned = running = 0
            failed: Counter[str] = Counter()
            outcomes: Counter[str] = Counter()
            for block in blocks([arm.arm], [column]):
                for cell in session.cells(block):
                    planned += 1
                    entry = stored.get(cell.identity) if stored is not None else None
                    if entry is None or entry.key != cell.key:
                        running += block.shard in leased
                    elif entry.error_kind is not None:
                        failed[entry.error_kind] += 1
                    else:
                        ended += 1
                        if entry.status != OK:
                            outcomes[entry.status] += 1
            groups.append(
                CellGroup(
                    arm=arm.arm,
                    task=name,
                    planned=planned,
                    done=ended,
                    elsewhere=0 if session.request.again else max(0, reused[arm.arm.id, name] - ended),
                    running=running,
                    failed=dict(failed),
                    reasons=reasons.get((arm.arm.id, *spec), ()),
                    outcomes=dict(outcomes),
                )
            )
    return groups


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


def _leased(session: Session, leases: Leases) -> set[str]:
    """The shards that a living process holds."""
    every = {b.shard for b in blocks([a.arm for a in session.arms], session.prepared.columns)}
    return {shard for shard in every if leases.holder(shard) is not None}
