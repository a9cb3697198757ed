"""A run with the metrics its tasks had last.

Scorers are no part of a run's identity; so metrics that were edited since are kept with the invocation that used them.
Apart from `manifest`, because whoever only reads a run needs nothing of what made it.
"""

from __future__ import annotations

import msgspec

from weigh.records.run import Run
from weigh.records.trial import join_spec
from weigh.store.layout import Store


def current(store: Store, run: Run) -> Run:
    """The run with its latest metrics and markers. Raises `StoreError` when its folder cannot be read."""
    tasks = list(run.tasks)
    for invocation in store.open(run.id).invocations():
        for index, task in enumerate(tasks):
            spec = join_spec(task.name, task.variant)
            metrics = invocation.metrics.get(spec) or task.metrics
            markers = invocation.markers.get(spec, task.markers)
            tasks[index] = msgspec.structs.replace(task, metrics=metrics, markers=markers)
    return msgspec.structs.replace(run, tasks=tuple(tasks))
