"""One invocation of a run, as the run's folder remembers it: what was asked, of what, with which software."""

from __future__ import annotations

from collections.abc import Sequence

from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.planning import cells_by_task
from weigh.pipeline.prepare import PreparedPlan, task_folders
from weigh.pipeline.provenance import host_class, provenance, redact_command
from weigh.pipeline.request import RunRequest
from weigh.pipeline.resolve import helper_models
from weigh.records.run import Invocation


def make_invocation(
    invocation_id: str,
    started: float,
    request: RunRequest,
    arms: Sequence[ArmPlan],
    prepared: PreparedPlan,
    warnings: Sequence[str],
) -> Invocation:
    """What is written when an invocation begins; it has no end yet.

    Args:
        invocation_id: Also names the invocation's segment of the journal and its leases.
        started: Seconds since the epoch.
        request: What the user asked.
        arms, prepared: The part of the plan that it executes.
        warnings: Lines that the user was shown.
    """
    return Invocation(
        id=invocation_id,
        started=started,
        command=redact_command(request.command),
        plan={
            "limit": request.limit,
            "epochs": request.epochs,
            "seed": request.seed,
            "temperature": request.temperature,
            "concurrency": request.concurrency,
            "helpers": helper_models([a.setting for a in arms]),
            "host_class": host_class(),
            "cells": cells_by_task(prepared, request.epochs),
            "warnings": [*prepared.skipped, *warnings],
            **({"study": request.study} if request.study else {}),
        },
        metrics={t.task.spec: t.info().metrics for t in prepared.tasks},
        markers={t.task.spec: t.markers for t in prepared.tasks if t.markers},
        provenance=provenance(task_folders(prepared), {a.arm.id: a.identity for a in arms}),
    )
