"""Scores of what a trial left in its sandbox: made while it lives, never from what is stored."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.pipeline.conftest import Bench
from weigh.define.registry import default
from weigh.pipeline.request import Event, RunResult, SandboxesSeen
from weigh.pipeline.rescore import rescore
from weigh.records.errors import CapabilityError

WRITER = """
from weigh.records.request import Output, ToolCall
from weigh.records.usage import Usage

def answer(request):
    usage = Usage(new=10, generated=5, calls=1)
    if request.messages[-1].role == "tool":
        return Output(text="done", finish_reason="stop", usage=usage)
    command = f"echo {request.messages[-1].content} > said.txt"
    return Output(tool_calls=(ToolCall(id="1", name="bash", arguments={"command": command}),), usage=usage)
"""
EXTRA = "from weigh.score.state import CommandScorer, FileExpected, FilesScorer\n"
SAID = 'FilesScorer(files=(FileExpected(path="said.txt", matches="{}"),))'


@pytest.fixture
def writes(bench: Bench) -> Bench:
    bench.rows(3)
    (bench.folder / "writer.py").write_text(WRITER)
    (bench.folder / "shell.json").write_text(
        json.dumps({"scaffold": "tool_loop", "tools": ["bash"], "sandbox": "local"})
    )
    return bench


def go(bench: Bench, scorer: str, **options: Any) -> RunResult:
    model = f"scripted/{bench.folder / 'writer.py'}:answer"
    return bench.run(
        bench.write(scorer=scorer, extra=EXTRA),
        models=(model,),
        harness=str(bench.folder / "shell.json"),
        concurrency=3,
        **options,
    )


def test_the_sandbox_is_scored_while_it_lives_and_an_edited_scorer_runs_again(writes: Bench) -> None:
    first = go(writes, SAID.format("q[01]"))
    values = {t.instance.id: t.scores["files"].value for t in writes.trials(first)}
    assert (first.failed, values) == ({}, {"i0": 1.0, "i1": 1.0, "i2": 0.0})
    assert go(writes, SAID.format("q[01]")).executed == 0
    edited = go(writes, SAID.format("q"))
    assert (edited.run.id, edited.executed, edited.failed) == (first.run.id, 3, {})
    assert {t.scores["files"].value for t in writes.trials(edited)} == {1.0}


def test_a_command_sees_what_the_model_left(writes: Bench) -> None:
    result = go(writes, 'CommandScorer(command=("grep", "-q", "q1", "said.txt"))')
    assert {t.instance.id: t.scores["command"].value for t in writes.trials(result)} == {"i0": 0, "i1": 1, "i2": 0}


def test_rescoring_leaves_such_scores_as_they_are(writes: Bench) -> None:
    first = go(writes, SAID.format("q1"))
    default.load_file(writes.folder / "bench.py")
    done = asyncio.run(rescore(writes.store, first.run, everything=True))
    # What is stored can be looked through for markers again; what the sandbox held cannot.
    assert (done.trials, done.failed) == (3, 0)
    assert sorted(t.scores["files"].value or 0 for t in writes.trials(first)) == [0, 0, 1]


def test_a_harness_without_a_sandbox_is_refused_before_anything_runs(writes: Bench) -> None:
    with pytest.raises(CapabilityError, match="looks at the trial's sandbox"):
        writes.run(writes.write(scorer=SAID.format("q"), extra=EXTRA))


def test_a_run_tells_what_its_sandboxes_do_and_keeps_to_their_budget(writes: Bench) -> None:
    writes.rows(12)
    events: list[Event] = []
    result = go(writes, SAID.format("q"), events=events, overrides=("executors=2",))
    seen = [e for e in events if isinstance(e, SandboxesSeen)]
    assert result.failed == {} and seen
    assert all(e.budget == 2 and e.running <= 2 for e in seen)
