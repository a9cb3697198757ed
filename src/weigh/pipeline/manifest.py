"""The manifest of a run: made once, when it begins, and read with the metrics its tasks had last.

Its id hashes arms and tasks, so that the same plan finds its folder again. Scorers are no part of a run's identity; so
metrics that were edited since are kept with the invocation that used them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.prepare import PreparedPlan
from weigh.pipeline.request import RunRequest
from weigh.records.digest import digest
from weigh.records.run import Run
from weigh.records.trial import join_spec
from weigh.store.layout import Store, slug


def current(store: Store, run: Run) -> Run:
    """The run with its latest metrics. Raises `StoreError` when its folder cannot be read."""
    tasks = list(run.tasks)
    for invocation in store.open(run.id).invocations():
        for index, task in enumerate(tasks):
            metrics = invocation.metrics.get(join_spec(task.name, task.variant))
            if metrics:
                tasks[index] = msgspec.structs.replace(task, metrics=metrics)
    return msgspec.structs.replace(run, tasks=tuple(tasks))


def make_manifest(request: RunRequest, arms: Sequence[ArmPlan], prepared: PreparedPlan) -> Run:
    """The run's manifest. Its id hashes arms and tasks, so that the same plan finds its folder again."""
    harnesses = list({digest(a.setting.harness.public()): a.setting.harness for a in arms}.values())
    tasks = tuple(t.info() for t in prepared.tasks)
    identity = digest(
        {
            "arms": sorted((a.arm.id, a.arm.digest) for a in arms),
            "tasks": sorted((t.name, t.variant, t.digest) for t in tasks),
        }
    )
    name = request.name or default_name(prepared, arms)
    return Run(
        id=f"{slug(name)}-{identity[:8]}",
        name=name,
        created=time.time(),
        group=request.group,
        tags=request.tags,
        arms=tuple(a.arm for a in arms),
        tasks=tasks,
        suites=prepared.suites,
        harness=harnesses[0].public() if len(harnesses) == 1 else {"several": [h.public() for h in harnesses]},
    )


def default_name(prepared: PreparedPlan, arms: Sequence[ArmPlan]) -> str:
    """Named after what is run on what: `starter-smollm2-135m-instruct+1`."""
    names = [s.name for s in prepared.suites] or [t.name for t in prepared.tasks]
    more = f"+{len(arms) - 1}" if len(arms) > 1 else ""
    return f"{names[0]}{f'+{len(names) - 1}' if len(names) > 1 else ''}-{arms[0].arm.id}{more}"
