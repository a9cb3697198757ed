"""The plan as people see it: a row for each arm and task, what the store has of it, and what remains to be paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.prepare import PreparedPlan
from weigh.pipeline.request import RunRequest, TaskPlan
from weigh.pipeline.reuse import Reuse, Sorted
from weigh.plan.cell import Cell
from weigh.plan.matrix import Block, Column, blocks, count_cells
from weigh.records.arm import Arm
from weigh.records.request import LoglikelihoodRequest
from weigh.records.trial import request_text

Estimate = Callable[[Arm, Column], tuple[int, int]]
"""Prompt tokens and the most generated tokens of what remains of a task for an arm."""


def plan_rows(
    arms: Sequence[Arm], prepared: PreparedPlan, epochs: int, fates: Sorted | None, estimate: Estimate | None
) -> tuple[TaskPlan, ...]:
    """One row for each arm and task.

    Args:
        fates: What the store has; None when it has nothing.
        estimate: Only for a dry run, since it renders every request once more.
    """
    rows: list[TaskPlan] = []
    for arm in arms:
        for task, column in zip(prepared.tasks, prepared.columns, strict=True):
            cells = count_cells([arm], [column], epochs)
            counter = fates.counts.get((arm.id, task.name, task.variant), Counter()) if fates else Counter()
            reused = counter["settled"] + counter["rescore"] + counter["copy"]
            prompt, generated = estimate(arm, column) if estimate else (0, 0)
            rows.append(
                TaskPlan(
                    arm=arm.id,
                    task=task.task.spec,
                    kind=task.capability,
                    cells=cells,
                    reused=reused,
                    rescored=counter["rescore"],
                    requests=cells - reused,
                    prompt_tokens=prompt,
                    max_generated=generated,
                )
            )
    return tuple(rows)


def cells_by_task(prepared: PreparedPlan, epochs: int) -> dict[str, int]:
    """How many cells each arm has of each task, by spec."""
    return {
        task.task.spec: (column.epochs or epochs) * len(column.instances)
        for task, column in zip(prepared.tasks, prepared.columns, strict=True)
    }


def estimator(cells: Callable[[Block], Iterator[Cell]], reuse: Reuse) -> Estimate:
    """Estimate the tokens that remain, a token being four characters."""

    def estimate(arm: Arm, column: Column) -> tuple[int, int]:
        prompt = generated = 0
        for block in blocks([arm], [column]):
            for cell in cells(block):
                if reuse.fate(cell) != "run":
                    continue
                prompt += len(request_text(cell.request)) // 4
                if isinstance(cell.request, LoglikelihoodRequest):
                    prompt += sum(map(len, cell.request.continuations)) // 4
                else:
                    generated += cell.request.sampling.max_tokens
        return prompt, generated

    return estimate


def plan_warnings(request: RunRequest, prepared: PreparedPlan) -> Iterator[str]:
    """What a user may not have meant."""
    if request.epochs > 1 and not request.temperature:
        greedy = [t.task.spec for t in prepared.tasks if not t.sampling.temperature]
        if greedy:
            yield (
                f"{request.epochs} epochs at temperature 0 ask the same thing again: {', '.join(greedy[:4])}; "
                "--temperature makes them differ"
            )


def all_warnings(request: RunRequest, prepared: PreparedPlan, arms: Sequence[ArmPlan]) -> tuple[str, ...]:
    """The lines to show with a plan: about its tasks, about what was asked, and about what the arms act with."""
    return (
        *prepared.warnings,
        *plan_warnings(request, prepared),
        *dict.fromkeys(w for a in arms for w in a.acting.warnings),
    )
