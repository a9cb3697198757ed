"""Scorers of the way there, on trajectories written by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.score.conftest import Context
from weigh.records.errors import DefinitionError
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Output, ToolCall
from weigh.records.score import Score
from weigh.records.trajectory import Observation, Step, Trajectory
from weigh.score.guard import no_match_scores, score_trial
from weigh.score.trajectory import (
    EfficiencyScorer,
    ExpectedCall,
    MalformedCallsScorer,
    RepeatedCallsScorer,
    ToolArgumentsScorer,
    ToolCalledScorer,
    ToolNotCalledScorer,
    ToolOrderScorer,
)


def went(*calls: tuple[str, dict[str, Any]] | ToolCall, inputs: dict[str, Any] | None = None) -> Context:
    """A trial that made these calls, one a turn, and then answered."""
    made = [
        c if isinstance(c, ToolCall) else ToolCall(id=f"c{i}", name=c[0], arguments=c[1]) for i, c in enumerate(calls)
    ]
    steps = [
        Step(source="model", tool_calls=(c,), observations=(Observation(call_id=c.id, tool=c.name),)) for c in made
    ]
    trajectory = Trajectory(
        request=ChatRequest(messages=()),
        output=Output(text="done"),
        steps=(Step(source="user"), *steps, Step(source="model", message="done")),
    )
    return Context(Instance(id="1", inputs=inputs or {}), trajectory)


def scored(scorer: Any, context: Context) -> Score:
    return asyncio.run(score_trial([scorer], context))[scorer.name]


READ, EDIT, BASH = ("read", {"path": "a"}), ("edit", {"path": "a"}), ("bash", {"command": "ls"})


@pytest.mark.parametrize(
    ("scorer", "value"),
    [
        (ToolCalledScorer(tools=("read",)), 1),
        (ToolCalledScorer(tools=("read", "python")), 0),
        (ToolCalledScorer(tools=("read", "python"), any=True), 1),
        (ToolCalledScorer(tools=("read",), least=2), 0),
        (ToolNotCalledScorer(tools=("python",)), 1),
        (ToolNotCalledScorer(tools=("bash",)), 0),
        (ToolNotCalledScorer(), 0),
        (ToolOrderScorer(tools=("read", "bash")), 1),
        (ToolOrderScorer(tools=("bash", "read")), 0),
        (ToolOrderScorer(tools=("read", "read")), 0),
        (ToolOrderScorer(tools=("read", "edit", "bash"), exact=True), 1),
        (ToolOrderScorer(tools=("read", "bash"), exact=True), 0),
    ],
)
def test_tools_called_not_called_and_in_order(scorer: Any, value: float) -> None:
    assert scored(scorer, went(READ, EDIT, BASH)).value == value


def test_a_trial_without_calls() -> None:
    assert scored(ToolNotCalledScorer(), went()).value == 1
    assert scored(ToolCalledScorer(tools=("read",)), went()).value == 0
    assert scored(RepeatedCallsScorer(), went()).value == 0


def test_a_single_answer_may_hold_calls_too() -> None:
    output = Output(tool_calls=(ToolCall(id="1", name="read"),))
    context = Context(Instance(id="1"), Trajectory(request=ChatRequest(messages=()), output=output))
    assert scored(ToolCalledScorer(tools=("read",)), context).value == 1


CITY = ("weather", {"city": " Rome ", "days": 3})


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ({"city": "Rome"}, 1),
        ({"city": "Rome", "days": 3.0}, 1),
        ({"city": "Paris"}, 0),
        ({"city": "Rome", "unit": "C"}, 0),
        ({"city": {"any_of": ["Roma", "Rome"]}}, 1),
        ({"city": {"regex": "^ ?R"}}, 1),
        ({"days": True}, 0),
    ],
)
def test_arguments_match(expected: dict[str, Any], value: float) -> None:
    call = ExpectedCall(name="weather", arguments=expected)
    assert scored(ToolArgumentsScorer(calls=(call,)), went(BASH, CITY)).value == value


def test_each_expected_call_takes_a_call_of_its_own_the_best_way() -> None:
    loose = {"name": "f", "arguments": {}}
    tight = {"name": "f", "arguments": {"x": 1}}
    context = went(("f", {"x": 1}), ("f", {"x": 2}), inputs={"calls": [loose, tight]})
    assert scored(ToolArgumentsScorer(), context).value == 1
    assert scored(ToolArgumentsScorer(ordered=True), context).value == 0
    only = went(("f", {"x": 1}), inputs={"calls": [loose, tight]})
    score = scored(ToolArgumentsScorer(partial=True), only)
    assert score.value == 0.5 and sum(score.metadata["found"]) == 1


def test_what_is_not_expected_may_be_forbidden() -> None:
    call = ExpectedCall(name="weather", arguments={"city": "Rome"})
    assert scored(ToolArgumentsScorer(calls=(call,), extra=False), went(BASH, CITY)).value == 0
    assert scored(ToolArgumentsScorer(calls=(call,), strict=True), went(CITY)).value == 0
    assert scored(ToolArgumentsScorer(extra=False), went(BASH, inputs={"calls": []})).value == 0
    assert scored(ToolArgumentsScorer(extra=False), went(inputs={"calls": []})).value == 1


@pytest.mark.parametrize(("calls", "value"), [((), 1.0), ((READ,), 1.0), ((READ, EDIT, BASH), 0.5)])
def test_efficiency_is_reference_over_taken(calls: tuple[Any, ...], value: float) -> None:
    assert scored(EfficiencyScorer(reference=2), went(*calls)).value == value


def test_efficiency_may_count_calls_and_needs_a_reference() -> None:
    assert scored(EfficiencyScorer(unit="tool_calls"), went(READ, EDIT, inputs={"reference_steps": 1})).value == 0.5
    assert scored(EfficiencyScorer(), went()).error is not None


def test_repeats_and_malformed_calls_are_counted() -> None:
    broken = ToolCall(id="x", name="bash", raw='{"command": ')
    context = went(BASH, READ, BASH, BASH, broken)
    assert scored(RepeatedCallsScorer(), context).value == 2
    assert scored(MalformedCallsScorer(), context).value == 1
    scorer = MalformedCallsScorer()
    assert scorer.lower_is_better and scorer.bounds is None
    assert no_match_scores([scorer], "timeout")["malformed_calls"].value is None


def test_a_call_the_toolbox_could_not_make_is_malformed() -> None:
    call = ToolCall(id="1", name="bsh")
    seen = Observation(call_id="1", tool="bsh", is_error=True, metadata={"malformed": "name"})
    step = Step(source="model", tool_calls=(call,), observations=(seen,))
    trajectory = Trajectory(request=ChatRequest(messages=()), output=Output(), steps=(step,))
    assert scored(MalformedCallsScorer(), Context(Instance(id="1"), trajectory)).value == 1


def test_settings_that_mean_nothing_are_refused() -> None:
    for scorer in (ToolCalledScorer, ToolOrderScorer):
        with pytest.raises(DefinitionError, match="tools="):
            scorer()
    assert scored(ToolArgumentsScorer(), went(BASH)).error is not None
    assert scored(ToolArgumentsScorer(), went(BASH, inputs={"calls": [{"tool": "x"}]})).error is not None
