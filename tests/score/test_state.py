"""Scorers of what is left in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.score.conftest import Context
from weigh.execute.sandboxes.memory import MemorySandbox
from weigh.protocols import ExecResult
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Output
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.score.guard import score_trial
from weigh.score.state import CommandScorer, FileExpected, FilesScorer


def left(
    scorer: Any,
    files: dict[str, str],
    answers: Mapping[str, Any] | Callable[..., Any] | None = None,
    inputs: dict[str, Any] | None = None,
) -> Score:
    async def run() -> Score:
        async with MemorySandbox(answers=answers) as sandbox:
            for path, text in files.items():
                await sandbox.write_file(path, text.encode())
            trajectory = Trajectory(request=ChatRequest(messages=()), output=Output())
            context = Context(Instance(id="1", inputs=inputs or {}), trajectory, sandbox)
            return (await score_trial([scorer], context))[scorer.name]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (FileExpected(path="a.txt"), 1),
        (FileExpected(path="a.txt", equals="hello world"), 1),
        (FileExpected(path="a.txt", equals="hello"), 0),
        (FileExpected(path="a.txt", contains="lo wo", matches="^hello"), 1),
        (FileExpected(path="a.txt", contains="lo wo", matches="^world"), 0),
        (FileExpected(path="b.txt"), 0),
        (FileExpected(path="b.txt", exists=False), 1),
        (FileExpected(path="a.txt", exists=False), 0),
        (FileExpected(path="../a.txt"), 0),
    ],
)
def test_a_file_is_as_expected(expected: FileExpected, value: float) -> None:
    score = left(FilesScorer(files=(expected,)), {"a.txt": "hello world\n"})
    assert (score.value, score.error) == (value, None)


def test_files_may_come_from_the_question_and_count_in_part() -> None:
    inputs = {"files_expected": [{"path": "a"}, {"path": "b"}]}
    assert left(FilesScorer(partial=True), {"a": ""}, inputs=inputs).value == 0.5
    assert left(FilesScorer(), {}).error is not None


@pytest.mark.parametrize(
    ("scorer", "ended", "value"),
    [
        (CommandScorer(command=("check",)), "", 1),
        (CommandScorer(command=("check",)), ExecResult(exit_code=1), 0),
        (CommandScorer(command=("check",), exit_code=3), ExecResult(exit_code=3), 1),
        (CommandScorer(command=("check",), stdout=r"\b3 passed"), "3 passed\n", 1),
        (CommandScorer(command=("check",), stdout=r"\b3 passed"), "13 passed\n", 0),
        (CommandScorer(command=("check",)), ExecResult(exit_code=None, timed_out=True, limit="deadline"), 0),
    ],
)
def test_a_command_ends_as_it_should(scorer: CommandScorer, ended: Any, value: float) -> None:
    score = left(scorer, {}, {"check": ended})
    assert (score.value, score.error) == (value, None)


def test_hidden_files_are_written_before_the_command_runs() -> None:
    seen: list[str] = []

    def answer(command: Any, stdin: bytes) -> str:
        seen.append(" ".join(command))
        return ""

    assert left(CommandScorer(files={"test_it.py": "assert 1"}), {}, answer, {"check": "python3 test_it.py"}).value == 1
    assert seen == ["sh -c python3 test_it.py"]


def test_a_command_the_sandbox_does_not_have_is_a_failure_and_no_zero() -> None:
    score = left(CommandScorer(command=("pytest",)), {})
    assert score.value is None and score.error is not None and score.error.code == "no_command"


def test_without_the_live_sandbox_there_is_no_score() -> None:
    trajectory = Trajectory(request=ChatRequest(messages=()), output=Output())
    context = Context(Instance(id="1"), trajectory)
    score = asyncio.run(score_trial([FilesScorer(files=(FileExpected(path="a"),))], context))["files"]
    assert score.value is None and score.error is not None and score.error.code == "not_live"
