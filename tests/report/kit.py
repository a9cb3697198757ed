"""A store with everything a report can show: arms on two axes, tools, markers, failures, subgroups, hostile texts."""

from __future__ import annotations

import asyncio
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from weigh.records.arm import Arm
from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.marker import MarkerSpec
from weigh.records.request import ChatRequest, Message, Output, ToolCall
from weigh.records.run import Invocation, MetricInfo, Run, SuiteNode, TaskInfo
from weigh.records.score import Score
from weigh.records.trajectory import Observation, Step, Trajectory
from weigh.records.trial import Attempt, Timing, Trial
from weigh.records.usage import Usage
from weigh.store.journal import JournalWriter
from weigh.store.layout import Store

HOSTILE = (
    "<img src=x onerror=\"window.owned='img'\"><script>window.owned='script'</script></pre></script>"
    "<svg/onload=window.owned='svg'>{{payload}} $ink `${window.owned='template'}` [x](javascript:window.owned='link')"
)
ARMS = [("small", "bare", 0.45), ("small", "skill", 0.6), ("large", "bare", 0.7), ("large", "skill", 0.95)]
METRIC = MetricInfo(name="match", scorer="match")
MARKERS = (
    MarkerSpec(name="cli", description="it ran the command-line tool", scope="commands", pattern="mylib "),
    MarkerSpec(name="gave-up", description="it declared the task impossible", scope="answer", pattern="impossible"),
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def digest(*parts: object) -> str:
    return hashlib.sha256("\x00".join(map(str, parts)).encode()).hexdigest()[:32]


def write_run(store: Store, run: Run, trials: list[Trial], invocation: Invocation) -> None:
    folder = store.create(run)
    folder.begin(invocation)

    async def write() -> None:
        async with JournalWriter(folder, "w1") as journal:
            for trial in trials:
                await journal.append(trial)

    # In a thread of its own: a browser that a test drives keeps a loop running in the main one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(write())).result()


def study(store: Store, *, questions: int = 24, epochs: int = 1, name: str = "study") -> Run:
    """Four arms (model x tier) on three tasks; some trials fail, one task was left out."""
    arms = tuple(
        Arm(id=f"{model}/{tier}", digest=digest(model, tier),
            axes={"model": model, "size": {"small": 0.5, "large": 1.5}[model], "tier": tier, "agent": "loop"})
        for model, tier, _ in ARMS
    )  # fmt: skip
    tasks = tuple(
        TaskInfo(name=one, digest=digest(one), metrics=(METRIC,), markers=MARKERS, num_instances=questions,
                 definition={"formatter": {"formatter": "ChatFormatter"}, "num_fewshot": 0}, source="made for tests",
                 licence="Apache-2.0")
        for one in ("label", "count", "caption")
    )  # fmt: skip
    run = Run(
        id=f"{name}-0a1b2c3d", name=name, created=1000.0, arms=arms, tasks=tasks, harness={"name": "loop"},
        suites=(SuiteNode(name="all", members=("label", "count", "caption"), aggregation="pooled"),
                SuiteNode(name="more", members=("label", "speech"))),
    )  # fmt: skip
    dice = random.Random(7)
    trials = [
        _trial(run, arm, task, number, epoch, dice, skill, model == "large")
        for arm, (model, _, skill) in zip(arms, ARMS, strict=True)
        for task in tasks
        for number in range(questions)
        for epoch in range(epochs)
    ]
    write_run(store, run, trials, Invocation(
        id="i1", started=1000.0, ended=1060.0, command="weigh run -m small -m large -t all --name study",
        plan={"epochs": epochs, "limit": None, "host_class": "test host", "warnings": ["left out: speech: no data"]},
        summary={"planned": len(trials), "executed": len(trials)},
        provenance={"weigh": "0.1.0", "python": "3.11", "packages": {"mylib": "5.8"}, "host": {"name": "testhost"}},
    ))  # fmt: skip
    return run


def _trial(
    run: Run, arm: Arm, task: TaskInfo, number: int, epoch: int, dice: random.Random, skill: float, large: bool
) -> Trial:
    name = f"q{number}"
    right = dice.random() < skill - (0.1 if task.name == "caption" else 0.0)
    failed = arm.id == "small/bare" and number == 3
    late = arm.id == "small/skill" and number == 4
    used_cli = "skill" in arm.id and dice.random() < 0.8
    hostile = number == 0 and task.name == "label"
    question = f"{task.name} number {number}" + (f" {HOSTILE}" if hostile else "")
    instance = Instance(
        question=question, gold_answer=f"answer {number}", id=name,
        metadata={"kind": "odd" if number % 2 else "even", "serial": f"{task.name}{number}"},
        inputs={"files": {"cat.png": {"base64": PIXEL}, "notes.txt": "read me"}} if task.name == "caption" else {},
    )  # fmt: skip
    told = large and "skill" in arm.id
    command = f"mylib run {number}" if used_cli else f"python -c 'print({number})'"
    answer = f"answer {number}" if right else f"something else {number}"
    answer += f" {HOSTILE}" if hostile else ""
    request = ChatRequest(
        messages=(Message(role="system", content="You have tools."), Message(role="user", content=question))
    )
    steps = (
        Step(source="system", message="You have tools."),
        # Of the large model the Skill stands in the agent's first message, and in no request.
        Step(source="user", message=f"<skill>Run `mylib run N`.</skill> {question}" if told else question),
        Step(source="model", reasoning="I had better look first.", seconds=0.5, at=0.1,
             tool_calls=(ToolCall(id="c1", name="bash", arguments={"command": command}),),
             observations=(Observation(call_id="c1", tool="bash", content=HOSTILE if hostile else f"out {number}",
                                       is_error=not right, seconds=0.25, metadata={"exit_code": int(not right)}),),
             usage=Usage(new=100 + number, cached=20, generated=10, calls=1)),
        Step(source="model", message=answer, seconds=0.4, at=0.9,
             usage=Usage(new=10, cached=120, generated=8, calls=1)),
    )  # fmt: skip
    hit = {"hits": [{"step": 2, "call": 0, "scope": "commands", "text": "mylib ", "start": 0, "end": 6}], "count": 1}
    scores = {
        "match": Score(value=float(right and not late), digest="s", answer=None if late else answer[:40]),
        "marker:cli": Score(value=float(used_cli), digest="m", metadata=hit if used_cli else {}),
        "marker:gave-up": Score(value=0.0, digest="m"),
    }
    cost = (2 if large else 1) * (0.7 if "skill" in arm.id else 1.0)
    return Trial(
        id=digest(run.id, arm.id, task.name, name, epoch)[:12], run=run.id,
        key=digest("k", arm.id, task.name, name, epoch),
        arm=arm.id, task=task.name, instance=instance, instance_digest=digest(task.name, name), epoch=epoch,
        status="error" if failed else "timeout" if late else "ok",
        error=Error(kind="provider", message="the server went away") if failed else None,
        trajectory=None if failed else Trajectory(
            request=request, output=Output(text="" if late else answer, finish_reason="stop"), steps=steps,
            stop_reason="timeout" if late else None,
            # Bare arms are as trials were before it was recorded.
            **(_given("loaded" if large else "offered") if "skill" in arm.id else {}),
        ),
        scores={} if failed else scores,
        attempts=(Attempt(started=1000.0, seconds=1.0),),
        timing=Timing(started=1000.0 + number, total=cost * (1 + dice.random()), model=0.9, tools=0.25),
        usage=Usage() if failed else Usage(new=int(cost * (110 + number)), cached=140, generated=18, calls=2),
    )  # fmt: skip


def _given(way: str) -> dict[str, Any]:
    texts = {"system.txt": f"Use mylib, {way}. {HOSTILE}", "mylib/SKILL.md": "Run `mylib run N`."}
    given = {"skills": {"mylib": way}, "texts": {name: len(text) for name, text in texts.items()}}
    agent = {"name": "loop", "version": "1.0", "tools": ["bash", "read"]}
    return {"artifacts": {f"given/{name}": text for name, text in texts.items()},
            "metadata": {"given": given, "agent": agent}}  # fmt: skip


def pair(store: Store) -> Run:
    """Two arms on one plain task: the smallest thing that compares."""
    arms = tuple(Arm(id=name, digest=digest(name), axes={"model": name}) for name in ("old", "new"))
    task = TaskInfo(name="sums", digest="t", metrics=(METRIC,), num_instances=40)
    run = Run(id="pair-00000001", name="pair", created=2000.0, arms=arms, tasks=(task,))
    trials = [
        Trial(
            id=digest(arm.id, n)[:12], run=run.id, key=digest("k", arm.id, n), arm=arm.id, task="sums", status="ok",
            instance=Instance(question=f"{n} + 1", id=f"q{n}"), instance_digest=digest("sums", n),
            trajectory=Trajectory(request=ChatRequest(messages=(Message(role="user", content=f"{n} + 1"),)),
                                  output=Output(text=f"it is {n + 1} says {arm.id}")),
            scores={"match": Score(value=float(n % 2 == 0 if arm.id == "old" else n % 5 != 0), digest="s")},
            timing=Timing(started=1.0, total=0.5), attempts=(Attempt(started=1.0, seconds=0.5),),
            usage=Usage(new=10 + n, generated=3, calls=1),
        )
        for arm in arms for n in range(40)
    ]  # fmt: skip
    write_run(store, run, trials, Invocation(id="i1", started=2000.0, ended=2001.0, plan={"epochs": 1, "limit": None}))
    return run


def wide(store: Store) -> Run:
    """Eighteen arms on three axes, two short tasks; the last arm has run one of them only."""
    arms = tuple(
        Arm(id=f"{model}/{revision}/{tier}", digest=digest(model, revision, tier),
            axes={"model": model, "revision": revision, "tier": tier})
        for model in ("m1", "m2", "m3") for revision in ("v1", "v2") for tier in ("bare", "clone", "skill")
    )  # fmt: skip
    tasks = tuple(
        TaskInfo(name=name, digest=digest(name), metrics=(METRIC,), markers=MARKERS, num_instances=2)
        for name in ("find", "mend")
    )
    run = Run(id="wide-00000001", name="wide", created=3000.0, arms=arms, tasks=tasks,
              suites=(SuiteNode(name="both", members=("find", "mend"), aggregation="pooled"),))  # fmt: skip
    dice = random.Random(3)
    skills = {"bare": 0.2, "clone": 0.5, "skill": 0.9}
    trials = [
        _trial(run, arm, task, number, 0, dice, skills[str(arm.axes["tier"])], arm.axes["model"] == "m3")
        for arm in arms for task in tasks for number in range(2)
        if arm is not arms[-1] or task is tasks[0]
    ]  # fmt: skip
    plan = {"cells": {"find": 2, "mend": 2}}
    write_run(store, run, trials, Invocation(id="i1", started=3000.0, ended=3060.0, plan=plan))
    return run
