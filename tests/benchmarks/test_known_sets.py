"""The well-known sets: read from a local copy, and from rows as the Hub has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weigh import CompletionRequest, Instance, LoglikelihoodRequest
from weigh.define.prepared import PreparedTask
from weigh.define.registry import default, resolve
from weigh.score.registry import scorer_by_name


def prepared(spec: str) -> PreparedTask:
    return resolve(spec).prepare(scorer_by_name=scorer_by_name)


@pytest.mark.parametrize(
    ("name", "file", "n"),
    [("arc_easy", "arc_easy/test.jsonl", 2376), ("openbookqa", "openbookqa/test.jsonl", 500),
     ("piqa", "piqa/test.jsonl", 1838), ("winogrande", "winogrande/test.jsonl", 1267)],
)  # fmt: skip
def test_a_local_copy_is_asked_in_both_forms(data_dir: Path, name: str, file: str, n: int) -> None:
    path = f"data_source.path={data_dir / file}"
    ranked, lettered = prepared(f"{name}:rc::{path}"), prepared(f"{name}:mc::{path}")
    assert ranked.total == lettered.total == n
    for task, first in ((ranked, None), (lettered, " A")):
        request = task.render(task.instances[0])
        assert isinstance(request, LoglikelihoodRequest)
        assert len(request.continuations) == len(task.instances[0].choices)
        assert first is None or request.continuations[0] == first
    assert prepared(f"{name}::{path}").digest == ranked.digest, "rc is the default form"


def test_few_shot_that_a_local_copy_cannot_give_is_refused(data_dir: Path) -> None:
    with pytest.raises(Exception, match="few-shot examples asked for"):
        prepared(f"arc_easy:3shot::data_source.path={data_dir / 'arc_easy/test.jsonl'}")


def test_gsm8k_takes_its_examples_from_the_training_file(data_dir: Path) -> None:
    task = prepared(f"gsm8k::data_source.path={data_dir / 'gsm8k'},data_source.subset=null")
    assert task.total == 1319
    assert len(task.fewshot) == 8
    assert task.instances[0].gold_answer == "18"
    request = task.render(task.instances[0])
    assert isinstance(request, CompletionRequest)
    assert request.prompt.count("####") == 8
    assert "<<" not in request.prompt


def test_mmlu_has_every_subject_with_its_own_examples(data_dir: Path) -> None:
    task = prepared(f"mmlu_astronomy::data_source.path={data_dir / 'mmlu'}")
    assert task.total == 152
    assert len(task.fewshot) == 5
    request = task.render(task.instances[0])
    assert isinstance(request, LoglikelihoodRequest)
    assert request.context.startswith("The following are multiple choice questions (with answers) about astronomy.\n\n")
    assert request.continuations == (" A", " B", " C", " D")
    assert len(default.suite("mmlu").tasks) == 57


HUB_ROWS: dict[str, tuple[dict[str, Any], str, tuple[str, ...], str]] = {
    "arc_easy": (
        {"id": "M1", "question": "Why?", "choices": {"text": ["a", "b", "c"], "label": ["1", "2", "3"]},
         "answerKey": "2"}, "Why?", ("a", "b", "c"), "b"),
    "arc_challenge": (
        {"id": "M1", "question": "Why?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "A"},
        "Why?", ("a", "b"), "a"),
    "openbookqa": (
        {"id": "7", "question_stem": "Fog is", "choices": {"text": ["a", "b"], "label": ["A", "B"]},
         "answerKey": "B"}, "Fog is", ("a", "b"), "b"),
    "piqa": ({"goal": "cut", "sol1": "saw", "sol2": "spoon", "label": 0}, "cut", ("saw", "spoon"), "saw"),
    "winogrande": (
        {"sentence": "Ann thanked Bea because _ had helped.", "option1": "Ann", "option2": "Bea", "answer": "2"},
        "Ann thanked Bea because", ("Ann had helped.", "Bea had helped."), "Bea had helped."),
    "hellaswag": (
        {"ind": 4, "activity_label": "Tea", "ctx_a": "A man boils water.", "ctx_b": "he", "source_id": "s1",
         "endings": ["pours [step] it.", "x", "y", "z"], "label": "0"},
        "Tea: A man boils water. He", ("pours it.", "x", "y", "z"), "pours it."),
    "mmlu_virology": (
        {"question": "Q", "subject": "virology", "choices": ["a", "b", "c", "d"], "answer": 3}, "Q",
        ("a", "b", "c", "d"), "d"),
}  # fmt: skip


@pytest.mark.parametrize("name", HUB_ROWS)
def test_a_row_as_the_hub_has_it_becomes_an_instance(name: str) -> None:
    row, question, choices, gold = HUB_ROWS[name]
    instance = resolve(name).instance(row, 0)  # type: ignore[arg-type]
    assert isinstance(instance, Instance)
    assert (instance.question, instance.choices) == (question, choices)
    assert instance.choices[instance.gold_answer] == gold


def test_sciq_does_not_leave_the_right_answer_first() -> None:
    row = {"distractor1": "x", "distractor2": "y", "distractor3": "z", "correct_answer": "gold", "support": ""}
    made = [resolve("sciq").instance({**row, "question": f"Q{i}"}, i) for i in range(40)]  # type: ignore[arg-type]
    assert all(i is not None and i.choices[i.gold_answer] == "gold" for i in made)
    assert {i.gold_answer for i in made if i} == {0, 1, 2, 3}
    again = resolve("sciq").instance({**row, "question": "Q7"}, 99)  # type: ignore[arg-type]
    assert again is not None and made[7] is not None and again.choices == made[7].choices


def test_every_benchmark_says_its_licence_source_and_what_it_is() -> None:
    for name in default.task_names():
        if default.resolve(name).__class__.__module__.startswith("weigh.benchmarks"):
            config = resolve(name).config
            assert config.licence and config.source and config.description, name
