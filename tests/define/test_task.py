"""Tasks made ready: ids, digests, few-shot examples that are never scored, limits, and clear refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weigh.define.data import DataSource
from weigh.define.formatters import ChatFormatter, CompletionFormatter
from weigh.define.metrics import AccuracyMetric, PassAtK
from weigh.define.prepared import instance_digest
from weigh.define.registry import Registry
from weigh.define.select import select_positions
from weigh.define.task import Task
from weigh.records.errors import DataError, DefinitionError
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, CompletionRequest
from weigh.score.answer import ExactMatchScorer


class Sums(Task):
    formatter = ChatFormatter()
    metrics = (AccuracyMetric(scorer=ExactMatchScorer),)
    rows: list[Instance] = [Instance(question=f"{i}+{i}?", gold_answer=str(2 * i), id=f"s{i}") for i in range(10)]

    @property
    def instances(self) -> Iterator[Instance]:
        yield from self.rows


def task(cls: type[Task] = Sums, spec: str = "sums", **attributes: Any) -> Task:
    registry = Registry()
    registry.add_task("sums", type("Changed", (cls,), attributes))
    return registry.resolve(spec)


def test_ids_come_from_the_instance_its_metadata_or_its_content() -> None:
    rows = [
        Instance(question="a", id="own", metadata={"id": "other"}),
        Instance(question="b", metadata={"id": 7}),
        Instance(question="c"),
    ]
    prepared = task(rows=rows).prepare()
    assert [i.id for i in prepared.instances] == ["own", "7", instance_digest(rows[2])[:12]]


def test_doubled_ids_are_renamed_in_order_and_said() -> None:
    rows = [Instance(question=q, id="x") for q in ("a", "b", "a")] + [Instance(question="c", id="x#2")]
    prepared = task(rows=rows).prepare()
    assert [i.id for i in prepared.instances] == ["x", "x#2", "x#3", "x#2#2"]
    assert len(prepared.warnings) == 2
    assert "1 doubled ids with the same question" in prepared.warnings[0]
    assert "2 doubled ids with different questions" in prepared.warnings[1]


def test_the_digest_of_an_instance_is_what_is_asked() -> None:
    base = Instance(question="a", gold_answer="b", choices=("b", "c"), inputs={"x": 1})
    same = Instance(
        question="a", gold_answer="b", choices=("b", "c"), inputs={"x": 1}, id="i", cluster="c", metadata={"m": 1}
    )
    assert instance_digest(base) == instance_digest(same)
    for other in ({"question": "z"}, {"gold_answer": "z"}, {"choices": ("b",)}, {"inputs": {"x": 2}}):
        fields = {"question": "a", "gold_answer": "b", "choices": ("b", "c"), "inputs": {"x": 1}, **other}
        assert instance_digest(Instance(**fields)) != instance_digest(base)  # type: ignore[arg-type]


def test_examples_leave_the_scored_set_and_n_says_so() -> None:
    prepared = task(spec="sums:3shot").prepare()
    shown = {e.question for e in prepared.fewshot}
    assert len(shown) == 3 and prepared.total == 7 and prepared.info().num_instances == 7
    assert shown.isdisjoint(i.question for i in prepared.instances)
    assert "3 of 10 questions serve as few-shot examples; n is 7" in prepared.warnings[0]
    request = prepared.render(prepared.instances[0])
    assert isinstance(request, ChatRequest) and len(request.messages) == 7


def test_the_seed_decides_and_fewer_examples_are_the_first_of_more() -> None:
    three, five = task(spec="sums:3shot").prepare(), task(spec="sums:5shot").prepare()
    assert five.fewshot[:3] == three.fewshot == task(spec="sums:3shot").prepare().fewshot
    assert task(spec="sums:3shot::fewshot_seed=5").prepare().fewshot != three.fewshot


def test_examples_from_a_source_are_never_questions_that_are_scored(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "answer": str(i)} for i in range(8)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows[:5]))
    # Overlaps with the test file in three questions, one of them with another answer.
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in [*rows[3:], {"question": "q0", "answer": "x"}])
    )

    class Overlap(Task):
        data_source = DataSource(str(tmp_path), split="test")
        fewshot_split = "train"
        metrics = Sums.metrics

    prepared = task(Overlap, "sums:3shot").prepare()
    assert {e.question for e in prepared.fewshot} == {"q5", "q6", "q7"} and prepared.total == 5
    with pytest.raises(DataError, match=r"4 few-shot examples asked for, .* train has 3 that are not scored"):
        task(Overlap, "sums:4shot").prepare()


def test_written_examples_come_first_and_their_questions_are_not_scored() -> None:
    fixed = (Instance(question="1+1?", gold_answer="2"), Instance(question="never asked", gold_answer="x"))
    prepared = task(spec="sums:2shot", fewshot_examples=fixed).prepare()
    assert prepared.fewshot == fixed and prepared.total == 9
    with pytest.raises(DataError, match="3 examples asked for, its fewshot_examples has 2"):
        task(spec="sums:3shot", fewshot_examples=fixed).prepare()


@pytest.mark.parametrize("count", [10, 11, 500])
def test_examples_that_cannot_be_had_are_an_error_never_zero_shot(count: int) -> None:
    with pytest.raises(DataError, match=f"{count} few-shot examples asked for"):
        task(spec=f"sums:{count}shot").prepare()


def test_a_copy_of_an_example_leaves_too() -> None:
    rows = [*Sums.rows, *Sums.rows]
    prepared = task(spec="sums:3shot", rows=rows).prepare()
    assert prepared.total == 14
    assert {e.question for e in prepared.fewshot}.isdisjoint(i.question for i in prepared.instances)


def test_what_shapes_requests_is_in_the_digest_and_scorers_are_not() -> None:
    base = task().prepare().digest
    assert task(metrics=(AccuracyMetric("substring"),)).prepare().digest == base
    assert task(description="x", licence="y").prepare().digest == base
    for spec in ("sums:1shot", "sums:completion", "sums::sampling_params.temperature=1", "sums::instruction=Hi"):
        assert task(spec=spec).prepare().digest != base
    assert task(rows=Sums.rows[1:]).prepare().digest != base
    assert task(version="2").prepare().digest != base


def test_empty_data_and_wrong_instances_are_told() -> None:
    with pytest.raises(DataError, match="task 'sums': the data set is empty"):
        task(rows=[]).prepare()
    with pytest.raises(DefinitionError, match="yielded dict, not Instance"):
        task(rows=[{"question": "a"}]).prepare()

    class Broken(Sums):
        @property
        def instances(self) -> Iterator[Instance]:
            yield Instance(question="a")
            yield Instance(question={}["nope"])

    with pytest.raises(DataError, match=r"task 'sums': instance 2: KeyError: 'nope' \(.*test_task\.py:\d+\)"):
        task(Broken).prepare()
    with pytest.raises(DefinitionError, match="has no metrics"):
        task(metrics=()).prepare()
    with pytest.raises(DefinitionError, match="no data_source"):
        registry = Registry()
        registry.add_task("bare", type("Bare", (Task,), {"metrics": Sums.metrics}))
        registry.resolve("bare").prepare()


def test_a_row_without_the_field_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "a", "answer": "b"}\n{"query": "a"}\n')

    class FromFile(Task):
        data_source = DataSource(str(tmp_path / "a.jsonl"))
        metrics = Sums.metrics

    with pytest.raises(DataError, match=r"task 'sums': .*a\.jsonl, row 2: no field 'question'"):
        task(FromFile).prepare()


def test_clusters_come_from_a_field() -> None:
    rows = [Instance(question=str(i), metadata={"passage": i // 2}) for i in range(4)]
    assert [i.cluster for i in task(rows=rows, cluster_field="passage").prepare().instances] == ["0", "0", "1", "1"]
    with pytest.raises(DataError, match="no metadata 'chapter', its cluster_field"):
        task(rows=rows, cluster_field="chapter").prepare()


def test_sampling_is_the_tasks_unless_asked_otherwise() -> None:
    prepared = task().prepare(seed=5, temperature=0.7, max_tokens=9)
    request = prepared.render(prepared.instances[0])
    assert isinstance(request, ChatRequest)
    assert (request.sampling.seed, request.sampling.temperature, request.sampling.max_tokens) == (5, 0.7, 9)


def test_metrics_tell_what_to_compute() -> None:
    metrics = (AccuracyMetric("code"), PassAtK("code", k=2), AccuracyMetric("code", name="solved"))
    info = task(metrics=metrics).prepare().info().metrics
    assert [(m.name, m.scorer, m.reduce) for m in info] == [
        ("code", "code", "mean"),
        ("pass@2:code", "code", "pass@2"),
        ("solved", "code", "mean"),
    ]
    with pytest.raises(DefinitionError, match="whole number from 1"):
        PassAtK("code", k=0)
    with pytest.raises(DefinitionError, match="two metrics have the same name"):
        task(metrics=(AccuracyMetric("code"), AccuracyMetric("code"))).prepare()


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(None, list(range(20))), (3, [0, 1, 2]), ("3", [0, 1, 2]), ("5-7", [4, 5, 6]), (0.1, [0, 1]), ("0.11", [0, 1, 2]),
     ("1.0", list(range(20))), (99, list(range(20))), ("18-99", [17, 18, 19])],
)  # fmt: skip
def test_limits(limit: Any, expected: list[int]) -> None:
    assert select_positions(20, limit) == expected


@pytest.mark.parametrize("limit", [0, -3, "x", "7-5", "0-3", 1.5, True])
def test_limits_that_are_none(limit: Any) -> None:
    with pytest.raises(DefinitionError, match="neither a number"):
        select_positions(20, limit)


def test_a_larger_limit_contains_a_smaller_one_shuffled_or_not() -> None:
    small, large = (set(select_positions(100, n, shuffle=True, seed=3)) for n in (10, 30))
    assert small < large and small != set(range(10))
    prepared = task(spec="sums::limit=2").prepare()
    assert [p for p, _ in prepared.select()] == [0, 1] and len(prepared.select(5)) == 5


def test_unicode_and_very_long_questions_pass_unchanged() -> None:
    rows = [Instance(question="ä𝔘\u0000{curly} %s " + "x" * 1_000_000, gold_answer="é")]
    prepared = task(rows=rows, formatter=CompletionFormatter()).prepare()
    request = prepared.render(prepared.instances[0])
    assert isinstance(request, CompletionRequest) and rows[0].question in request.prompt
