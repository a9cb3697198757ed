"""Runs with known scores, written straight into a store: what the tests of comparisons compare."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from weigh.records.arm import Arm
from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Message, Output
from weigh.records.run import Invocation, MetricInfo, Run, SuiteNode, TaskInfo
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Timing, Trial
from weigh.records.usage import Usage
from weigh.store.journal import JournalWriter
from weigh.store.layout import Store

Value = float | None | str
"""A score; None for a scorer that failed; a text for a trial that ended so (`error`, `timeout`)."""

ACCURACY = MetricInfo(name="accuracy", scorer="accuracy")


def put(
    store: Store,
    name: str,
    scores: Mapping[str, Mapping[str, Value | Sequence[Value]]],
    *,
    arm: str = "arm",
    axes: Mapping[str, Any] | None = None,
    metric: MetricInfo = ACCURACY,
    definition: Mapping[str, Any] | None = None,
    variant: str = "",
    clusters: Mapping[str, str] | None = None,
    metadata: Mapping[str, Mapping[str, Any]] | None = None,
    tokens: Mapping[str, int] | None = None,
    cached: int | None = None,
    markers: Mapping[str, Mapping[str, float]] | None = None,
    suites: tuple[SuiteNode, ...] = (),
    host: str = "host",
    text: str = "",
    created: float = 1000.0,
) -> Run:
    """Write a run of one arm: for each task its questions with one value, or a list of epochs.

    Args:
        tokens: New tokens, by question; 10 else.
        cached: Prompt tokens of each trial that came from a cache; None where the provider did not say.
        text: Changes the content of every question.
    """
    one = Arm(id=arm, digest=digest(name, arm, str(axes)), axes={"model": arm, **(axes or {})})
    tasks = tuple(
        TaskInfo(name=task, variant=variant, digest="t", definition=dict(definition or {}), metrics=(metric,))
        for task in scores
    )
    run = Run(id=f"{name}-{digest(name)[:8]}", name=name, created=created, arms=(one,), tasks=tasks, suites=suites)
    folder = store.create(run)
    plan = {"host_class": host, "concurrency": 1}
    folder.begin(Invocation(id="i1", started=created, ended=created + 1, plan=plan, summary={"executed": 1}))
    trials = [
        _trial(
            run.id,
            arm,
            task,
            variant,
            question,
            epoch,
            value,
            metric,
            text,
            clusters,
            metadata,
            tokens,
            cached,
            markers,
        )
        for task, questions in scores.items()
        for question, values in questions.items()
        for epoch, value in enumerate([values] if values is None or isinstance(values, (str, float, int)) else values)
    ]

    async def write() -> None:
        async with JournalWriter(folder, "w1") as journal:
            for trial in trials:
                await journal.append(trial)

    asyncio.run(write())
    return run


def _trial(
    run: str, arm: str, task: str, variant: str, question: str, epoch: int, value: Value, metric: MetricInfo, text: str,
    clusters: Mapping[str, str] | None, metadata: Mapping[str, Mapping[str, Any]] | None,
    tokens: Mapping[str, int] | None, cached: int | None, markers: Mapping[str, Mapping[str, float]] | None,
) -> Trial:  # fmt: skip
    status = value if isinstance(value, str) else "ok"
    scores = {}
    if status != "error":
        number = None if value is None else 0.0 if isinstance(value, str) else float(value)
        error = Error(kind="scorer", message="no") if value is None else None
        scores[metric.scorer] = Score(value=number, digest="s", error=error)
        scores |= {f"marker:{m}": Score(value=v[question], digest="m") for m, v in (markers or {}).items()}
    instance = Instance(
        question=f"{task} {question}{text}",
        id=question,
        cluster=(clusters or {}).get(question),
        metadata=dict((metadata or {}).get(question, {})),
    )
    request = ChatRequest(messages=(Message(role="user", content=question),))
    return Trial(
        id=digest(run, arm, task, variant, question, str(epoch)),
        run=run,
        key=digest("key", run, arm, task, variant, question, str(epoch)),
        arm=arm,
        task=task,
        variant=variant,
        instance=instance,
        instance_digest=digest(task, question, text),
        epoch=epoch,
        status=status,
        error=Error(kind="provider", message="down") if status == "error" else None,
        trajectory=None if status == "error" else Trajectory(request=request, output=Output(text="x")),
        scores=scores,
        timing=Timing(started=1.0, total=0.5),
        usage=Usage(new=(tokens or {}).get(question, 10), cached=cached, generated=0, calls=1),
    )


def digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]


def binary(right: int, n: int, start: int = 0) -> dict[str, float]:
    """Questions q0 ... of which `right`, from `start`, are answered."""
    return {f"q{i}": float(start <= i < start + right) for i in range(n)}
