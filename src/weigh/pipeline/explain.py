"""`weigh explain`: why a trial was, was not, or would not be reused: the field of its key that differs.

Two questions are answered. *Then*: what kept the trials of a run from being taken over from earlier runs of the same
tasks. *Now*: which trials would run again if the command were repeated, given the tasks as they are defined today.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from weigh.define.harness import Harness
from weigh.define.registry import resolve
from weigh.pipeline.arms import Sampling, request_transform
from weigh.plan.cell import generation_key, with_epoch_seed
from weigh.plan.explain import Difference, differences, key_fields
from weigh.records.arm import Arm
from weigh.records.errors import StoreError, WeighError
from weigh.records.request import Request
from weigh.records.run import Run
from weigh.records.trial import Trial
from weigh.score.registry import scorer_by_name
from weigh.store.layout import Store
from weigh.store.reader import read_trial, read_trials

LOOK_BACK = 5
"""How many earlier runs of the same task are looked at."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A field that differs, in how many trials, with the values of one of them."""

    field: str
    trials: int
    before: str
    after: str
    example: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The trials of a run held against something else.

    Attributes:
        against: What: another run's id, or `the task as it is defined now`.
        task: The task's spec.
        same: Trials whose key is the same there.
        absent: Trials with no counterpart there (another question or epoch).
        reasons: Why the others differ, most frequent first.
        note: A line for people.
    """

    against: str
    task: str
    same: int = 0
    absent: int = 0
    reasons: tuple[Reason, ...] = ()
    note: str | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer.

    Attributes:
        run: Of what.
        trial: The trial's id, when one was asked for.
        reused: How many trials were copied from other runs.
        generated: How many were generated here.
        then: Against earlier runs of the same tasks.
        now: Against today's definitions.
    """

    run: str
    trial: str | None = None
    reused: int = 0
    generated: int = 0
    then: tuple[Comparison, ...] = ()
    now: tuple[Comparison, ...] = ()


def explain(store: Store, ref: str) -> Explanation:
    """Explain a run, or the trial whose id begins with `ref`.

    Raises:
        StoreError: There is neither such a run nor such a trial.
    """
    try:
        run = store.find(ref)
    except StoreError as no_run:
        try:
            trial = read_trial(store, ref)
        except StoreError:
            raise no_run from None
        return _explain(store, store.find(trial.run), lambda t: t.id == trial.id, trial.id)
    return _explain(store, run, lambda t: True, None)


def _explain(store: Store, run: Run, wanted: Callable[[Trial], bool], trial_id: str | None) -> Explanation:
    mine = [_slim(t) for t in read_trials(store.open(run.id)) if t.trajectory is not None and wanted(t)]
    earlier = [r for r in store.runs() if r.id != run.id and r.created <= run.created]
    then: list[Comparison] = []
    now: list[Comparison] = []
    for task in run.tasks:
        here = [t for t in mine if (t.task, t.variant) == (task.name, task.variant)]
        if not here:
            continue
        candidates = [r for r in earlier if any(o.name == task.name for o in r.tasks)][:LOOK_BACK]
        if candidates:
            # The run that was nearest to serving: a change is best told against what was almost the same.
            compared = [_against_run(store, run, other, here) for other in candidates]
            then.append(max(compared, key=lambda c: (c.same, -len(c.reasons))))
        now.append(_against_now(run, here))
    return Explanation(
        run=run.id,
        trial=trial_id,
        reused=sum(t.reused is not None for t in mine),
        generated=sum(t.reused is None for t in mine),
        then=tuple(then),
        now=tuple(now),
    )


def _slim(trial: Trial) -> Trial:
    """What explaining needs of a trial: the request, without what came of it."""
    if trial.trajectory is None:
        return trial
    bare = msgspec.structs.replace(trial.trajectory, steps=(), output=type(trial.trajectory.output)(), metadata={})
    return msgspec.structs.replace(trial, trajectory=bare, scores={}, attempts=())


def _arms(run: Run) -> Mapping[str, Arm]:
    return {arm.id: arm for arm in run.arms}


def _fields(trial: Trial, arm: Arm, request: Request) -> dict[str, object]:
    return key_fields(arm, trial.instance.id, trial.instance_digest, request, trial.epoch)


def _against_run(store: Store, run: Run, other: Run, here: list[Trial]) -> Comparison:
    """Hold trials against those of another run with the same task, instance and epoch; of several arms the closest."""
    arms, theirs = _arms(run), _arms(other)
    ids = {(t.instance.id, t.epoch) for t in here}
    found: dict[tuple[str, int], list[Trial]] = {}
    for trial in read_trials(store.open(other.id), where=lambda head: head.task == here[0].task):
        if (trial.instance.id, trial.epoch) in ids and trial.trajectory is not None:
            found.setdefault((trial.instance.id, trial.epoch), []).append(_slim(trial))
    tally = _Tally()
    for trial in here:
        candidates = found.get((trial.instance.id, trial.epoch), [])
        if any(c.key == trial.key for c in candidates):
            tally.same += 1
            continue
        if not candidates or trial.trajectory is None:
            tally.absent += 1
            continue
        after = _fields(trial, arms[trial.arm], trial.trajectory.request)
        gaps = [
            differences(_fields(c, theirs[c.arm], c.trajectory.request), after)
            for c in candidates
            if c.trajectory is not None
        ]
        tally.add(trial, min(gaps, key=len))
    return tally.comparison(f"run {other.id}", here[0].spec)


def _against_now(run: Run, here: list[Trial]) -> Comparison:
    """Hold stored trials against what the task would ask today."""
    spec = here[0].spec
    against = "the task as it is defined now"
    try:
        prepared = resolve(spec).prepare(scorer_by_name=scorer_by_name)
    except WeighError as error:
        return Comparison(against=against, task=spec, absent=len(here), note=f"cannot be prepared now: {error}")
    today = {i.id: i for i in prepared.instances}
    arms = _arms(run)
    policies = {arm.id: _policy(run, arm) for arm in run.arms}
    tally = _Tally()
    for trial in here:
        instance = today.get(trial.instance.id)
        if instance is None or trial.trajectory is None:
            tally.absent += 1
            continue
        stored = trial.trajectory.request
        arm = arms[trial.arm]
        request = with_epoch_seed(policies[trial.arm](prepared.render(instance)), trial.epoch)
        content = prepared.instance_digest(instance)
        if generation_key(arm.digest, instance.id, content, request, trial.epoch) == trial.key:
            tally.same += 1
            continue
        after = key_fields(arm, instance.id, content, request, trial.epoch)
        tally.add(trial, differences(_fields(trial, arm, stored), after))
    return tally.comparison(against, spec)


def _policy(run: Run, arm: Arm) -> Callable[[Request], Request]:
    """What the harness and the command line of then changed of a rendered request."""
    harness = Harness(system_prompt=str(run.harness.get("system_prompt", "")))
    sampling = msgspec.convert(arm.config.get("sampling", {}), Sampling)
    return request_transform(harness, sampling) or (lambda request: request)


class _Tally:
    """Counts how many trials each field sets apart."""

    def __init__(self) -> None:
        self.same = self.absent = 0
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, tuple[Difference, str]] = {}

    def add(self, trial: Trial, found: list[Difference]) -> None:
        told = [d for d in found if d.field != "arm.digest"] or found
        for difference in told:
            self._counts[difference.field] += 1
            self._examples.setdefault(difference.field, (difference, trial.id))

    def comparison(self, against: str, task: str) -> Comparison:
        reasons = [
            Reason(
                field=field,
                trials=count,
                before=_short(self._examples[field][0].before),
                after=_short(self._examples[field][0].after),
                example=self._examples[field][1],
            )
            for field, count in self._counts.most_common()
        ]
        return Comparison(against=against, task=task, same=self.same, absent=self.absent, reasons=tuple(reasons))


def _short(value: object) -> str:
    text = "(absent)" if value is None else str(value)
    return text if len(text) <= 160 else f"{text[:100]} ... {text[-50:]}"
