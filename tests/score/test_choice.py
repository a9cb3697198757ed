from __future__ import annotations

import math

import pytest

from weigh.records.errors import Failure
from weigh.score.choice import BitsPerByteScorer, ChoiceLetterScorer, ChoiceScorer, find_letter

LONG = " a very long answer indeed"


@pytest.mark.parametrize(
    ("normalization", "value"),
    [("none", 0), ("token", 1), ("character", 1), ("byte", 1), ("unconditional", 1)],
)
async def test_normalisation_decides_between_a_short_and_a_long_choice(weighed, normalization, value):
    context = weighed({" no": (-3.0, 1, -2.0), LONG: (-6.0, 6, -20.0)}, gold=1)
    score = await ChoiceScorer(normalization=normalization).score(context)
    assert score.value == value


def test_the_normalisation_is_in_the_name():
    assert ChoiceScorer().name == "choice"
    assert ChoiceScorer(normalization="byte").name == "choice:byte"
    assert ChoiceScorer(normalization="byte").digest() != ChoiceScorer().digest()


async def test_bytes_and_characters_differ_outside_ascii(weighed):
    context = weighed({" ééé": (-3.0, 3), " eeee": (-3.5, 3)}, gold=0)
    assert (await ChoiceScorer(normalization="byte").score(context)).value == 1
    assert (await ChoiceScorer(normalization="character").score(context)).value == 0


@pytest.mark.parametrize("gold", [1, "B", "dog", [1], ["dog", "cow"]])
async def test_gold_by_index_letter_or_text(weighed, gold):
    context = weighed({" cat": (-2.0, 1), " dog": (-1.0, 1), " cow": (-4.0, 1)}, gold=gold)
    score = await ChoiceScorer().score(context)
    assert score.value == 1
    assert score.answer == "dog"
    assert score.metadata["picked"] == 1
    assert 0 < score.metadata["probability"] < 1


async def test_margin_and_probability(weighed):
    score = await ChoiceScorer().score(weighed({" a1": (-1.0, 1), " b1": (-3.0, 1)}, gold=0))
    assert score.metadata["margin"] == pytest.approx(2.0)
    assert score.metadata["probability"] == pytest.approx(1 / (1 + math.exp(-2)))


async def test_a_tie_is_no_match(weighed):
    score = await ChoiceScorer().score(weighed({" a1": (-1.0, 1), " b1": (-1.0, 1)}, gold=0))
    assert score.value == 0
    assert score.metadata["tie"] is True


@pytest.mark.parametrize("bad", [math.nan, math.inf])
async def test_a_broken_logprob_is_a_failure(weighed, bad):
    with pytest.raises(Failure):
        await ChoiceScorer().score(weighed({" a1": (bad, 1), " b1": (-1.0, 1)}, gold=0))


async def test_missing_continuations_and_wrong_golds_are_failures(weighed, said):
    context = weighed({" a1": (-1.0, 1), " b1": (-2.0, 1)}, gold=7)
    with pytest.raises(Failure, match="names none"):
        await ChoiceScorer().score(context)
    with pytest.raises(Failure, match="no log-prob"):
        await ChoiceScorer().score(said("A", 0))
    with pytest.raises(Failure, match="unconditional"):
        await ChoiceScorer(normalization="unconditional").score(weighed({" a": (-1.0, 1), " b": (-2.0, 1)}, gold=0))


async def test_bits_per_byte(weighed):
    score = await BitsPerByteScorer().score(weighed({" dog": (-4 * math.log(2), 1)}, gold="dog"))
    assert score.value == pytest.approx(1.0)
    assert BitsPerByteScorer().lower_is_better
    assert BitsPerByteScorer().no_match is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("B. Rome", "B"),
        ("**B**", "B"),
        ("**B) Rome**", "B"),
        ("The answer is (B).", "B"),
        ("The answer is B", "B"),
        ("the correct answer is: **B**", "B"),
        ("Answer: B\n\nBecause", "B"),
        (r"so \boxed{B}", "B"),
        ("Let me think.\nIt could be A.\nB", "B"),
        ("First I thought the answer is A, but the answer is B.", "B"),
        ("Rome", "B"),
        ("rome.", "B"),
        ("A bird in the hand", None),
        ("I do not know", None),
        ("The answer is a bird", None),
        ("", None),
        ("A", "A"),
        ("A.", "A"),
        ("option C", "C"),
    ],
)
def test_find_letter(text, letter):
    found = find_letter(text, ("Paris", "Rome", "Bonn", "Oslo"))
    assert (None if found is None else "ABCD"[found]) == letter


async def test_choice_letter(said):
    choices = ("Paris", "Rome")
    assert (await ChoiceLetterScorer().score(said("It is (B).", 1, choices=choices))).value == 0
    assert (await ChoiceLetterScorer().score(said("The answer is (B).", 1, choices=choices))).value == 1
    assert (await ChoiceLetterScorer().score(said("The answer is (D).", 1, choices=choices))).value == 0
