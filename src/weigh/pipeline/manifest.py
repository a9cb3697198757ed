"""The manifest of a run: made once, when it begins.

Its id hashes arms and tasks, so that the same plan finds its folder again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.prepare import PreparedPlan
from weigh.pipeline.request import RunRequest
from weigh.records.digest import digest
from weigh.records.run import Run
from weigh.store.layout import slug


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
