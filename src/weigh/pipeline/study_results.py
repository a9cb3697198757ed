"""What a study shows: what each arm achieved and took, and for each model whether what was compared helps.

The numbers are those of `weigh results` and `weigh compare`; here they are gathered for the arms of one run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.estimate import Estimate
from weigh.analyze.spread import Spread, spread
from weigh.define.study import StudyCompare
from weigh.pipeline.compare import compare_sides
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_report import Report
from weigh.pipeline.effort import TAKEN
from weigh.pipeline.interaction import InteractionReport, compare_along
from weigh.pipeline.latest import current
from weigh.pipeline.metrics import marker_metric
from weigh.pipeline.questions import questions
from weigh.pipeline.report_source import CachedDataset
from weigh.pipeline.results import pooled_estimate
from weigh.pipeline.sides import Member, Side
from weigh.pipeline.study_changes import change_together, recorded_study
from weigh.pipeline.study_within import Within, within_axes
from weigh.records.arm import Arm, Axis
from weigh.records.errors import DefinitionError
from weigh.records.marker import MarkerSpec
from weigh.records.run import Run
from weigh.records.trial import FAILURES, OK
from weigh.store.dataset import Dataset
from weigh.store.layout import Store


class ArmResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm achieved over all tasks of the study, and what its trials took.

    Attributes:
        arm: The arm.
        trials: How many there are.
        failed: Failed trials by kind; they are in no number here.
        outcomes: Trials without an answer by status; they count as no match.
        match: The share of questions solved, those of all tasks together; None before there is any.
        taken: By column (`effort.TAKEN`), over trials; `answer_call` over those in which a result contained the answer.
        adoption: Share of questions on which each marker fired, by marker.
    """

    arm: Arm
    trials: int
    failed: dict[str, int]
    outcomes: dict[str, int]
    match: Estimate | None
    taken: dict[str, Spread]
    adoption: dict[str, Estimate]


class ModelVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether b helps one model, against a.

    Attributes:
        model, size: Which.
        report: The comparison of scores; its suite is that of the study.
        tokens: The comparison of tokens; None where no trial knows them.
        within: The comparison of scores within each further axis.
    """

    model: str
    size: Axis
    report: Report
    tokens: Report | None
    within: tuple[Within, ...] = ()

    @property
    def verdict(self) -> str:
        """`helps`, `hurts`, `no difference`, `cannot tell`, or `withheld`; about tasks like these."""
        suite = self.report.suites[0] if self.report.suites else None
        return WORDS[suite.verdict if suite is not None else self.report.rows[0].verdict]

    @property
    def given(self) -> str | None:
        """The same about exactly these tasks; None where there are too few epochs for it."""
        suite = self.report.suites[0] if self.report.suites else None
        made = suite.given if suite is not None else self.report.rows[0].given
        if made is None:
            return None
        return WORDS["withheld" if suite is not None and suite.withheld else made.verdict]


WORDS = {
    "better": "helps",
    "worse": "hurts",
    "equivalent": "no difference",
    "unresolved": "cannot tell",
    "withheld": "no verdict",
}
"""What a verdict on b is called where b is a help."""


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """Two values of an axis held against each other.

    Attributes:
        axis, a, b: What is compared; differences are b - a.
        models: For each model, by size.
        interaction: Whether the effect differs between the models; None with fewer than two.
        note: Why there is none of it.
        caution: What else changes with what is compared; None where nothing is known to.
    """

    axis: str
    a: str
    b: str
    models: tuple[ModelVerdict, ...]
    interaction: InteractionReport | None = None
    note: str | None = None
    caution: str | None = None


class StudyResults(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a study's run.

    Attributes:
        run: Its manifest.
        arms: In the order of the run, models by size.
        contrasts: What was compared.
        markers: By name.
        notes: What must be known with the numbers.
    """

    run: Run
    arms: tuple[ArmResult, ...]
    contrasts: tuple[Contrast, ...]
    markers: dict[str, MarkerSpec]
    notes: tuple[str, ...] = ()


def study_results(
    store: Store, run: Run, compared: Sequence[StudyCompare] = (), options: Options | None = None
) -> StudyResults:
    """The results of a stored study.

    Args:
        compared: What to hold against what; empty for each later value of an axis against its first.

    Raises:
        StoreError: The run cannot be read.
    """
    run = current(store, run)
    options = options or Options()
    arms = sorted(run.arms, key=_size)
    markers = {marker.name: marker for task in run.tasks for marker in task.markers}
    with CachedDataset([store.open(run.id)]) as data:
        made = [_arm_result(data, run, arm, markers) for arm in arms]
        contrasts = study_contrasts(store, data, run, arms, compared, options)
    return StudyResults(
        run=run, arms=tuple(made), contrasts=tuple(contrasts), markers=markers, notes=tuple(_notes(run, made))
    )


def study_contrasts(
    store: Store, data: Dataset, run: Run, arms: Sequence[Arm], compared: Sequence[StudyCompare], options: Options
) -> list[Contrast]:
    """What a study compares, of some of its arms, from a data set that is open; models by size."""
    by_size = sorted(arms, key=_size)
    wanted = compared or usual_contrasts(run)
    about = recorded_study(store, run)
    return [c for w in wanted if (c := _contrast(data, run, by_size, w, options, about)) is not None]


def _notes(run: Run, arms: Sequence[ArmResult]) -> Iterator[str]:
    warm = any(arm.axes.get("temperature") for arm in run.arms)
    warm = warm or any((task.definition.get("sampling") or {}).get("temperature") for task in run.tasks)
    if not warm and any(arm.match is not None and arm.trials > arm.match.n for arm in arms):
        yield (
            "the epochs were asked at temperature 0: where a model then does the same thing again, what is said about "
            "these tasks claims too much (`temperature: 0.7` in the study file)"
        )


def usual_contrasts(run: Run) -> list[StudyCompare]:
    """Each later value of an axis against the first, in the order of the study."""
    found = []
    for axis in ("revision", "tier", "agent"):
        values = list(dict.fromkeys(str(arm.axes[axis]) for arm in run.arms if axis in arm.axes))
        found += [StudyCompare(axis=axis, a=values[0], b=value) for value in values[1:]]
    return found


def _arm_result(data: Dataset, run: Run, arm: Arm, markers: dict[str, MarkerSpec]) -> ArmResult:
    columns = ", ".join(f'"{name}"::double as "{name}"' for name in TAKEN)
    found = data.arrays(
        f"select {columns} from trials where run = ? and arm = ? and status not in ('error', 'empty')",
        [run.id, arm.id],
    )
    counts = data.sql(
        "select status, error_kind, count(*) as n from trials where run = ? and arm = ? group by all", [run.id, arm.id]
    )
    failed = {str(c["error_kind"] or c["status"]): int(c["n"]) for c in counts if c["status"] in FAILURES}
    outcomes = {str(c["status"]): int(c["n"]) for c in counts if c["status"] not in (*FAILURES, OK)}
    return ArmResult(
        arm=arm,
        trials=sum(int(c["n"]) for c in counts),
        failed=failed,
        outcomes=outcomes,
        match=_match(data, run, arm),
        taken={name: spread(np.ma.asarray(found[name], dtype=float).compressed()) for name in TAKEN},
        adoption={
            name: share for name, marker in markers.items() if (share := _adoption(data, run, arm, marker)) is not None
        },
    )


def _match(data: Dataset, run: Run, arm: Arm) -> Estimate | None:
    """The tasks' first metric over the questions of all of them, as the suite pools them."""
    lists: list[list[float]] = []
    for task in run.tasks:
        rows = data.values(task.name, task.metrics[0].scorer, variant=task.variant, arm=arm.id, run=run.id)
        if rows.value.size:
            lists += questions(rows, task.metrics[0], "exclude").epoch_lists()
    return pooled_estimate(lists, run.tasks[0].metrics[0].bounds)


def _adoption(data: Dataset, run: Run, arm: Arm, marker: MarkerSpec) -> Estimate | None:
    """The share of an arm's questions on which a marker fired, the tasks pooled."""
    metric = marker_metric(marker)
    lists: list[list[float]] = []
    for task in run.tasks:
        if marker.name not in {m.name for m in task.markers}:
            continue
        rows = data.values(task.name, metric.scorer, variant=task.variant, arm=arm.id, run=run.id)
        if rows.value.size and not np.isnan(rows.value).all():
            lists += questions(rows, metric, "exclude").epoch_lists()
    return pooled_estimate(lists, metric.bounds)


def _contrast(
    data: Dataset, run: Run, arms: Sequence[Arm], wanted: StudyCompare, options: Options,
    about: Mapping[str, Any],
) -> Contrast | None:  # fmt: skip
    """One contrast for each model that has both values; None where no model has."""
    both = [_side(run, arms, wanted, value) for value in (wanted.a, wanted.b)]
    if not all(side.members for side in both):
        return None
    verdicts = []
    notes = []
    for model in dict.fromkeys(str(arm.axes.get("model")) for arm in arms):
        a, b = (_only(side, model) for side in both)
        if not a.members or not b.members:
            continue
        try:
            report, taken = _paired(data, a, b, options)
        except DefinitionError as error:
            notes.append(f"{model}: {error}")
            continue
        tokens = _tokens(data, a, b, taken)
        within = tuple(within_axes(data, a, b, wanted.axis, taken))
        size = a.members[0].axis("size")
        verdicts.append(ModelVerdict(model=model, size=size, report=report, tokens=tokens, within=within))
    interaction = None
    if len(verdicts) > 1:
        axis = "size" if _each_its_own_size(arms) else "model"
        try:
            interaction = compare_along(data, both[0], both[1], axis, options)
        except DefinitionError as error:
            notes.append(str(error))
    return Contrast(
        axis=wanted.axis, a=wanted.a, b=wanted.b, models=tuple(verdicts), interaction=interaction,
        note="; ".join(notes) or None, caution=change_together(about, wanted.axis, wanted.a, wanted.b),
    )  # fmt: skip


def _paired(data: Dataset, a: Side, b: Side, options: Options) -> tuple[Report, Options]:
    """The comparison, and the options it was made with.

    A study that is not finished has tasks without pairs, and so no aggregate; then those that have them are compared.
    """
    report = compare_sides(data, a, b, options)
    lacks = any(suite.comparison is None for suite in report.suites)
    if lacks and any(row.score is not None and row.score.n for row in report.rows):
        options = msgspec.structs.replace(options, shared=True)
        report = compare_sides(data, a, b, options)
    return report, options


def _tokens(data: Dataset, a: Side, b: Side, options: Options) -> Report | None:
    try:
        made = compare_sides(data, a, b, msgspec.structs.replace(options, metric="tokens", margin=None))
    except DefinitionError:
        return None
    cost = (made.total or made.rows[0]).cost
    return made if cost is not None and cost.ratio is not None else None


def _side(run: Run, arms: Sequence[Arm], wanted: StudyCompare, value: str) -> Side:
    members = tuple(Member(run=run, arm=arm) for arm in arms if str(arm.axes.get(wanted.axis)) == value)
    return Side(label=value, members=members)


def _only(side: Side, model: str) -> Side:
    return Side(label=side.label, members=tuple(m for m in side.members if str(m.axis("model")) == model))


def _each_its_own_size(arms: Sequence[Arm]) -> bool:
    """Whether a size stands for one model: also for one without a verdict yet, whose trials would join another's."""
    sizes = {str(arm.axes.get("model")): arm.axes.get("size") for arm in arms}
    return None not in sizes.values() and len(set(sizes.values())) == len(sizes)


def _size(arm: Arm) -> float:
    size = arm.axes.get("size")
    return float(size) if isinstance(size, int | float) else float("inf")
