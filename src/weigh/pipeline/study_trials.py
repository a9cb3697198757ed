"""A study task by task and trial by trial: the part of its run that one invocation looks at."""

from __future__ import annotations

from typing import Any

import msgspec

from weigh.pipeline.results import Summary, summarize
from weigh.pipeline.run import Session
from weigh.records.arm import Arm
from weigh.records.run import Run, SuiteNode
from weigh.store.dataset import open_dataset


class StudyTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One trial, as a list of them shows it.

    Attributes:
        id: As `weigh trial` takes it.
        arm: Whose it is.
        task: The task's name among all of weigh's.
        instance, epoch: Of the task.
        status: How it ended.
        match: The task's first score; None where it failed.
        turns, tokens, seconds: What it took, as far as known.
        why: Of a failure.
    """

    id: str
    arm: Arm
    task: str
    instance: str
    epoch: int
    status: str
    match: float | None
    turns: int | None
    tokens: int | None
    seconds: float | None
    why: str | None


def part_of(session: Session) -> Run:
    """The run of a study with only the arms and tasks that were asked for."""
    specs = {task.task.spec for task in session.prepared.tasks}
    names = {(task.name, task.variant) for task in session.prepared.tasks}
    arms = {arm.arm.id for arm in session.arms}
    run = session.manifest
    return msgspec.structs.replace(
        run,
        arms=tuple(arm for arm in run.arms if arm.id in arms),
        tasks=tuple(task for task in run.tasks if (task.name, task.variant) in names),
        suites=tuple(_only(suite, specs) for suite in run.suites),
    )


def by_task(session: Session) -> Summary:
    """What each arm achieved on each task."""
    return summarize(session.store, part_of(session))


_TRIALS = """
select id, arm, task, variant, instance_id, epoch, status, error_kind, error_message, scores, turns, seconds,
       "new" + coalesce(cached, 0) + coalesce(generated, 0) as tokens
from trials where run = ? order by task, instance_id, epoch
"""


def study_trials(session: Session) -> list[StudyTrial]:
    """The trials of the arms and tasks that were asked for: by task, then by arm, in the study's order."""
    run = part_of(session)
    arms = {arm.id: (index, arm) for index, arm in enumerate(run.arms)}
    tasks = {(task.name, task.variant): (index, task) for index, task in enumerate(run.tasks)}
    found: list[tuple[int, int, StudyTrial]] = []
    with open_dataset(session.store, [run.id]) as data:
        for row in data.sql(_TRIALS, [run.id]):
            task = tasks.get((row["task"], row["variant"] or ""))
            arm = arms.get(row["arm"])
            if task is not None and arm is not None:
                found.append((task[0], arm[0], _trial(row, arm[1], task[1].metrics[0].scorer)))
    return [trial for _, _, trial in sorted(found, key=lambda one: (one[0], one[1]))]


def _trial(row: dict[str, Any], arm: Arm, scorer: str) -> StudyTrial:
    failed = row["error_kind"] is not None
    return StudyTrial(
        id=row["id"],
        arm=arm,
        task=row["task"],
        instance=row["instance_id"],
        epoch=row["epoch"],
        status=row["status"],
        match=None if failed else dict(row["scores"] or {}).get(scorer),
        turns=row["turns"],
        tokens=row["tokens"],
        seconds=row["seconds"],
        why=f"{row['error_kind']}: {row['error_message']}" if failed else None,
    )


def _only(suite: SuiteNode, specs: set[str]) -> SuiteNode:
    """A study's suite with some of its tasks; it is pooled, so it has no weights to lose."""
    members = tuple(_only(m, specs) if isinstance(m, SuiteNode) else m for m in suite.members)
    return msgspec.structs.replace(suite, members=tuple(m for m in members if isinstance(m, SuiteNode) or m in specs))
