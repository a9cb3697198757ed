from __future__ import annotations

import pytest

from weigh.records.errors import Failure
from weigh.score.instruction import InstructionScorer, holds


@pytest.mark.parametrize(
    ("constraint", "yes", "no"),
    [
        ({"kind": "words", "exactly": 3}, "one two three.", "one - two"),
        ({"kind": "words", "min": 2, "max": 3}, "well, yes", "yes"),
        ({"kind": "characters", "max": 5}, "abcde", "abcdef"),
        ({"kind": "lines", "exactly": 2}, "a\n\nb", "a"),
        ({"kind": "paragraphs", "exactly": 2}, "a\nb\n\nc", "a\nb"),
        ({"kind": "sentences", "exactly": 2}, "It is 3.14. Really!", "One only"),
        ({"kind": "bullets", "exactly": 2}, "Here:\n- a\n* b", "- a\n-b"),
        ({"kind": "bullets", "min": 2}, "1. a\n2) b", "1.5 is\n2.5"),
        ({"kind": "include", "texts": ["sea"]}, "The SEA!", "the season"),
        ({"kind": "include", "texts": "sea", "min": 2}, "sea sea", "sea"),
        ({"kind": "include", "texts": ["C++"]}, "I like C++ a lot", "C"),
        ({"kind": "exclude", "texts": ["sea", ","]}, "the season", "a, b"),
        ({"kind": "starts_with", "text": "Dear"}, " dear Sir", "Oh dear"),
        ({"kind": "ends_with", "text": "bye."}, "Good bye.\n", "bye. now"),
        ({"kind": "case", "to": "lower"}, "all ünder 5", "All"),
        ({"kind": "case", "to": "upper"}, "ALL 5", "5"),
        ({"kind": "json", "keys": ["a"]}, '```json\n{"a": 1}\n```', '{"b": 1}'),
        ({"kind": "json"}, "[1, 2]", "{'a': 1}"),
        ({"kind": "quoted"}, '"yes"', '"yes" he said'),
        ({"kind": "regex", "pattern": r"\d{3}"}, "123", "12"),
    ],
)
def test_each_kind(constraint, yes, no):
    assert holds(constraint, yes)
    assert not holds(constraint, no)
    assert not holds(constraint, " \n")


async def test_all_of_them_and_partial(said):
    constraints = [{"kind": "words", "max": 3}, {"kind": "case", "to": "lower"}]
    context = said("one two", inputs={"constraints": constraints})
    assert (await InstructionScorer().score(context)).value == 1
    context = said("One two", inputs={"constraints": constraints})
    score = await InstructionScorer().score(context)
    assert (score.value, score.metadata["kept"], score.explanation) == (0, [True, False], "broken: case")
    assert (await InstructionScorer(partial=True).score(context)).value == 0.5


async def test_loose_forgives_a_preface_and_markdown(said):
    context = said("Sure, here it is:\n**dear all**", inputs={"constraints": [{"kind": "starts_with", "text": "dear"}]})
    assert (await InstructionScorer().score(context)).value == 0
    assert (await InstructionScorer(loose=True).score(context)).value == 1
    assert InstructionScorer(loose=True).name == "instruction:loose"


async def test_a_wrong_constraint_is_a_failure_and_no_score(said):
    for constraint, message in (
        ({"kind": "word"}, "words"),
        ({"kind": "words"}, "lacks"),
        ({"kind": "include"}, "texts"),
    ):
        with pytest.raises(Failure, match=message):
            await InstructionScorer().score(said("x", inputs={"constraints": [constraint]}))
    with pytest.raises(Failure, match="no constraints"):
        await InstructionScorer().score(said("x"))
