"""What two arms answered to one question, epoch by epoch, as plain values that a table, a page or a file can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weigh.pipeline.sides import Member, Side
from weigh.pipeline.task_pairs import has_variant
from weigh.records.arm import Axis
from weigh.records.measures import tool_calls, turns
from weigh.records.request import LoglikelihoodRequest, ToolCall
from weigh.records.run import MetricInfo, TaskInfo
from weigh.records.trial import Trial, request_text
from weigh.store.dataset import Dataset

_decode = msgspec.json.Decoder(Trial).decode


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of one arm.

    Attributes:
        trial: Its id, for `weigh trial`.
        value: The score; None where the trial or its scorer failed.
        extracted: What the scorer took to be the answer.
        explanation: Why this score.
        text, reasoning, calls: The final output.
        status: As of the trial; `error` says more.
        prompt: The rendered request as one text.
        tokens, seconds, turns, tool_calls: What it took, where known.
    """

    trial: str
    epoch: int
    status: str
    value: float | None = None
    extracted: str | None = None
    explanation: str | None = None
    text: str = ""
    reasoning: str | None = None
    calls: tuple[ToolCall, ...] = ()
    error: str | None = None
    prompt: str | None = None
    tokens: int | None = None
    seconds: float | None = None
    turns: int | None = None
    tool_calls: int | None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A ranked continuation under both arms: its log-probability in nats, and whether it was picked."""

    text: str
    target: bool
    logprob_a: float | None
    logprob_b: float | None
    picked_a: bool
    picked_b: bool


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question with what both arms answered.

    Attributes:
        id: The instance's id (A's, where the two runs name it differently).
        context: Values of the axes that vary within a side, where any does.
        change: `won` (B is better), `lost`, or `tied`.
        value_a, value_b: Epochs reduced.
        question: The instance's own text; the rendered prompts are with the answers.
        target: The gold answer as text; None where there is none.
        a, b: Epochs in order.
        choices: For ranked continuations, of the first epoch.
    """

    id: str
    context: tuple[Axis, ...]
    change: str
    value_a: float
    value_b: float
    question: str
    target: str | None
    a: tuple[Answer, ...]
    b: tuple[Answer, ...]
    choices: tuple[Choice, ...] = ()

    @property
    def same_output(self) -> bool:
        """Whether both arms said the same in all epochs (the same text, calls and picks)."""
        if any(c.picked_a != c.picked_b for c in self.choices):
            return False
        return [(x.text, x.calls) for x in self.a] == [(x.text, x.calls) for x in self.b]


def serving(
    side: Side, tasks: Sequence[TaskInfo], rest: Sequence[str]
) -> dict[tuple[Axis, ...], tuple[Member, TaskInfo]]:
    """The arm of a side that answers for each context, as `align` chooses it."""
    wanted = {(t.name, t.variant) for t in tasks}
    found: dict[tuple[Axis, ...], tuple[Member, TaskInfo]] = {}
    for member in side.members:
        for task in member.run.tasks:
            if (task.name, task.variant) in wanted and has_variant(member, task):
                found.setdefault(tuple(member.axis(name) for name in rest), (member, task))
    return found


def read_trials_of(
    data: Dataset,
    served: Mapping[tuple[Axis, ...], tuple[Member, TaskInfo]],
    keys: Iterable[tuple[str, tuple[Axis, ...]]],
) -> dict[str, list[Trial]]:
    """The trials behind aligned questions, by key; epochs in order.

    Args:
        keys: Keys of `Aligned` with their contexts.
    """
    wanted: dict[tuple[Axis, ...], list[str]] = {}
    for key, context in keys:
        wanted.setdefault(context, []).append(key)
    found: dict[str, list[Trial]] = {}
    for context, own in wanted.items():
        member, task = served[context]
        digests = sorted({digest_of(key) for key in own})
        rows = data.sql(
            "select record from trials where run = ? and arm = ? and task = ? and variant = ? "
            "and instance_digest in (select unnest(?::varchar[])) order by instance_digest, instance_id, epoch, id",
            [member.run.id, member.arm.id, task.name, task.variant, digests],
        )
        by_key = grouped([_decode(row["record"]) for row in rows], context)
        found.update({key: by_key[key] for key in own if key in by_key})
    return found


def digest_of(key: str) -> str:
    """The content digest within a key of `Aligned`."""
    return key.split("|")[0].split("#")[0]


def grouped(trials: Iterable[Trial], context: tuple[Axis, ...]) -> dict[str, list[Trial]]:
    """Trials in the order of the store, by the key that `align` gives their question."""
    keys = KeyMaker(context)
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        found.setdefault(keys.key(trial.instance_digest, trial.instance.id), []).append(trial)
    return found


class KeyMaker:
    """The keys that `align` gives questions: the digest, `#2` ... where a content comes again, the context.

    Rows have to come in the order of the store (digest, then id).
    """

    def __init__(self, context: tuple[Axis, ...]) -> None:
        self._suffix = "|" + "|".join(map(str, context)) if context else ""
        self._ids: dict[str, list[str]] = {}

    def key(self, digest: str, instance_id: str) -> str:
        """The key of one row."""
        ids = self._ids.setdefault(digest, [])
        if instance_id not in ids:
            ids.append(instance_id)
        number = ids.index(instance_id) + 1
        return digest + (f"#{number}" if number > 1 else "") + self._suffix


def answer(trial: Trial, metric: MetricInfo) -> Answer:
    """One trial in short."""
    output, score = trial.output, trial.scores.get(metric.scorer)
    error = trial.error or (score.error if score else None)
    usage = [v for v in (trial.usage.new, trial.usage.cached, trial.usage.generated) if v is not None]
    request = trial.trajectory.request if trial.trajectory else None
    return Answer(
        trial=trial.id,
        epoch=trial.epoch,
        status=trial.status,
        value=score.value if score and not trial.failed else None,
        extracted=score.answer if score else None,
        explanation=score.explanation if score else None,
        text=output.text if output else "",
        reasoning=output.reasoning if output else None,
        calls=output.tool_calls if output else (),
        error=f"{error.kind}: {error.message}" if error else None,
        prompt=request_text(request) if request is not None else None,
        tokens=sum(usage) if usage else None,
        seconds=trial.timing.total,
        turns=turns(trial),
        tool_calls=tool_calls(trial),
    )


def choices(a: Trial, b: Trial, metric: MetricInfo) -> tuple[Choice, ...]:
    """The continuations that both arms ranked; empty for other requests, and where the two differ in them."""
    requests = [t.trajectory.request if t.trajectory else None for t in (a, b)]
    first, second = requests
    if not isinstance(first, LoglikelihoodRequest) or not isinstance(second, LoglikelihoodRequest):
        return ()
    if first.continuations != second.continuations:
        return ()
    logprobs_a, logprobs_b = _logprobs(a), _logprobs(b)
    picked_a, picked_b = _picked(a, metric), _picked(b, metric)
    gold = a.instance.gold_answer
    targets = set(gold) if isinstance(gold, list | tuple) else {gold}
    return tuple(
        Choice(
            text=text,
            target=index in targets,
            logprob_a=logprobs_a.get(index),
            logprob_b=logprobs_b.get(index),
            picked_a=index == picked_a,
            picked_b=index == picked_b,
        )
        for index, text in enumerate(first.continuations)
    )


def _logprobs(trial: Trial) -> dict[int, float]:
    output = trial.output
    return {i: c.logprob for i, c in enumerate(output.continuations)} if output else {}


def _picked(trial: Trial, metric: MetricInfo) -> int | None:
    """What the metric's scorer took as the pick (or another scorer, where it picks nothing); else the likeliest."""
    own = [trial.scores[metric.scorer]] if metric.scorer in trial.scores else []
    for score in [*own, *trial.scores.values()]:
        picked = score.metadata.get("picked")
        if isinstance(picked, int):
            return picked
    known = _logprobs(trial)
    return max(known, key=lambda i: known[i]) if known else None


def target(trial: Trial) -> str | None:
    """The gold answer; of a multiple-choice question with the choice's text."""
    gold: Any = trial.instance.gold_answer
    options = trial.instance.choices
    if isinstance(gold, int) and not isinstance(gold, bool) and 0 <= gold < len(options):
        return f"{gold}: {options[gold]}"
    return None if gold is None else str(gold)
