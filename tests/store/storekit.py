"""Trials to store, and a writer process to kill: shared by the tests of the store and the processes they start."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Any

from weigh.records.arm import Arm
from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Message, Output
from weigh.records.run import MetricInfo, Run, TaskInfo
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Attempt, Timing, Trial
from weigh.records.usage import Usage
from weigh.store.journal import JournalWriter
from weigh.store.layout import RunFolder, Store


def make_run(run_id: str = "demo-00000001", *, created: float = 1000.0, name: str = "demo", **fields: Any) -> Run:
    """A run with two arms and a task."""
    fields.setdefault(
        "arms",
        (
            Arm(id="small", digest="d" * 31 + "1", axes={"model": "m/small", "step": 100}),
            Arm(id="large", digest="d" * 31 + "2", axes={"model": "m/large", "step": 200}),
        ),
    )
    fields.setdefault(
        "tasks", (TaskInfo(name="sums", digest="t1", metrics=(MetricInfo(name="em", scorer="exact_match"),)),)
    )
    return Run(id=run_id, name=name, created=created, **fields)


def make_trial(number: int, *, arm: str = "small", epoch: int = 0, run: str = "demo-00000001", **fields: Any) -> Trial:
    """The trial of question `number`, right when the number is even."""
    question = f"What is {number} + {number}?"
    request = ChatRequest(messages=(Message(role="user", content=question),))
    output = Output(text=f"It is {2 * number}.", usage=Usage(new=20, generated=5, calls=1), finish_reason="stop")
    defaults: dict[str, Any] = {
        "id": f"{arm}{number:06d}e{epoch}",
        "run": run,
        "key": f"{hash_hex(arm, number, epoch)}",
        "arm": arm,
        "task": "sums",
        "instance": Instance(question=question, gold_answer=2 * number, id=f"q{number}", cluster=f"c{number // 10}"),
        "instance_digest": hash_hex("instance", number),
        "epoch": epoch,
        "status": "ok",
        "trajectory": Trajectory(request=request, output=output),
        "scores": {"exact_match": Score(value=float(number % 2 == 0), digest="s1", answer=str(2 * number))},
        "attempts": (Attempt(started=1000.0 + number, seconds=0.5),),
        "timing": Timing(started=1000.0 + number, total=0.5, model=0.4),
        "usage": Usage(new=20, generated=5, calls=1),
    }
    return Trial(**{**defaults, **fields})


def failed(number: int, **fields: Any) -> Trial:
    """The same trial, failed at the provider."""
    error = Error(kind="provider", message="the server said 500", code="http_500", transient=True)
    return make_trial(number, status="error", error=error, trajectory=None, scores={}, **fields)


def hash_hex(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def write(folder: RunFolder, writer: str, trials: list[Trial]) -> list[Trial]:
    """Write trials with one writer; returns those that became durable."""
    counted: list[Trial] = []

    async def main() -> None:
        async with JournalWriter(folder, writer, counted.extend) as journal:
            for trial in trials:
                await journal.append(trial)

    asyncio.run(main())
    return counted


async def _endless(folder: RunFolder, writer: str) -> None:
    def count(trials: Any) -> None:
        sys.stdout.write("".join(t.id + "\n" for t in trials))
        sys.stdout.flush()

    async with JournalWriter(folder, writer, count) as journal:
        number = 0
        while True:
            await journal.append(make_trial(number, id=f"{writer}-{number}"))
            number += 1
            if number % 50 == 0:
                await asyncio.sleep(0.001)


if __name__ == "__main__":  # STORE WRITER: writes until killed, and prints the id of each trial that is durable
    asyncio.run(_endless(Store(Path(sys.argv[1])).open("demo-00000001"), sys.argv[2]))
