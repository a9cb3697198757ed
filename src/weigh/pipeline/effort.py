"""What agents' trials took, per task and arm: medians with quartiles, and how often each marker fired.

The unit of a median is the trial: its spread is what a user meets. Trials that failed are left out; those that a limit
or deadline ended count with what they had taken by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.estimate import Estimate, estimate, estimate_epochs
from weigh.analyze.spread import Spread, spread
from weigh.pipeline.latest import current
from weigh.pipeline.metrics import marker_metric
from weigh.pipeline.questions import Errors, questions
from weigh.records.run import Run, TaskInfo
from weigh.records.trial import join_spec
from weigh.store.dataset import Dataset, open_dataset
from weigh.store.layout import Store

TAKEN = (
    "seconds", "model_seconds", "tool_seconds", "turns", "tool_calls", "tool_errors", "recoveries", "new", "cached",
    "generated", "cost", "answer_call", "files_read", "files_written", "help",
)  # fmt: skip
"""Columns of the store that say what a trial took, in the order of tables."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """What the trials of one arm on one task took.

    Attributes:
        task, arm: Which.
        trials: How many did not fail.
        taken: By column (`TAKEN`), over trials; `answer_call` over those in which a result contained the answer.
    """

    task: str
    arm: str
    trials: int
    taken: dict[str, Spread]


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """How often a marker fired.

    Attributes:
        task, arm, marker: Which; the name is without `marker:`.
        description: What the behaviour is.
        trials: How many trials could be looked at.
        fired: In how many of them it fired.
        share: Over questions, their epochs averaged, with its interval; the number that comparisons use.
        lower_is_better: Whether it is a behaviour one does not want.
    """

    task: str
    arm: str
    marker: str
    description: str
    trials: int
    fired: int
    share: Estimate
    lower_is_better: bool


class Efforts(msgspec.Struct, frozen=True, kw_only=True):
    """The efforts of a run's arms, and the adoption of its markers."""

    run: Run
    efforts: tuple[Effort, ...]
    adoption: tuple[Adoption, ...]


def efforts(store: Store, run: Run, *, errors: Errors = "exclude", level: float = 0.95) -> Efforts:
    """The efforts of a stored run. Raises `StoreError` when it cannot be read."""
    run = current(store, run)
    with open_dataset(store, [run.id]) as data:
        return efforts_of(data, run, errors=errors, level=level)


def efforts_of(data: Dataset, run: Run, *, errors: Errors = "exclude", level: float = 0.95) -> Efforts:
    """The same from a data set that is open."""
    return Efforts(
        run=run,
        efforts=tuple(e for task in run.tasks for arm in run.arms if (e := _effort(data, run, task, arm.id))),
        adoption=tuple(
            a for task in run.tasks for arm in run.arms for a in _adoption(data, run, task, arm.id, errors, level)
        ),
    )


def _effort(data: Dataset, run: Run, task: TaskInfo, arm: str) -> Effort | None:
    columns = ", ".join(f'"{name}"::double as "{name}"' for name in TAKEN)
    found = data.arrays(
        f"select {columns} from trials where run = ? and arm = ? and task = ? and variant = ? "
        "and status not in ('error', 'empty')",
        [run.id, arm, task.name, task.variant],
    )
    taken = {name: spread(np.ma.asarray(found[name], dtype=float).compressed()) for name in TAKEN}
    trials = int(np.ma.asarray(found["turns"]).size)
    if not trials:
        return None
    return Effort(task=join_spec(task.name, task.variant), arm=arm, trials=trials, taken=taken)


def _adoption(data: Dataset, run: Run, task: TaskInfo, arm: str, errors: Errors, level: float) -> list[Adoption]:
    made = []
    for marker in task.markers:
        metric = marker_metric(marker)
        rows = data.values(task.name, metric.scorer, variant=task.variant, arm=arm, run=run.id)
        known = rows.value[~np.isnan(rows.value)]
        if not known.size:
            continue
        found = questions(rows, metric, errors)
        clusters = None if found.clusters is None else found.clusters.tolist()
        if int(found.epochs.max()) > 1:
            share = estimate_epochs(found.epoch_lists(), clusters=clusters, bounds=metric.bounds, level=level)
        else:
            share = estimate(found.values, clusters=clusters, bounds=metric.bounds, level=level)
        made.append(
            Adoption(
                task=join_spec(task.name, task.variant),
                arm=arm,
                marker=marker.name,
                description=marker.description,
                trials=int(known.size),
                fired=int(np.sum(known > 0)),
                share=share,
                lower_is_better=marker.lower_is_better,
            )
        )
    return made


def flat_effort(effort: Effort) -> Mapping[str, Any]:
    """An effort as one flat row for CSV and JSON."""
    row: dict[str, Any] = {"task": effort.task, "arm": effort.arm, "trials": effort.trials}
    for name, one in effort.taken.items():
        row |= {name: one.median, f"{name}_q1": one.q1, f"{name}_q3": one.q3, f"{name}_mean": one.mean}
    return row


def flat_adoption(adoption: Adoption) -> Mapping[str, Any]:
    """An adoption as one flat row for CSV and JSON."""
    share = adoption.share
    return {
        "task": adoption.task, "arm": adoption.arm, "marker": adoption.marker, "trials": adoption.trials,
        "fired": adoption.fired, "share": share.mean, "se": share.error, "low": share.low, "high": share.high,
        "n": share.n, "description": adoption.description,
    }  # fmt: skip
