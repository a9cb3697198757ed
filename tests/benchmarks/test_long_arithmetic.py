"""Long arithmetic: the questions are the same every time, their answers right, and a tool answers all of them."""

from __future__ import annotations

import re

from weigh.define.registry import expand
from weigh.score.registry import scorer_by_name


def test_the_questions_are_fixed_and_their_answers_right() -> None:
    _, (task,) = expand(["long_arithmetic"])
    prepared = task.prepare(scorer_by_name=scorer_by_name)
    assert prepared.total == 100 and prepared.capability == "chat"
    assert prepared.instances[0].question == "What is 6305 * 3471?"
    for instance in prepared.instances:
        numbers = [int(n) for n in re.findall(r"\d+", instance.question)]
        value = numbers[0] * numbers[1] if "*" in instance.question else sum(numbers)
        assert instance.gold_answer == str(value)
