"""The confidence sequence: narrow enough, never fooled by peeking, the same whether fed one by one or at once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from weigh.analyze.sequential import ConfidenceSequence, log_wealth


def test_it_settles_on_a_real_difference(rng: np.random.Generator) -> None:
    sequence = ConfidenceSequence()
    d = rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.7, 0.25], size=2000)
    while sequence.decision() == "unresolved":
        sequence.update(d[sequence.n])
    assert sequence.decision() == "better" and sequence.n < 600
    assert sequence.decision(lower_is_better=True) == "worse"


def test_it_finds_equivalence(rng: np.random.Generator) -> None:
    sequence = ConfidenceSequence()
    sequence.update_many(rng.choice([-1.0, 0.0, 1.0], p=[0.02, 0.96, 0.02], size=3000))
    assert sequence.decision(margin=0.05) == "equivalent" and sequence.decision() == "unresolved"
    assert sequence.low < 0 < sequence.high


def test_it_only_narrows(rng: np.random.Generator) -> None:
    sequence, before = ConfidenceSequence(bounds=(-2, 3)), (-2.0, 3.0)
    for value in rng.uniform(-2, 3, 300):
        sequence.update(value)
        assert before[0] <= sequence.low <= sequence.high <= before[1]
        before = (sequence.low, sequence.high)
    assert sequence.low < sequence.mean < sequence.high


def test_peeking_after_every_question_keeps_alpha() -> None:
    rng = np.random.default_rng(3)
    paths = log_wealth(rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=(1500, 1000)))
    wrong = np.mean(paths.max(axis=1) >= math.log(1 / 0.05))
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)
    naive = rng.normal(size=(1500, 1000)).cumsum(axis=1) / np.sqrt(np.arange(1, 1001))
    assert np.mean(np.abs(naive[:, 9:]).max(axis=1) > 1.96) > 0.3, "what looking at z each time would do"


def test_the_path_is_what_the_sequence_does(rng: np.random.Generator) -> None:
    d = rng.choice([-1.0, 0.0, 0.5, 1.0], p=[0.1, 0.5, 0.2, 0.2], size=400)
    first = int(np.argmax(log_wealth(d)[0] >= math.log(1 / 0.05)))
    sequence = ConfidenceSequence()
    sequence.update_many(d[:first])
    assert sequence.decision() == "unresolved"
    sequence.update_many(d[first : first + 25])  # the interval is a grid step wider than the test
    assert sequence.decision() == "better"


def test_refused() -> None:
    sequence = ConfidenceSequence()
    assert sequence.mean is None and sequence.decision() == "unresolved"
    for bad in (1.5, math.nan):
        with pytest.raises(ValueError, match="outside the bounds"):
            sequence.update(bad)
    with pytest.raises(ValueError, match="low < high"):
        ConfidenceSequence(bounds=(1, 0))
    with pytest.raises(ValueError, match="alpha"):
        ConfidenceSequence(alpha=0)


def test_all_wins_and_all_ties() -> None:
    wins = ConfidenceSequence()
    wins.update_many([1.0] * 30)
    assert wins.decision() == "better"
    ties = ConfidenceSequence()
    ties.update_many([0.0] * 400)
    assert ties.low < 0 < ties.high and ties.decision(margin=0.1) == "equivalent"
