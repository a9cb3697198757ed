"""Whether two arms read equally much of their prompts from a cache: where not, their seconds are not like for like.

What is read from a cache takes no time to compute and is no new token. Whether it was there is mostly a matter of the
engine and of the run (a shared few-shot prompt, one slot or several), not of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weigh.pipeline.sides import Side
from weigh.records.run import TaskInfo
from weigh.store.dataset import Dataset

APART = 0.10
"""Shares of the prompt that differ by more than this are worth a warning: a rule of thumb, no test."""
TOUCHED = {"seconds": "seconds", "new": "new tokens", "cost": "dollars"}
"""Costs that a cache changes, and what they are called."""
MOST = 5

Pairs = Mapping[str, tuple[Sequence[TaskInfo], Sequence[TaskInfo]]]
"""By a task's name in a comparison: what it is on either side."""
Read = tuple[float, float]
"""Prompt tokens, and those of them that were read from a cache."""


def cautions(data: Dataset, a: Side, b: Side, tasks: Pairs, metric: str | None) -> tuple[str, ...]:
    """A sentence for each side that read clearly more from a cache; none for what a cache does not touch."""
    if metric not in TOUCHED:
        return ()
    more: dict[bool, list[tuple[str, Read, Read]]] = {}
    for name, (ours, theirs) in tasks.items():
        first, second = _read(data, a, ours), _read(data, b, theirs)
        if first is None or second is None:
            continue  # an engine that does not say what came from a cache
        apart = second[1] / second[0] - first[1] / first[0]
        if abs(apart) > APART:
            more.setdefault(apart > 0, []).append((name, first, second))
    return tuple(_told(TOUCHED[metric], found) for found in more.values())


def _told(what: str, found: Sequence[tuple[str, Read, Read]]) -> str:
    names = [name for name, _, _ in found]
    rest = len(names) - MOST
    last = [f"{rest} more"] if rest > 0 else []
    *many, one = [*names[:MOST], *last]
    named = f"{', '.join(many)} and {one}" if many else one
    shares = [
        f"{100 * sum(cached for _, cached in side) / sum(prompt for prompt, _ in side):.0f} %"
        for side in ([first for _, first, _ in found], [second for _, _, second in found])
    ]
    return (
        f"On {named} {what} are not like for like: A read {shares[0]} of its prompt tokens from a cache, B {shares[1]}."
    )


def _read(data: Dataset, side: Side, tasks: Sequence[TaskInfo]) -> Read | None:
    """What the arms of a side read on a task; None where a trial did not say, or there was nothing to read."""
    by_task = data.remember("cached share", lambda: _by_task(data))
    kinds = {(task.name, task.variant) for task in tasks}
    found = [by_task[key] for m in side.members for kind in kinds if (key := (m.run.id, m.arm.id, *kind)) in by_task]
    if not found or any(cached is None for _, cached in found):
        return None
    prompt = sum(new + cached for new, cached in found)
    return (prompt, sum(cached for _, cached in found)) if prompt else None


def _by_task(data: Dataset) -> dict[tuple[str, str, str, str], tuple[float, float | None]]:
    """(new, cached) tokens by run, arm, task and variant; cached is None where a trial did not say."""
    rows = data.sql(
        "select run, arm, task, variant, sum(new) as fresh, "
        "case when count(cached) = count(*) then sum(cached) end as cached from trials "
        "where status not in ('error', 'empty') and new is not null group by all"
    )
    return {
        (str(r["run"]), str(r["arm"]), str(r["task"]), str(r["variant"] or "")): (
            float(r["fresh"]),
            None if r["cached"] is None else float(r["cached"]),
        )
        for r in rows
    }
