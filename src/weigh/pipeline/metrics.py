"""By which metric things are compared: one of the task's, the adoption of a marker, or what a trial costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weigh.records.errors import DefinitionError, suggest
from weigh.records.marker import MarkerSpec
from weigh.records.run import MetricInfo, TaskInfo
from weigh.records.trial import join_spec

COSTS: Mapping[str, MetricInfo] = {
    name: MetricInfo(name=name, scorer=name, lower_is_better=True, bounds=None, unit=unit)
    for name, unit in (
        ("seconds", "s"),
        ("tokens", "tokens"),
        ("new", "tokens"),
        ("cached", "tokens"),
        ("generated", "tokens"),
        ("cost", "$"),
        ("turns", "turns"),
        ("tool_calls", "calls"),
        ("tool_errors", "calls"),
        ("answer_call", "calls"),
        ("files_read", "files"),
        ("files_written", "files"),
        ("model_seconds", "s"),
        ("tool_seconds", "s"),
    )
}
"""What a trial costs, comparable like a score: less is better. `tokens` is new, cached and generated together."""


class NoMetric(DefinitionError):
    """A task, or one side of it, has no metric of this name.

    Attributes:
        what: The same without the task: what many tasks have in common is then said once.
    """

    def __init__(self, what: str, task: str = "") -> None:
        super().__init__(f"task {task} has {what}" if task else what)
        self.what = what


def marker_metric(marker: MarkerSpec) -> MetricInfo:
    """Adoption of a behaviour as a metric: the share of trials in which the marker fired."""
    return MetricInfo(name=marker.scorer, scorer=marker.scorer, lower_is_better=marker.lower_is_better)


def pick_metric(tasks: Sequence[TaskInfo], name: str | None) -> MetricInfo:
    """The metric of a task by name (a cost is one too); its first where no name is given.

    Raises:
        NoMetric: The task has no such metric.
    """
    if name is not None and name in COSTS:
        return COSTS[name]
    metrics = tasks[0].metrics
    if name is None:
        return metrics[0]
    others = [marker_metric(m) for m in tasks[0].markers]
    for metric in (*metrics, *others):
        if name in (metric.name, metric.scorer):
            return metric
    known = [*(m.name for m in (*metrics, *others)), *COSTS]
    hint = suggest(name, known) or f" (there are {', '.join(known)})"
    raise NoMetric(f"no metric {name!r}{hint}", join_spec(tasks[0].name, tasks[0].variant))


def common_metric(ours: Sequence[TaskInfo], theirs: Sequence[TaskInfo], name: str | None) -> MetricInfo:
    """The metric by which two sides are compared on a task: that of the first, which the second must have too.

    Raises:
        NoMetric: A side lacks it.
    """
    metric = pick_metric(ours, name)
    others = [*theirs[0].metrics, *(marker_metric(m) for m in theirs[0].markers)]
    if metric.scorer not in COSTS and metric.scorer not in {m.scorer for m in others}:
        have = ", ".join(m.name for m in others) or "none"
        raise NoMetric(
            f"only one of the arms has the metric {metric.name!r} (the other has {have}); `weigh rescore` gives it to "
            "the other without running the model again"
        )
    return metric
