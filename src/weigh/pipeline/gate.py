"""`weigh gate`: may the candidate replace the baseline? One answer from several conditions on several tasks.

A condition passes when a change for the worse beyond its limit is ruled out, fails when one is shown, and otherwise the
evidence cannot tell. What was not run, or failed on one side only, never passes in silence. With several checks the
p of a regression is corrected for their number; passing needs no correction, since all of them have to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from weigh.analyze.correct import Correction, adjust
from weigh.analyze.gate import Gate, judge_drop, judge_ratio, judge_suite
from weigh.analyze.unequal import failed_unequally
from weigh.pipeline.align import Aligned, align
from weigh.pipeline.compare_report import Pairing
from weigh.pipeline.compare_suites import suites_of
from weigh.pipeline.conditions import host_difference
from weigh.pipeline.metrics import COSTS, marker_metric, pick_metric
from weigh.pipeline.questions import Errors
from weigh.pipeline.results import suite_members, suite_tree
from weigh.pipeline.sides import Side, find_sides, open_sides, side_names
from weigh.pipeline.task_names import choose_named
from weigh.pipeline.task_pairs import has_variant, refuse_versions, task_pairs
from weigh.records.errors import DefinitionError, suggest
from weigh.records.run import MetricInfo, SuiteNode, TaskInfo
from weigh.records.trial import join_spec
from weigh.store.dataset import Dataset
from weigh.store.layout import Store

Outcome = Literal["pass", "regression", "cannot tell"]


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What is held against what.

    Attributes:
        metric: A score or a cost by name; None for each task's first metric.
        max_drop: The most that a score may become worse, in its own unit.
        max_ratio: The most that a cost may become of what it was.
    """

    metric: str | None = None
    max_drop: float | None = None
    max_ratio: float | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to judge.

    Attributes:
        conditions: At least one.
        tasks: Specs or base names to hold; empty for all (or for none but the suite, where one is named).
        suite: Hold this suite's aggregate.
        alpha: Of each one-sided test.
        errors: How failed trials count.
        cluster: A metadata field whose values make clusters.
        correction: Of the p of a regression over all checks.
    """

    conditions: tuple[Condition, ...]
    tasks: tuple[str, ...] = ()
    suite: str | None = None
    alpha: float = 0.05
    errors: Errors = "exclude"
    cluster: str | None = None
    correction: Correction = "holm"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One condition on one task or suite.

    Attributes:
        task: The task's spec, or the suite's name.
        condition: Which.
        metric: As resolved; None where it could not be.
        outcome: Of the test, after correction, and never "pass" where something is withheld.
        reason: In words.
        gate: The test; None where there was nothing to test.
        a, b: Means (of costs, geometric ones) on the paired questions.
        p_adjusted: Of the regression, corrected.
        note: What did not pair.
    """

    task: str
    condition: Condition
    metric: MetricInfo | None
    outcome: Outcome
    reason: str
    gate: Gate | None = None
    a: float | None = None
    b: float | None = None
    p_adjusted: float | None = None
    note: str | None = None


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was held against something, and what follows."""

    baseline: str
    candidate: str
    arms_a: tuple[str, ...]
    arms_b: tuple[str, ...]
    checks: tuple[Check, ...]
    options: Options
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """A regression anywhere fails; else anything that cannot be told leaves the whole untold."""
        outcomes = [c.outcome for c in self.checks]
        if "regression" in outcomes:
            return "regression"
        return "cannot tell" if "cannot tell" in outcomes or not outcomes else "pass"

    @property
    def more_questions(self) -> int | None:
        """How many more questions the check that needs most would need; None when unknown or none is needed."""
        return max((c.gate.more_questions or 0 for c in self.checks if c.gate is not None), default=0) or None


def gate(store: Store, baseline: str, candidate: str, options: Options) -> GateReport:
    """Hold the candidate against the baseline.

    Raises:
        StoreError, DefinitionError: A side, task, suite or metric that is not there; a condition that does not fit its
            metric.
    """
    if not options.conditions:
        raise DefinitionError("nothing to hold the candidate against: give --max-drop 1pp or --metric COST --max-ratio")
    sides = find_sides(store, [baseline, candidate])
    a, b = sides[0], sides[1]
    with open_sides(store, sides) as data:
        judge = _Judge(data, a, b, options)
        checks = judge.tasks() if options.tasks or options.suite is None else []
        if options.suite is not None:
            checks += judge.suites(options.suite)
    return GateReport(
        baseline=a.label,
        candidate=b.label,
        arms_a=side_names(a),
        arms_b=side_names(b),
        checks=tuple(_corrected(checks, options)),
        options=options,
        notes=tuple(judge.notes),
    )


class _Judge:
    """Two sides with the tasks they share; pairs each task and metric once."""

    def __init__(self, data: Dataset, a: Side, b: Side, options: Options) -> None:
        self.data, self.a, self.b, self.options = data, a, b, options
        self.notes: list[str] = []
        self._aligned: dict[tuple[str, str], Aligned] = {}
        self.shared = {name: (ours, theirs) for name, ours, theirs in task_pairs(a, b)}

    def tasks(self) -> list[Check]:
        """Every condition on every task, tasks that the candidate lacks among them."""
        names, missing = self._wanted()
        checks = []
        for condition in self.options.conditions:
            held = 0
            for name in names:
                if condition.metric is not None and not _has(self.shared[name][0], condition.metric):
                    self.notes.append(f"{name} has no {condition.metric} and is not held to it")
                    continue
                held += 1
                checks.append(self._task(name, condition))
            if not held and names:
                pick_metric(self.shared[names[0]][0], condition.metric)  # raises, with the closest name
            checks += [
                _untold(name, condition, "the candidate has no trial of this task: run it, or name the tasks to hold")
                for name in missing
            ]
        return checks

    def _wanted(self) -> tuple[list[str], list[str]]:
        """Tasks to hold that both have, and those that only the baseline has."""
        by_base = any(m.variant is not None for side in (self.a, self.b) for m in side.members)
        have = dict.fromkeys(
            t.name if by_base else join_spec(t.name, t.variant)
            for m in self.a.members
            for t in m.run.tasks
            if has_variant(m, t)
        )
        lacking = [n for n in have if n not in self.shared]
        if not self.options.tasks:
            return list(self.shared), lacking
        names: list[str] = []
        missing: list[str] = []
        for word in self.options.tasks:
            found = choose_named(have, [word], "the baseline has no task", "it has")
            names += [n for n in found if n in self.shared and n not in names]
            missing += [n for n in found if n in lacking and n not in missing]
        return names, missing

    def pairs(self, name: str, condition: Condition) -> Aligned:
        """A task's paired questions of a condition's metric."""
        ours, theirs = self.shared[name]
        refuse_versions(name, ours, theirs)
        metric = pick_metric(ours, condition.metric)
        key = (name, metric.name)
        if key not in self._aligned:
            self._aligned[key] = align(
                self.data, self.a, self.b, name, ours, theirs, metric,
                errors=self.options.errors, cluster=self.options.cluster,
            )  # fmt: skip
        return self._aligned[key]

    def _task(self, name: str, condition: Condition) -> Check:
        pairs = self.pairs(name, condition)
        _fits(pairs.metric, condition)
        base = Check(
            task=name, condition=condition, metric=pairs.metric, outcome="cannot tell", reason="", note=_note(pairs)
        )
        clusters = None if pairs.clusters is None else pairs.clusters.tolist()
        if condition.max_ratio is not None:
            made = judge_ratio(pairs.a, pairs.b, max_ratio=condition.max_ratio, alpha=self.options.alpha)
            means = (_geometric(pairs.a, pairs.b), _geometric(pairs.b, pairs.a))
        else:
            made = judge_drop(
                pairs.a, pairs.b, max_drop=condition.max_drop or 0.0, clusters=clusters, alpha=self.options.alpha,
                lower_is_better=pairs.metric.lower_is_better,
            )  # fmt: skip
            means = (_mean(pairs.a), _mean(pairs.b))
        withheld = self._withheld(pairs)
        if pairs.n == 0 and pairs.metric.name in COSTS:
            withheld = withheld or f"no question of which {pairs.metric.name} is known on both sides"
        return msgspec.structs.replace(
            base,
            gate=made,
            outcome="cannot tell" if withheld else made.outcome,
            reason=withheld or made.reason,
            a=means[0],
            b=means[1],
        )

    def _withheld(self, pairs: Aligned) -> str | None:
        """Why numbers carry no answer."""
        failures = failed_unequally(pairs.failed_a, pairs.failed_b, alpha=self.options.alpha)
        if failures.unequal and self.options.errors == "exclude":
            return failures.reason
        return host_difference(self.data, self.a, self.b, pairs.metric)

    # -- suites -----------------------------------------------------------------------------------------------------

    def suites(self, name: str) -> list[Check]:
        """Every condition on a suite's aggregate."""
        known = {s.name: s for s in (*suites_of(self.b), *suites_of(self.a))}
        if name not in known:
            raise DefinitionError(
                f"neither run was started with a suite {name!r}{suggest(name, known)} "
                f"(they have {', '.join(known) or 'none'})"
            )
        return [self._suite(known[name], condition) for condition in self.options.conditions]

    def _suite(self, suite: SuiteNode, condition: Condition) -> Check:
        members = suite_members(suite)
        gone = [m for m in members if m not in self.shared]
        if gone:
            return _untold(suite.name, condition, f"one side has no trial of {', '.join(gone[:4])}")
        parts = {m: self.pairs(m, condition) for m in members}
        metric = parts[members[0]].metric
        for pairs in parts.values():
            _fits(pairs.metric, condition)
        withheld = next((f"{m}: {reason}" for m in members if (reason := self._withheld(parts[m]))), None)
        empty = [m for m in members if parts[m].n == 0]
        if empty:
            return _untold(suite.name, condition, f"no paired question of {', '.join(empty[:4])}", metric)
        notes = [f"{m}: {note}" for m in members if (note := _note(parts[m]))]
        if condition.max_ratio is not None:
            a, b = (np.concatenate([getattr(p, side) for p in parts.values()]) for side in ("a", "b"))
            made = judge_ratio(a, b, max_ratio=condition.max_ratio, alpha=self.options.alpha)
            means = (_geometric(a, b), _geometric(b, a))
        else:
            if suite.aggregation == "none":
                raise DefinitionError(f"suite {suite.name} has no aggregate to hold; name its tasks with --task")
            if len({p.metric.lower_is_better for p in parts.values()}) > 1:
                raise DefinitionError(f"the scores of suite {suite.name} do not add up: for some lower is better")
            made = judge_suite(
                suite_tree(suite),
                {m: (p.a, p.b) for m, p in parts.items()},
                max_drop=condition.max_drop or 0.0,
                clusters={m: p.clusters.tolist() for m, p in parts.items() if p.clusters is not None} or None,
                alpha=self.options.alpha,
                lower_is_better=metric.lower_is_better,
            )
            means = (None, None)
        return Check(
            task=suite.name,
            condition=condition,
            metric=metric,
            outcome="cannot tell" if withheld else made.outcome,
            reason=withheld or made.reason,
            gate=made,
            a=means[0],
            b=means[1],
            note="; ".join(notes) or None,
        )


def _has(tasks: Sequence[TaskInfo], metric: str) -> bool:
    return metric in COSTS or any(
        metric in (m.name, m.scorer) for m in (*tasks[0].metrics, *map(marker_metric, tasks[0].markers))
    )


def _fits(metric: MetricInfo, condition: Condition) -> None:
    if metric.name in COSTS and condition.max_ratio is None:
        raise DefinitionError(f"{metric.name} is a cost: hold it with --max-ratio, e.g. --max-ratio 1.10")
    if metric.name not in COSTS and condition.max_drop is None:
        raise DefinitionError(f"{metric.name} is a score: hold it with --max-drop, e.g. --max-drop 1pp")


def _untold(task: str, condition: Condition, reason: str, metric: MetricInfo | None = None) -> Check:
    return Check(task=task, condition=condition, metric=metric, outcome="cannot tell", reason=reason)


def _note(pairs: Aligned) -> str | None:
    return Pairing(
        paired=pairs.n, only_a=pairs.only_a, only_b=pairs.only_b, changed=pairs.changed, lost=pairs.lost
    ).note


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def _geometric(values: np.ndarray, others: np.ndarray) -> float | None:
    keep = (values > 0) & (others > 0)
    return float(np.exp(np.log(values[keep]).mean())) if keep.any() else None


def _corrected(checks: Sequence[Check], options: Options) -> list[Check]:
    """Checks whose regressions stand after correction for all the checks that were made."""
    places = [i for i, c in enumerate(checks) if c.gate is not None and c.gate.p_regression is not None]
    adjusted = adjust([checks[i].gate.p_regression for i in places], options.correction)  # type: ignore[union-attr]
    out = list(checks)
    for place, p in zip(places, adjusted, strict=True):
        check = msgspec.structs.replace(checks[place], p_adjusted=p)
        if check.outcome == "regression" and p is not None and p > options.alpha:
            reason = f"a larger change than allowed is not shown after correction for {len(places)} checks"
            check = msgspec.structs.replace(check, outcome="cannot tell", reason=f"{reason}; {check.reason}")
        out[place] = check
    return out
