"""What a comparison of two arms holds: a row for each task, subgroup and suite, and what was not paired."""

from __future__ import annotations

import msgspec

from weigh.analyze.cost import CostComparison
from weigh.analyze.paired import Comparison
from weigh.analyze.scope import GivenComparison
from weigh.analyze.suite import SuiteComparison
from weigh.analyze.unequal import UnequalFailures
from weigh.pipeline.compare_options import Options
from weigh.records.run import MetricInfo


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """What was and was not paired.

    Attributes:
        paired: Questions compared.
        only_a, only_b, changed, lost: Ids of those that were not: missing on one side, of another content, failed.
        failures: The failures of both arms held against each other.
    """

    paired: int
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    failures: UnequalFailures | None = None

    @property
    def note(self) -> str | None:
        """What did not pair, in words; None when all did."""
        parts = [
            f"{len(ids)} {what} ({', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''})"
            for ids, what in (
                (self.only_a, "only in A"),
                (self.only_b, "only in B"),
                (self.changed, "changed"),
                (self.lost, "without an answer, since trials failed"),
            )
            if ids
        ]
        return "not paired: " + ", ".join(parts) if parts else None


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """One task (or subgroup of one) compared.

    Attributes:
        task: The task's spec.
        group: The subgroup's value; None for the whole task.
        metric: Which.
        score: The comparison of scores; None for a cost.
        cost: The comparison of costs; None for a score.
        given: The same for *these tasks* only, when both arms have epochs enough.
        pairing: What was and was not paired.
        withheld: Why no verdict is given although there are numbers.
        cluster_from: Where clusters come from.
    """

    task: str
    metric: MetricInfo
    pairing: Pairing
    group: str | None = None
    score: Comparison | None = None
    cost: CostComparison | None = None
    given: GivenComparison | None = None
    withheld: str | None = None
    cluster_from: str | None = None

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `equivalent`, `unresolved`, or `withheld`."""
        if self.withheld is not None:
            return "withheld"
        made = self.score or self.cost
        return made.verdict if made is not None else "unresolved"


class SuiteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A suite's aggregate compared; `missing` says why there is none. `metric` is that of its first task.

    Attributes:
        given: The same for *these tasks* only; of a pooled suite whose questions have epochs enough.
    """

    suite: str
    aggregation: str
    metric: MetricInfo | None = None
    comparison: SuiteComparison | None = None
    given: GivenComparison | None = None
    missing: str | None = None
    withheld: str | None = None

    @property
    def verdict(self) -> str:
        """As of a task."""
        if self.withheld is not None:
            return "withheld"
        return self.comparison.verdict if self.comparison is not None else "unresolved"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Two arms compared.

    Attributes:
        a, b: Labels; a difference is b - a.
        arms_a, arms_b: The run and arm behind each.
        rows: Tasks in the order of the runs.
        groups: Subgroups, when asked for.
        levels: The questions of all tasks together at each value of an axis, when `by` is one.
        total: A cost over the questions of all tasks; no part of the family that is corrected.
        suites: Aggregates.
        options: How it was compared.
        notes: Lines for people.
        cautions: Sentences that belong with the conclusion: why numbers are not like for like.
    """

    a: str
    b: str
    arms_a: tuple[str, ...]
    arms_b: tuple[str, ...]
    rows: tuple[TaskRow, ...]
    groups: tuple[TaskRow, ...] = ()
    levels: tuple[TaskRow, ...] = ()
    total: TaskRow | None = None
    suites: tuple[SuiteRow, ...] = ()
    options: Options = Options()
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
