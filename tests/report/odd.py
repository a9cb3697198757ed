"""Stores that are not like others: one arm, nothing finished, all failed, pictures and sounds, ranked answers."""

from __future__ import annotations

import asyncio
import base64
import io
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.report.kit import METRIC, PIXEL, digest, pair, write_run
from weigh.pipeline.import_table import ImportRequest, import_table
from weigh.records.arm import Arm
from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Continuation, LoglikelihoodRequest, Message, Output
from weigh.records.run import Invocation, MetricInfo, Run, TaskInfo
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Attempt, Timing, Trial
from weigh.records.usage import Usage
from weigh.store.importers.table import Columns
from weigh.store.layout import Store

CHOICES = ("blue", "green", "a colour that nobody has seen")


def tone() -> str:
    """A hundredth of a second of silence as WAV, in base64."""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\0" * 160)
    return base64.b64encode(held.getvalue()).decode()


def _run(name: str, *tasks: TaskInfo, arms: tuple[str, ...] = ("old", "new")) -> Run:
    made = tuple(Arm(id=arm, digest=digest(name, arm), axes={"model": arm}) for arm in arms)
    return Run(id=f"{name}-00000001", name=name, created=4000.0, arms=made, tasks=tasks)


def _trial(run: Run, arm: str, task: TaskInfo, number: int, **more: Any) -> Trial:
    made = {
        "id": digest(run.id, arm, task.name, number)[:12], "run": run.id, "key": digest("k", arm, task.name, number),
        "arm": arm, "task": task.name, "status": "ok",
        "instance": Instance(question=f"number {number}", id=f"q{number}"),
        "instance_digest": digest(task.name, number), "timing": Timing(started=1.0, total=0.5),
        "attempts": (Attempt(started=1.0, seconds=0.5),),
    }  # fmt: skip
    return Trial(**made | more)


def one_arm(store: Store) -> list[str]:
    """One arm of two."""
    pair(store)
    return ["pair:old"]


def imported(store: Store) -> list[str]:
    """A table of scores: no prompts, no outputs, no costs."""
    file = Path(store.path).parent / "scores.csv"
    file.write_text(
        "id,model,score\n" + "".join(f"q{i},{m},{(i + k) % 3}\n" for i in range(9) for k, m in enumerate("ab"))
    )
    request = ImportRequest(file=file, columns=Columns(id="id", score="score", model="model"), store=str(store.path))
    # In a thread of its own: a browser that a test drives keeps a loop running in the main one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(import_table(request))).result()
    return ["latest"]


def all_failed(store: Store) -> list[str]:
    """Every trial of both arms failed before there was a request."""
    task = TaskInfo(name="sums", digest="t", metrics=(METRIC,), num_instances=5)
    run = _run("broken", task)
    refused = Error(kind="provider", message="connection refused")
    trials = [
        _trial(run, arm.id, task, n, status="error", error=refused, trajectory=None, scores={}, usage=Usage())
        for arm in run.arms for n in range(5)
    ]  # fmt: skip
    write_run(store, run, trials, Invocation(
        id="i1", started=4000.0, ended=4001.0, command="weigh run -m old -m new -t sums", plan={"cells": {"sums": 5}},
        summary={"planned": 10, "executed": 10, "failed": {"provider": 10}, "stopped": "the provider does not answer"},
    ))  # fmt: skip
    return ["broken"]


def unbegun(store: Store) -> list[str]:
    """A run that was planned and of which nothing is finished."""
    run = _run("begun", TaskInfo(name="sums", digest="t", metrics=(METRIC,), num_instances=5))
    write_run(store, run, [], Invocation(id="i1", started=4000.0, plan={"cells": {"sums": 5}}))
    return ["begun"]


def seen_and_heard(store: Store) -> list[str]:
    """A task of pictures and sounds, in the request and as files."""
    task = TaskInfo(name="describe", digest="t", metrics=(METRIC,), num_instances=2)
    run = _run("media", task)
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "input_audio", "input_audio": {"data": tone(), "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/cat.png"}},
    ]
    request = ChatRequest(messages=(Message(role="user", content=parts),))
    files = {"cat.png": {"base64": PIXEL}, "purr.wav": {"base64": tone()}, "cat.bin": {"base64": "AAAA"},
             "far.png": {"path": "/somewhere/far.png"}}  # fmt: skip
    trials = [
        _trial(run, arm.id, task, n, scores={"match": Score(value=float(arm.id == "new"), digest="s")},
               instance=Instance(question="What is it?", id=f"q{n}", gold_answer="a cat", inputs={"files": files}),
               trajectory=Trajectory(request=request, output=Output(text=f"a {arm.id} cat")),
               usage=Usage(new=5, generated=2))
        for arm in run.arms for n in range(2)
    ]  # fmt: skip
    write_run(store, run, trials, Invocation(id="i1", started=4000.0, ended=4001.0, plan={"cells": {"describe": 2}}))
    return ["media"]


def ranked(store: Store) -> list[str]:
    """Answers given to choose from, by a share and by bits, which have no worst value; a trial failed."""
    task = TaskInfo(name="colours", digest="t", num_instances=6, metrics=(
        MetricInfo(name="bits", scorer="bits", lower_is_better=True, bounds=None, unit="bits"),
        MetricInfo(name="choice", scorer="choice"),
    ))  # fmt: skip
    share = TaskInfo(name="picks", digest="u", num_instances=6, metrics=(MetricInfo(name="choice", scorer="choice"),))
    run = _run("ranked", task, share)
    trials = []
    for arm in run.arms:
        for which in (task, share):
            for n in range(6):
                best = n % 3 if arm.id == "new" else 0
                output = Output(text="", continuations=tuple(
                    Continuation(logprob=-1.0 if i == best else -4.5 - i, num_tokens=2) for i in range(3)))  # fmt: skip
                scores = {"choice": Score(value=float(best == n % 3), digest="s", answer=CHOICES[best]),
                          "bits": Score(value=2.5 + n / 4 + (arm.id == "new"), digest="s")}  # fmt: skip
                instance = Instance(question=f"colour {n}", id=f"q{n}", choices=CHOICES, gold_answer=n % 3)
                request = LoglikelihoodRequest(context=f"colour {n}:", continuations=tuple(f" {c}" for c in CHOICES))
                whole: dict[str, Any] = {"trajectory": Trajectory(request=request, output=output), "scores": scores}
                if n == 5 and arm.id == "old":
                    lost = Error(kind="limit", message="the prompt is longer than the context")
                    whole = {"status": "error", "error": lost, "trajectory": None, "scores": {}}
                trials.append(_trial(run, arm.id, which, n, instance=instance, usage=Usage(new=20), **whole))
    write_run(store, run, trials, Invocation(id="i1", started=4000.0, ended=4001.0, plan={"limit": None, "epochs": 1}))
    return ["ranked"]


def half_repeated(store: Store) -> list[str]:
    """A run that goes on: one question has two epochs, the other one so far."""
    metric = MetricInfo(name="pass@2", scorer="match", reduce="pass@2")
    task = TaskInfo(name="sums", digest="t", metrics=(metric,), num_instances=2)
    run = _run("half", task, arms=("new",))
    trials = [
        _trial(run, "new", task, n, id=f"t{n}{epoch}", key=digest(n, epoch), epoch=epoch,
               scores={"match": Score(value=1.0, digest="s")})
        for n, epoch in ((0, 0), (0, 1), (1, 0))
    ]  # fmt: skip
    write_run(store, run, trials, Invocation(id="i1", started=4000.0, plan={"cells": {"sums": 4}}))
    return ["half"]
