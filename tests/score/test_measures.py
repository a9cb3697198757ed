"""What a trial took, from its record."""

from __future__ import annotations

from typing import Any

import pytest

from tests.score.trips import Made, trip
from weigh.records.actions import actions_of
from weigh.records.instance import Instance
from weigh.records.measures import answer_call, measure, recoveries
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Attempt, Timing, Trial


def trial(trajectory: Trajectory | None, gold: Any = None, **timing: float) -> Trial:
    return Trial(
        id="t", run="r", key="k", arm="a", task="t", instance=Instance(id="1", gold_answer=gold), instance_digest="d",
        status="ok", trajectory=trajectory, timing=Timing(started=1.0, total=9.0, **timing),
        attempts=(Attempt(started=1.0, seconds=9.0),),
    )  # fmt: skip


BAD: Made = ("bash", {"command": "x"}, "no", True)
GOOD: Made = ("bash", {"command": "y"}, "yes")
READ: Made = ("read", {"path": "a.py"}, "text")


def test_a_trial_in_numbers() -> None:
    made = measure(
        trial(
            trip(
                BAD,
                ("bash", {"command": "tool --help && cat b.md"}, "usage"),
                READ,
                READ,
                ("write", {"path": "c.py", "content": "x"}, "ok"),
                ("bash", {"command": "python c.py > out.txt"}, "the answer: Positive!"),
            ),
            gold="POSITIVE",
            model=6.0,
        )
    )
    assert (made.turns, made.tool_calls, made.tool_errors, made.recoveries) == (7, 6, 1, 1)
    assert (made.answer_call, made.help) == (6, 1)
    assert made.files_read == ("b.md", "a.py") and made.files_written == ("c.py", "out.txt")
    assert (made.seconds, made.model_seconds, made.tool_seconds) == (9.0, 6.0, None)


def test_a_trial_without_a_trajectory_knows_only_its_times() -> None:
    made = measure(trial(None, model=1.0))
    assert (made.turns, made.tool_calls, made.tool_errors, made.help) == (None, None, None, None)
    assert made.seconds == 9.0


@pytest.mark.parametrize(
    ("calls", "count"),
    [((BAD, GOOD), 1), ((BAD, BAD, GOOD), 1), ((BAD, GOOD, BAD, GOOD), 2), ((BAD, READ), 0), ((GOOD, BAD), 0)],
)
def test_recoveries_are_counted_by_streaks_of_one_kind(calls: tuple[Made, ...], count: int) -> None:
    assert recoveries(actions_of(trip(*calls))) == count


@pytest.mark.parametrize(
    ("gold", "text", "there"),
    [
        ("positive", "label: POSITIVE", True),
        ("4", "42", False),
        ("4", "it is 4.", True),
        ("4", "4.5", False),
        ("4", "1.4", False),
        (4, "= 4", True),
        ("two words", "two\n  words", True),
        ("cat", "concatenate", False),
        (["no", "cat"], "a cat", True),
        ("$5", "costs $5", True),
        (None, "None", False),
    ],
)
def test_an_answer_is_found_where_it_stands_by_itself(gold: Any, text: str, there: bool) -> None:
    found = answer_call(actions_of(trip(("bash", {"command": "x"}, text))), Instance(id="1", gold_answer=gold))
    assert (found == 1) is there


def test_a_choice_given_by_its_place_is_its_text() -> None:
    instance = Instance(id="1", gold_answer=1, choices=("cat", "dog"))
    assert answer_call(actions_of(trip(("bash", {}, "a dog"))), instance) == 1
    assert answer_call(actions_of(trip(("bash", {}, "1"))), instance) is None
