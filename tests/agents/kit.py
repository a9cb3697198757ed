"""Runs real agent programs on a scripted model, end to end: what a question says decides what the model does."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weigh.pipeline.request import Event, RunRequest, RunResult, Setting
from weigh.pipeline.run import run
from weigh.records.trial import Trial
from weigh.store.artifacts import read_artifact, read_given
from weigh.store.layout import Store
from weigh.store.reader import read_trials

TASK = """
from weigh import AccuracyMetric, ChatFormatter, DataSource, Instance, SubstringScorer, Task, register

@register("NAME")
class AgentBench(Task):
    data_source = DataSource(path="agent_bench.jsonl")
    formatter = ChatFormatter()
    metrics = (AccuracyMetric(scorer=SubstringScorer),)

    def instance(self, row, index):
        return Instance(id=row["id"], question=row["id"], inputs={"files": row["files"]}, gold_answer="done")
"""

MODEL = """
import json, pathlib
from weigh.records.errors import Error, Failure
from weigh.records.request import Output, ToolCall
from weigh.records.usage import Usage

HERE = pathlib.Path(__file__).parent
TURNS = json.loads((HERE / "turns.json").read_text())

def text(message):
    return message.content if isinstance(message.content, str) else "".join(p.get("text", "") for p in message.content)

def answer(request):
    asked = " ".join(text(m) for m in request.messages if m.role == "user")
    key = next(k for k in sorted(TURNS, key=len, reverse=True) if k in asked)
    log = HERE / f"asked-{key}.jsonl"
    said = log.read_text().splitlines() if log.exists() else []
    with log.open("a") as file:
        seen = {"system": " ".join(text(m) for m in request.messages if m.role == "system"), "asked": asked,
                "tools": [t.name for t in request.tools],
                "results": [text(m) for m in request.messages if m.role == "tool"],
                "temperature": request.sampling.temperature, "max_tokens": request.sampling.max_tokens}
        file.write(json.dumps(seen) + "\\n")
    turns = TURNS[key]
    turn = turns[min(len(said), len(turns) - 1)]
    if turn == "fail":
        raise Failure(Error(kind="provider", code="http_500", message="the model fell over"))
    if turn == "bug":
        raise RuntimeError("a bug of the provider's")
    if turn == "empty":
        return Output(usage=Usage(new=100, generated=0, calls=1))
    calls = tuple(ToolCall(id=f"call_{len(said)}_{i}", name=name, arguments=arguments)
                  for i, (name, arguments) in enumerate(turn.get("calls", ())))
    reason = turn.get("finish", "tool_calls" if calls else "stop")
    return Output(text=turn.get("text", ""), tool_calls=calls, finish_reason=reason,
                  usage=Usage(new=100 + len(said), generated=7, calls=1, cost=0.01))
"""


def bash(command: str, text: str = "") -> dict[str, Any]:
    """A turn in which the model runs a command with pi's tool."""
    return {"text": text, "calls": [["bash", {"command": command}]]}


DONE = {"text": "done"}


class AgentBench:
    """A folder with a task, a scripted model and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        self.name = f"agent_bench_{secrets.token_hex(3)}"
        (folder / "agent_bench.py").write_text(TASK.replace("NAME", self.name))
        (folder / "model.py").write_text(MODEL)
        self.events: list[Event] = []

    def request(
        self,
        turns: dict[str, list[Any]],
        *,
        agent: str = "pi",
        files: dict[str, Any] | None = None,
        settings: Sequence[Setting] = (),
        model: str = "",
        overrides: tuple[str, ...] = (),
        **options: Any,
    ) -> RunRequest:
        """A run of one question for each key of `turns`."""
        rows = [{"id": key, "files": files or {}} for key in turns]
        (self.folder / "agent_bench.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        (self.folder / "turns.json").write_text(json.dumps(turns))
        return RunRequest(
            tasks=(f"{self.folder}/agent_bench.py:{self.name}",),
            models=(f"scripted/{self.folder}/model.py:answer{model}",),
            harness=agent,
            overrides=overrides,
            store=str(self.store.path),
            settings=tuple(settings),
            concurrency=options.pop("concurrency", 3),
            **options,
        )

    def run(self, turns: dict[str, list[Any]], **options: Any) -> dict[str, Trial]:
        """Run it; the trials by question."""
        self.result: RunResult = asyncio.run(run(self.request(turns, **options), self.events.append))
        return {t.instance.id: t for t in self.trials()}

    def trials(self) -> list[Trial]:
        """All trials of the last run."""
        return list(read_trials(self.store.open(self.result.run.id)))

    def asked(self, key: str) -> list[dict[str, Any]]:
        """What the model was asked in a question's trial, call by call."""
        lines = (self.folder / f"asked-{key}.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def given(self, trial: Trial) -> dict[str, str]:
        """The texts a trial was given besides the question, as they are stored."""
        assert trial.trajectory is not None
        return read_given(self.store.open(trial.run), trial.trajectory.artifacts)

    def artifact(self, trial: Trial, name: str) -> str:
        """A native trace as it is stored."""
        return read_artifact(self.store.open(trial.run), trial, name).decode()


def same_counts(told: dict[str, Any]) -> bool:
    """Whether an agent reports the tokens and calls that the gateway counted; what is not cached, they call 0."""
    return {"cached": 0, **told["reported"]} == {"cached": 0} | {
        k: v for k, v in told["gateway"].items() if k != "cost"
    }
