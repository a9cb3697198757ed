from __future__ import annotations

import pytest

from weigh.records.errors import DefinitionError, Failure
from weigh.score.answer import ExactMatchScorer, F1Scorer, NumericScorer, RegexScorer, SubstringScorer
from weigh.score.extract import find_answer
from weigh.score.number import parse_number


@pytest.mark.parametrize(
    ("text", "gold", "options", "value"),
    [
        ("Paris", "Paris", {}, 1),
        (" Paris\n", "Paris", {}, 1),
        ("New  York", "New York", {}, 1),
        ("paris", "Paris", {}, 0),
        ("Paris.", "Paris", {}, 0),
        ("paris", "Paris", {"ignore_case": True}, 1),
        ("Paris.", "Paris", {"ignore_punctuation": True}, 1),
        ("the cat", "cat", {"ignore_articles": True}, 1),
        (" Paris", "Paris", {"strip": False}, 0),
        ("cafe\u0301", "café", {}, 1),
        ("Paris", ["Lutetia", "Paris"], {}, 1),
        ("4", 4, {}, 1),
        ("", "Paris", {}, 0),
        ("<think>Rome? No.</think>\nParis", "Paris", {}, 1),
    ],
)
async def test_exact_match(said, text, gold, options, value):
    score = await ExactMatchScorer(**options).score(said(text, gold))
    assert score.value == value


async def test_the_gold_index_of_a_choice_means_its_text(said):
    context = said("Rome", 1, choices=("Paris", "Rome"))
    assert (await ExactMatchScorer().score(context)).value == 1


async def test_no_gold_answer_is_a_failure_and_no_score(said):
    with pytest.raises(Failure, match="no gold answer"):
        await ExactMatchScorer().score(said("Paris", None))


@pytest.mark.parametrize(
    ("text", "gold", "options", "value"),
    [
        ("It is Paris, I think", "paris", {}, 1),
        ("a party", "art", {}, 0),
        ("a party", "art", {"whole_words": False}, 1),
        ("costs $5.", "$5", {}, 1),
    ],
)
async def test_substring(said, text, gold, options, value):
    assert (await SubstringScorer(**options).score(said(text, gold))).value == value


async def test_an_empty_gold_answer_is_found_in_nothing(said):
    with pytest.raises(Failure):
        await SubstringScorer().score(said("anything", " "))


async def test_regex(said):
    assert (await RegexScorer(pattern=r"\d{4}").score(said("in 1984"))).answer == "1984"
    assert (await RegexScorer(pattern=r"\d{4}", full=True).score(said("in 1984"))).value == 0
    assert (await RegexScorer().score(said("colour", r"colou?r"))).value == 1
    with pytest.raises(DefinitionError, match="pattern"):
        RegexScorer(pattern="(")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        ("-3.5", -3.5),
        ("1,234,567.8", 1234567.8),
        ("3/4", 0.75),
        ("1 1/2 cups", 1.5),
        ("$1,000", 1000),
        ("-$5", -5),
        ("5%", 5),
        ("12 km", 12),
        ("1e3", 1000),
        (r"\frac{3}{4}", 0.75),
        ("7-3 = 4", 4),
        ("7-3", 3),
        ("−7", -7),
        (".5", 0.5),
        ("1/0", None),
        ("1e999", None),
        ("none", None),
        ("", None),
        ("1,2,3", 3),
        ("340\u202f200", 340200),
        ("1\u00a0234\u2009567", 1234567),
        ("from 340 200", 200),
    ],
)
def test_parse_number(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize(
    ("text", "gold", "options", "value"),
    [
        ("2 + 2 = 4, so the answer is 4.", 4, {}, 1),
        ("The answer is 4. I checked 17 times.", "4", {}, 1),
        ("steps 1 2 3\n#### 1,200", "1200", {}, 1),
        (r"thus \boxed{72} of 100", 72, {}, 1),
        ("3.1416", 3.14159, {}, 0),
        ("3.1416", 3.14159, {"tolerance": 1e-3}, 1),
        ("99", 100, {"relative": 0.01}, 1),
        ("no idea", 4, {}, 0),
        ("Answer: id\n23", 23, {}, 1),
        ("csvstat says 340200\n\nAnswer: see above", 340200, {}, 1),
        ("It is 5.\nAnswer: 4", 5, {}, 0),
        ("so \\boxed{x}, which makes 7", 7, {}, 1),
        ("Answer: none.\nBut 23", 23, {"extract": "answer_is"}, 0),
        ("I think\n#### 18", "She sells 9 * 2 = 18\n#### 18", {}, 1),
    ],
)
async def test_numeric(said, text, gold, options, value):
    assert (await NumericScorer(**options).score(said(text, gold))).value == value


async def test_a_gold_answer_that_is_no_number_is_a_failure(said):
    with pytest.raises(Failure, match="is no number"):
        await NumericScorer().score(said("4", "four"))


async def test_f1_counts_words_as_often_as_they_occur(said):
    assert (await F1Scorer().score(said("the cat sat", "A cat sat down"))).value == pytest.approx(0.8)
    assert (await F1Scorer().score(said("cat cat cat", "cat"))).value == pytest.approx(0.5)
    assert (await F1Scorer().score(said("dog", ["cat", "dog"]))).value == 1
    assert (await F1Scorer().score(said("", "cat"))).value == 0


@pytest.mark.parametrize(
    ("rule", "text", "found"),
    [
        ("all", " x ", "x"),
        ("last_line", "a\n\nb\n", "b"),
        ("first_line", "\n a\nb", "a"),
        ("after:####", "x #### 7\nmore", "7"),
        ("after:####", "x", None),
        ("answer_is", "The answer is **3.14**.", "3.14"),
        ("answer_is", "Answer: blue. Because it is.", "blue"),
        ("boxed", r"\boxed{\frac{1}{2}} or", r"\frac{1}{2}"),
        ("boxed", r"\boxed{1", None),
        ("number", "1 or 2", "2"),
        ("code", "Sure:\n```python\nx = 1\n```\nDone", "x = 1"),
        (r"regex:<(\w+)>", "<a> <b>", "b"),
        (("after:####", "last_line"), "a\nb", "b"),
    ],
)
def test_extract(rule, text, found):
    assert find_answer(text, rule) == found


def test_an_unknown_extract_rule_names_the_closest():
    with pytest.raises(DefinitionError, match="last_line"):
        find_answer("x", "lastline")


def test_the_digest_changes_with_the_settings_and_only_with_them():
    assert ExactMatchScorer().digest() == ExactMatchScorer().digest()
    assert ExactMatchScorer().digest() != ExactMatchScorer(ignore_case=True).digest()
    assert ExactMatchScorer().digest() != SubstringScorer().digest()
