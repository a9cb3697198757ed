"""One executed cell: status, outputs, scores, usage, timing, and every attempt it took."""

from __future__ import annotations

from typing import Any

import msgspec

from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, CompletionRequest, Output, Request
from weigh.records.score import Score
from weigh.records.trajectory import Step, Trajectory
from weigh.records.usage import Usage

OK = "ok"
ERROR = "error"
EMPTY = "empty"
FAILURES = (ERROR, EMPTY)
"""How trials end that the machinery failed; every other status is an outcome."""
GAVE_UP = "gave-up"


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try. The failed ones before a success are kept too.

    Attributes:
        started: Unix time.
        seconds: How long it took.
        error: Why it failed; None for the one that did not.
        usage: What it cost, where known.
    """

    started: float
    seconds: float
    error: Error | None = None
    usage: Usage | None = None


class Timing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Seconds of one trial. `total` is wall time of the last attempt, waiting for a slot excluded.

    Attributes:
        started: Unix time at which the last attempt began.
        total: From then to the end, scoring included.
        model: Spent in the provider.
        tools: Spent in tools.
        scoring: Spent in scorers.
    """

    started: float
    total: float
    model: float | None = None
    tools: float | None = None
    scoring: float | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One executed cell. Self-contained: it can be read, shown and scored anew without the task that made it.

    Attributes:
        id: Unique in the store; short enough to type a prefix of.
        run: The run it belongs to.
        key: The generation key: what the model was given, hashed.
        arm: The `Arm.id` within the run.
        task: The base name, e.g. `sciq`.
        variant: What follows it in the spec, e.g. `mc:3shot` or `mc::num_fewshot=2`; empty for the plain task.
        instance: The question.
        instance_digest: Digest of the question's content (id, metadata and cluster excluded); what pairing goes by.
        epoch: The repeat index, from 0.
        status: `ok`; an outcome that counts as no match (`timeout`, `limit:NAME`, `refused`, `gave-up`); or a
            failure (`error`, `empty`), which is in no mean unless the user says how to count it.
        error: Why it failed.
        trajectory: Request, output and steps; None when it failed before there was any.
        scores: By scorer name.
        attempts: Every try, the last one last.
        timing: Seconds.
        usage: Of all calls of the last attempt.
        reused: The id of the trial in another run whose generation this one took over.
        metadata: Measured facts that scorers and reports use (turns, tool calls, host class, concurrency).
    """

    id: str
    run: str
    key: str
    arm: str
    task: str
    variant: str = ""
    instance: Instance
    instance_digest: str
    epoch: int = 0
    status: str
    error: Error | None = None
    trajectory: Trajectory | None = None
    scores: dict[str, Score] = {}
    attempts: tuple[Attempt, ...] = ()
    timing: Timing
    usage: Usage = Usage()
    reused: str | None = None
    metadata: dict[str, Any] = {}

    @property
    def failed(self) -> bool:
        """True for infrastructure failures: in no mean, and run again next time."""
        return self.status in FAILURES

    @property
    def spec(self) -> str:
        """The task with its variant, as one writes it."""
        return join_spec(self.task, self.variant)

    @property
    def output(self) -> Output | None:
        """The final output, if there is one."""
        return self.trajectory.output if self.trajectory else None

    @property
    def cell(self) -> tuple[str, str, str, str, int]:
        """What this trial is a trial of, within its run: arm, task, variant, instance id, epoch."""
        return (self.arm, self.task, self.variant, self.instance.id, self.epoch)


def join_spec(task: str, variant: str) -> str:
    """Join a task's name and its variant as one writes them: `sciq:mc:3shot`, `sciq::limit=3`."""
    if not variant:
        return task
    return task + variant if variant.startswith("::") else f"{task}:{variant}"


def request_text(request: Request) -> str:
    """The request as one text, for people."""
    if isinstance(request, ChatRequest):
        return "\n\n".join(f"[{m.role}]\n{m.content}" for m in request.messages)
    if isinstance(request, CompletionRequest):
        return request.prompt
    return request.context


def steps_of(trajectory: Trajectory) -> tuple[Step, ...]:
    """The canonical steps, derived from request and output where a single request needed none of its own."""
    if trajectory.steps:
        return trajectory.steps
    request, output = trajectory.request, trajectory.output
    if isinstance(request, ChatRequest):
        before = tuple(
            Step(source="model" if m.role == "assistant" else "system" if m.role == "system" else "user",
                 message=m.content if isinstance(m.content, str) else str(m.content))
            for m in request.messages
        )  # fmt: skip
    else:
        before = (Step(source="user", message=request_text(request)),)
    answer = Step(
        source="model",
        message=output.text,
        reasoning=output.reasoning,
        tool_calls=output.tool_calls,
        usage=trajectory.usage,
    )
    return (*before, answer)
