"""ATIF documents against the models of the published `harbor` package where it installs (Python 3.12), else against
the structure of their schema (0.25.0), which is kept beside this file.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from weigh.cli.main import main
from weigh.records.arm import Arm
from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, CompletionRequest, Message, Output, ToolCall, ToolSpec
from weigh.records.run import Run
from weigh.records.score import Score
from weigh.records.trajectory import Observation, Step, Trajectory
from weigh.records.trial import Timing, Trial
from weigh.records.usage import Usage
from weigh.store.exporters.atif import to_atif

RUN = Run(id="r", name="r", created=0.0, arms=(Arm(id="m", digest="d", axes={"model": "m", "harness": "tools"}),))
CALLS = (ToolCall(id="a", name="python", arguments={"code": "1"}), ToolCall(id="b", name="python", raw="broken"))
STEPS = (
    Step(source="system", message="Be brief."),
    Step(source="user", message="1?"),
    Step(
        source="model",
        reasoning="hm",
        tool_calls=CALLS,
        observations=(
            Observation(call_id="a", tool="python", content="1", seconds=0.1),
            Observation(call_id="b", tool="python", content="error: no JSON", is_error=True, metadata={"x": 1}),
            Observation(call_id="never", tool="python", content="of no call"),
        ),
        usage=Usage(new=10, cached=5, generated=3, calls=1),
        seconds=1.0,
        at=0.5,
    ),
    Step(source="user", message="and?", usage=Usage(generated=2, calls=1)),
    Step(source="harness", message="look again"),
    Step(source="model", message="1", usage=Usage(calls=1)),
)


def trial(trajectory: Trajectory | None, **fields: Any) -> Trial:
    return Trial(
        id="abc", run="r", key="k", arm="m", task="t", instance=Instance(id="i", question="1?"), instance_digest="x",
        trajectory=trajectory, timing=Timing(started=time.time(), total=2.0),
        usage=Usage(new=10, cached=5, generated=3),
        **{"status": "ok", "scores": {"exact_match": Score(value=1.0)}, **fields},
    )  # fmt: skip


def agentic() -> Trial:
    request = ChatRequest(
        messages=(Message(role="user", content="1?"),), tools=(ToolSpec(name="python", description="Run."),)
    )
    return trial(Trajectory(request=request, output=Output(text="1"), steps=STEPS, metadata={"turns": 2}))


def validate(document: dict[str, Any]) -> None:
    try:
        from harbor.models.trajectories import Trajectory as Published
    except ImportError:
        jsonschema = pytest.importorskip("jsonschema", reason="needs harbor or jsonschema")
        schema = json.loads((Path(__file__).parent / "atif-schema.json").read_text())
        jsonschema.validate(document, schema)
        assert [s["step_id"] for s in document["steps"]] == list(range(1, len(document["steps"]) + 1))
        return
    Published.model_validate(document)


def test_an_agents_trial_is_valid_and_whole() -> None:
    document = to_atif(agentic(), RUN)
    assert document is not None
    validate(json.loads(json.dumps(document)))
    assert [s["source"] for s in document["steps"]] == ["system", "user", "agent", "user", "user", "agent"]
    step = document["steps"][2]
    assert step["metrics"] == {"prompt_tokens": 15, "completion_tokens": 3, "cached_tokens": 5}
    assert step["tool_calls"][1]["extra"] == {"raw_arguments": "broken"}
    assert [r.get("source_call_id") for r in step["observation"]["results"]] == ["a", "b", None]
    assert document["extra"]["scores"] == {"exact_match": 1.0} and document["extra"]["final_answer"] == "1"
    assert "metrics" not in document["steps"][5], "what is unknown is left out, never 0"


def test_a_single_request_is_valid_too() -> None:
    document = to_atif(trial(Trajectory(request=CompletionRequest(prompt="1+1="), output=Output(text="2"))), RUN)
    assert document is not None and len(document["steps"]) == 2
    validate(json.loads(json.dumps(document)))


def test_a_trial_without_a_trajectory_has_none() -> None:
    failed = trial(None, status="error", error=Error(kind="provider", message="gone"), scores={})
    assert to_atif(failed, RUN) is None


def test_the_command_writes_a_file_a_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(json.dumps({"question": f"q{i}", "answer": f"q{i}"}) + "\n" for i in range(3))
    (tmp_path / "rows.jsonl").write_text(rows)
    (tmp_path / "bench.py").write_text(
        "from weigh import AccuracyMetric, ChatFormatter, DataSource, ExactMatchScorer, Instance, Task, register\n"
        "@register('atif_bench')\nclass Bench(Task):\n    data_source = DataSource(path='rows.jsonl')\n"
        "    formatter = ChatFormatter()\n    metrics = (AccuracyMetric(scorer=ExactMatchScorer),)\n"
        "    def instance(self, row, index):\n"
        "        return Instance(question=row['question'], gold_answer=row['answer'])\n"
    )
    store = ["--store", str(tmp_path / "store")]
    assert main(["run", "-m", "scripted/echo", "-t", f"{tmp_path}/bench.py:atif_bench", *store]) == 0
    capsys.readouterr()
    assert main(["export", "atif", "latest", "-d", str(tmp_path / "out"), *store]) == 0
    assert "3 trajectories" in capsys.readouterr().out
    files = sorted((tmp_path / "out").glob("*.json"))
    assert len(files) == 3
    for file in files:
        validate(json.loads(file.read_text()))
