from __future__ import annotations

import asyncio
import math
from typing import ClassVar

import pytest

from weigh.protocols import Scorer
from weigh.records.errors import DefinitionError, Error, Failure
from weigh.records.score import Score
from weigh.score.answer import ExactMatchScorer
from weigh.score.base import BaseScorer
from weigh.score.choice import BitsPerByteScorer
from weigh.score.guard import no_match_scores, score_trial
from weigh.score.registry import register_scorer, scorer_by_name, scorer_names


class Gives(BaseScorer, frozen=True, kw_only=True):
    name: str = "gives"
    value: float | None = 1.0

    async def score(self, context):
        return Score(value=self.value)


class Raises(BaseScorer, frozen=True, kw_only=True):
    name: str = "raises"

    async def score(self, context):
        raise ZeroDivisionError("by zero")


class Breaks(BaseScorer, frozen=True, kw_only=True):
    name: str = "breaks"

    async def score(self, context):
        raise Failure(Error(kind="sandbox", message="gone"))


class Hangs(BaseScorer, frozen=True, kw_only=True):
    name: str = "hangs"
    timeout: ClassVar[float | None] = 0.05

    async def score(self, context):
        await asyncio.sleep(30)


class Nothing(BaseScorer, frozen=True, kw_only=True):
    name: str = "nothing"

    async def score(self, context):
        return None


async def test_what_goes_wrong_is_a_failed_score_and_the_others_go_on(said):
    scorers = [ExactMatchScorer(), Raises(), Breaks(), Hangs(), Nothing(), Gives(name="none", value=None)]
    scores = await score_trial(scorers, said("Paris", "Paris"))
    assert scores["exact_match"].value == 1
    failed = {name: score.error for name, score in scores.items() if name != "exact_match"}
    assert all(score.value is None for name, score in scores.items() if name in failed)
    assert {name: (e.kind, e.code) for name, e in failed.items() if e} == {
        "raises": ("scorer", "ZeroDivisionError"),
        "breaks": ("sandbox", None),
        "hangs": ("scorer", "timeout"),
        "nothing": ("scorer", "wrong_type"),
        "none": ("scorer", "no_value"),
    }
    assert "by zero" in failed["raises"].message
    assert "test_guard.py" in failed["raises"].detail
    assert all(scores[s.name].digest == s.digest() for s in scorers)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
async def test_nan_and_infinity_are_no_scores(said, value):
    score = (await score_trial([Gives(value=value)], said("x", "x")))["gives"]
    assert score.value is None
    assert score.error.code == "nan"
    assert score.error.kind == "scorer"


async def test_only_the_scorers_asked_for(said):
    scores = await score_trial({"a": Gives(name="a"), "b": Gives(name="b")}, said("x"), ["b"])
    assert list(scores) == ["b"]


def test_an_outcome_that_is_no_answer_counts_as_no_match():
    scores = no_match_scores([ExactMatchScorer(), BitsPerByteScorer()], "timeout")
    assert scores["exact_match"].value == 0
    assert scores["bits_per_byte"].value is None
    assert "timeout" in scores["bits_per_byte"].explanation


def test_cancelling_is_not_swallowed(said):
    async def main():
        task = asyncio.create_task(score_trial([Hangs()], said("x")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_every_built_in_scorer_follows_the_protocol():
    for name in scorer_names():
        scorer = scorer_by_name(name)
        assert isinstance(scorer, Scorer)
        assert scorer.name == name
        assert scorer.digest()


def test_unknown_names_and_options_get_the_closest():
    with pytest.raises(DefinitionError, match="exact_match"):
        scorer_by_name("exact_mtch")
    with pytest.raises(DefinitionError, match="ignore_cas"):
        scorer_by_name("exact_match", ignore_cas=True)


def test_a_users_own_scorer():
    @register_scorer("test_guard_own")
    class Own(BaseScorer, frozen=True, kw_only=True):
        name: str = "test_guard_own"

        async def score(self, context):
            return Score(value=0.5)

    assert scorer_by_name("test_guard_own") == Own()
    with pytest.raises(DefinitionError, match="no method"):
        register_scorer("bad")(type("Bad", (), {}))
    with pytest.raises(DefinitionError, match="weigh's own"):
        register_scorer("exact_match")(Own)
