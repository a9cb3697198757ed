"""How an invocation ended, counted over what was planned and not over what this process happened to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.request import Plan, RunResult
from weigh.plan.matrix import Column
from weigh.records.run import Run
from weigh.records.trial import OK
from weigh.records.usage import Usage
from weigh.store.done import Done


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a `RunResult`; also what an `Invocation` keeps as its summary.

    Attributes:
        planned: Cells of the plan.
        failed, outcomes, missing: Of those, as in `RunResult`.
        executed, reused, rescored, stopped, usage, sandboxes, seconds: Of this invocation, as in `RunResult`.
    """

    planned: int
    failed: dict[str, int]
    outcomes: dict[str, int]
    missing: int
    executed: int = 0
    reused: int = 0
    rescored: int = 0
    stopped: str | None = None
    usage: Usage = Usage()
    sandboxes: int = 0
    seconds: float = 0.0

    def finish(self, run: Run, plan: Plan) -> RunResult:
        """The result, with the run and its plan."""
        counts = msgspec.structs.asdict(self)
        del counts["planned"]
        return RunResult(run=run, plan=plan, **counts)


def count_plan(stored: Done, arms: Sequence[ArmPlan], columns: Sequence[Column], epochs: int) -> Tally:
    """What the store has of every planned cell, whoever put it there."""
    failed: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    planned = missing = 0
    for arm in arms:
        for column in columns:
            for _, instance in column.instances:
                for epoch in range(column.epochs or epochs):
                    planned += 1
                    entry = stored.get((arm.arm.id, column.task.name, column.task.variant, instance.id, epoch))
                    if entry is None:
                        missing += 1
                    elif entry.error_kind is not None:
                        failed[entry.error_kind] += 1
                    elif entry.status != OK:
                        outcomes[entry.status] += 1
    return Tally(planned=planned, failed=dict(failed), outcomes=dict(outcomes), missing=missing)
