"""Judges: what they are asked, how their replies are read, and what becomes of those that cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from weigh.records.errors import DataError, DefinitionError, Failure
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Output, Request
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.usage import Usage
from weigh.score.guard import score_trial
from weigh.score.judge import JudgeScorer
from weigh.score.judge_ask import objects_in
from weigh.score.judge_pairwise import PairwiseScorer
from weigh.score.judge_rubric import Criterion, RubricScorer


@dataclass
class Bench:
    """A score context whose judges answer from a script: a reply for each request, the last one for all further."""

    judges: Mapping[str, list[str] | Callable[[ChatRequest], str]]
    reply: str = "4"
    gold: Any = "four"
    inputs: dict[str, Any] = field(default_factory=dict)
    sandbox: None = None
    asked: list[tuple[str, ChatRequest]] = field(default_factory=list)

    @property
    def instance(self) -> Instance:
        return Instance(id="1", question="What is 2 + 2?", gold_answer=self.gold, inputs=self.inputs)

    @property
    def trajectory(self) -> Trajectory:
        return Trajectory(request=ChatRequest(messages=()), output=Output(text=self.reply))

    def members(self, role: str) -> Mapping[str, str]:
        return {name: f"scripted/{name}" for name in self.judges if name.split("-")[0] == role}

    async def ask(self, role: str, request: Request, *, usable: Callable[[Output], bool] | None = None) -> Output:
        assert isinstance(request, ChatRequest)
        script = self.judges[role]
        number = sum(r == role for r, _ in self.asked)
        self.asked.append((role, request))
        text = script(request) if callable(script) else script[min(number, len(script) - 1)]
        return Output(text=text, usage=Usage(new=10, generated=2, calls=1))

    async def open_sandbox(self) -> Any:
        raise AssertionError("a judge needs no sandbox")

    def score(self, scorer: Any) -> Score:
        return asyncio.run(score_trial([scorer], self))[scorer.name]


def grade(label: str) -> str:
    return f'{{"reason": "so it is", "grade": "{label}"}}'


def last(request: ChatRequest) -> str:
    content = request.messages[-1].content
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize(("said", "value"), [("correct", 1.0), ("incorrect", 0.0), ("Correct ", 1.0)])
def test_a_grade_is_worth_what_the_scorer_says(said: str, value: float) -> None:
    bench = Bench({"judge": [grade(said)]})
    score = bench.score(JudgeScorer())
    assert (score.value, score.error) == (value, None)
    assert score.metadata["votes"][0]["model"] == "scripted/judge"
    assert score.metadata["usage"]["generated"] == 2
    request = bench.asked[0][1]
    assert "What is 2 + 2?" in last(request) and "four" in last(request)
    assert request.response_schema is not None
    assert request.response_schema["properties"]["grade"]["enum"] == ["correct", "incorrect"]


def test_a_scale_becomes_zero_to_one_and_the_grade_is_kept() -> None:
    score = Bench({"judge": ['{"grade": 4, "reason": "good"}']}).score(JudgeScorer(scale=(1, 5)))
    assert score.value == 0.75 and score.metadata["grade"] == "4"


@pytest.mark.parametrize(
    "text",
    [
        'Sure! ```json\n{"grade": "correct"}\n```',
        'I thought {about it}. {"reason": "a {brace}", "grade": "correct"} Done.',
        '<think>{"grade": "incorrect"}</think>{"grade": "correct"}',
        '{"grade": "incorrect"} no, wait: {"grade": "correct"}',
    ],
)
def test_a_verdict_is_found_in_prose(text: str) -> None:
    assert Bench({"judge": [text]}).score(JudgeScorer()).value == 1.0


def test_an_unreadable_reply_is_asked_again_with_what_was_wrong() -> None:
    bench = Bench({"judge": ["It is right.", '{"grade": "perfect"}', grade("correct")]})
    score = bench.score(JudgeScorer())
    assert score.value == 1.0 and score.metadata["votes"][0]["repairs"] == 2
    assert "no JSON object" in last(bench.asked[1][1])
    assert "'perfect'" in last(bench.asked[2][1]) and "correct, incorrect" in last(bench.asked[2][1])


@pytest.mark.parametrize("text", ["It is right.", "{}", '{"grade": null}', '{"grade": ["correct"]}', "{" * 2000, ""])
def test_a_reply_that_stays_unreadable_is_a_failed_score_and_no_zero(text: str) -> None:
    bench = Bench({"judge": [text]})
    score = bench.score(JudgeScorer(repairs=1))
    assert score.value is None
    assert score.error is not None and (score.error.kind, score.error.code) == ("judge", "unreadable")
    assert len(bench.asked) == 2


def test_a_panel_decides_by_majority_and_its_disagreement_is_kept() -> None:
    bench = Bench({"judge": [grade("correct")], "judge-2": [grade("incorrect")], "judge-3": [grade("correct")]})
    score = bench.score(JudgeScorer())
    assert score.value == 1.0
    assert score.metadata["disagreement"] == pytest.approx(1 / 3, abs=1e-3)
    assert [v["said"] for v in score.metadata["votes"]] == ["correct", "incorrect", "correct"]


def test_an_even_panel_that_is_split_says_so() -> None:
    score = Bench({"judge": [grade("correct")], "judge-2": [grade("incorrect")]}).score(JudgeScorer())
    assert (score.value, score.metadata["grade"], score.metadata["tie"]) == (0.5, None, True)


def test_one_unreadable_judge_fails_the_panel() -> None:
    score = Bench({"judge": [grade("correct")], "judge-2": ["hm"]}).score(JudgeScorer())
    assert score.value is None and score.error is not None and "judge-2" in score.error.message


def test_votes_of_one_judge_differ_in_their_seed() -> None:
    bench = Bench({"judge": [grade("correct")]})
    bench.score(JudgeScorer(votes=3, temperature=0.7))
    assert sorted(r.sampling.seed or 0 for _, r in bench.asked) == [0, 1, 2]
    with pytest.raises(DefinitionError, match="temperature"):
        JudgeScorer(votes=3)


def test_a_template_is_strict_and_checked_beforehand() -> None:
    bench = Bench({"judge": [grade("correct")]})
    with pytest.raises(DataError, match="'rubrik' is undefined"):
        JudgeScorer(template="{{ rubrik }}").check(bench)
    with pytest.raises(DefinitionError, match="line 1"):
        JudgeScorer(template="{% if %}").check(bench)
    with pytest.raises(DataError, match="golds"):
        JudgeScorer().check(Bench({}, gold=None))
    JudgeScorer().check(bench)
    assert not bench.asked


def test_editing_a_template_changes_the_scorer_and_its_digest() -> None:
    assert JudgeScorer().digest() != JudgeScorer(template="{{ answer }}").digest() != JudgeScorer(repairs=0).digest()


# Rubrics

RUBRIC = RubricScorer(
    criteria=(
        Criterion(name="right", text="the number is right", weight=3),
        Criterion(name="short", text="it is short"),
        Criterion(name="rude", text="it insults", weight=-2),
    )
)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"right": true, "short": true, "rude": false}', 1.0),
        ('{"right": true, "short": false, "rude": false}', 0.75),
        ('{"right": "yes", "short": "no", "rude": "yes"}', 0.25),
        ('{"right": false, "short": true, "rude": true}', 0.0),
    ],
)
def test_a_rubric_weighs_what_is_met(reply: str, value: float) -> None:
    bench = Bench({"judge": [reply]})
    assert bench.score(RUBRIC).value == pytest.approx(value)
    assert "- right: the number is right" in last(bench.asked[0][1])


def test_a_criterion_left_out_is_asked_for_again() -> None:
    bench = Bench({"judge": ['{"right": true, "short": true}', '{"right": true, "short": true, "rude": false}']})
    assert bench.score(RUBRIC).value == 1.0
    assert "'rude'" in last(bench.asked[1][1])


def test_a_question_may_bring_its_own_rubric() -> None:
    own = [{"name": "polite", "text": "it says please"}]
    assert Bench({"judge": ['{"polite": true}']}, inputs={"rubric": own}).score(RubricScorer()).value == 1.0
    with pytest.raises(Failure, match="no criteria"):
        RubricScorer().check(Bench({}))
    assert Bench({"judge": ["{}"]}, inputs={"rubric": [{"nam": 1}]}).score(RubricScorer()).error is not None


def test_a_panel_decides_each_criterion() -> None:
    one = '{"right": true, "short": true, "rude": false}'
    two = '{"right": true, "short": false, "rude": false}'
    score = Bench({"judge": [one], "judge-2": [two]}).score(RUBRIC)
    assert score.value == pytest.approx((3 + 0.5) / 4)
    assert score.metadata["criteria"] == {"right": 1.0, "short": 0.5, "rude": 0.0}


def test_criteria_need_names_and_something_to_earn() -> None:
    with pytest.raises(DefinitionError, match="different names"):
        RubricScorer(criteria=(Criterion(name="a", text=""), Criterion(name="a", text="")))
    with pytest.raises(DefinitionError, match="weight above 0"):
        RubricScorer(criteria=(Criterion(name="a", text="", weight=-1),))


# Pairs


def prefers(text: str) -> Callable[[ChatRequest], str]:
    """A judge that prefers the answer that holds this text, wherever it stands."""

    def judge(request: ChatRequest) -> str:
        first = last(request).split("<answer_1>")[1].split("</answer_1>")[0]
        return f'{{"better": "{"first" if text in first else "second"}"}}'

    return judge


@pytest.mark.parametrize(
    ("judge", "value", "consistent"),
    [
        (prefers("mine"), 1.0, 1.0),
        (prefers("other"), 0.0, 1.0),
        (lambda request: '{"better": "tie"}', 0.5, 1.0),
        (lambda request: '{"better": "first"}', 0.5, 0.0),
    ],
)
def test_a_pair_is_asked_in_both_orders(judge: Callable[[ChatRequest], str], value: float, consistent: float) -> None:
    bench = Bench({"judge": judge}, reply="mine", gold="other")
    score = bench.score(PairwiseScorer())
    assert (score.value, score.metadata["consistent"]) == (value, consistent)
    assert len(bench.asked) == 2


def test_one_order_is_half_the_price() -> None:
    bench = Bench({"judge": ['{"better": "first"}']}, gold="other")
    assert bench.score(PairwiseScorer(both_orders=False)).value == 1.0
    assert len(bench.asked) == 1


def test_the_other_answer_may_be_an_input_and_has_to_be_there() -> None:
    bench = Bench({"judge": prefers("4")}, gold=None, inputs={"baseline": "5"})
    assert bench.score(PairwiseScorer(against="baseline")).value == 1.0
    error = bench.score(PairwiseScorer(against="nothing")).error
    assert error is not None and "'nothing'" in error.message


def test_objects_are_found_without_quadratic_time() -> None:
    assert objects_in('{"a": {"b": 1}} x {"c": 2}') == [{"a": {"b": 1}}, {"c": 2}]
    assert objects_in("{not json} []") == []
