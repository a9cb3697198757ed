"""The conditions that seconds were taken under: the class of the machine, and how many trials ran at once."""

from __future__ import annotations

from weigh.pipeline.sides import Side
from weigh.records.run import MetricInfo
from weigh.store.dataset import Dataset


def host_difference(data: Dataset, a: Side, b: Side, metric: MetricInfo) -> str | None:
    """Seconds are only comparable between machines of one class under one load; says why when they are not."""
    if metric.unit != "s":
        return None

    def conditions(side: Side) -> set[str]:
        return {c for m in side.members for c in run_conditions(data, m.run.id)}

    ours, theirs = conditions(a), conditions(b)
    if ours == theirs and len(ours) == 1:
        return None
    shown = f"{' | '.join(sorted(ours)) or 'unknown'} against {' | '.join(sorted(theirs)) or 'unknown'}"
    return f"seconds were not taken under the same conditions: {shown}"


def run_conditions(data: Dataset, run: str) -> set[str]:
    """Host class and concurrency of every invocation that executed trials of a run."""
    return {
        f"{i.plan.get('host_class', 'unknown host')}, concurrency {i.plan.get('concurrency') or 'default'}"
        for i in data.invocations(run)
        if i.summary.get("executed") or i.ended is None  # one that runs, or was killed, has executed something too
    }
