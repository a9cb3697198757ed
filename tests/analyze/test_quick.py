"""What is found by a short cut is what the long way gives, to the last digit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from weigh.analyze import exact_power as quick
from weigh.analyze.exact_power import (
    EXACT_QUESTIONS,
    mcnemar_power,
    mcnemar_questions,
    questions_needed,
    rejections,
)
from weigh.analyze.mcnemar import critical_losses
from weigh.analyze.pair_means import ALL_PAIRS, FEW_KINDS, pair_means


def asked_each_time(win: float, loss: float, alpha: float, power: float) -> float:
    """The search as one would write it down."""
    rough = questions_needed(win - loss, win + loss - (win - loss) ** 2, alpha, power)
    if rough > EXACT_QUESTIONS:
        return rough
    low, high = 0, max(16, math.ceil(rough))
    while mcnemar_power(high, win, loss, alpha) < power:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if mcnemar_power(middle, win, loss, alpha) < power else (low, middle)
    return float(high)


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01])
@pytest.mark.parametrize("n", [12, 57, 200])
def test_the_questions_needed_are_those_of_asking_for_the_power_each_time(n: int, alpha: float) -> None:
    counts = [(ups, downs) for ups in range(0, n, max(1, n // 9)) for downs in range(0, n - ups, max(1, n // 7))]
    counts += [(n, 0), (n // 3, n - n // 3)]  # where the table would have a logarithm of 0
    asked = [(ups / n, downs / n) for ups, downs in counts if ups != downs]
    for win, loss in asked:
        for power in (0.8, 0.9):
            assert mcnemar_questions(win, loss, alpha, power) == asked_each_time(win, loss, alpha, power), (win, loss)


def test_many_questions_are_found_as_well() -> None:
    for win, loss in ((0.2, 0.182), (0.013, 0.007), (0.5, 0.46)):
        expected = asked_each_time(win, loss, 0.05, 0.8)
        assert 2000 < expected < 20_000 and mcnemar_questions(win, loss, 0.05, 0.8) == expected


@pytest.mark.parametrize("rate", [0.5, 0.731, 0.02, 0.9999])
def test_the_table_of_a_search_is_off_by_far_less_than_what_counts_as_close(rate: float) -> None:
    from scipy.special import bdtr

    m = np.arange(3001)
    k = critical_losses(m, 0.05)
    assert set(np.diff(k).tolist()) == {0, 1}  # what the table's steps rest on
    expected = np.where(k >= 0, bdtr(np.maximum(k, 0.0), m, rate) + bdtr(np.maximum(k, 0.0), m, 1 - rate), 0.0)
    assert np.abs(rejections(3000, rate, 0.05) - expected).max() < quick.CLOSE / 1000


def test_a_power_too_close_to_call_is_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = mcnemar_power(300, 0.2, 0.1)
    asked: list[int] = []

    def answer(n: int, *_: float) -> float:
        asked.append(n)
        return exact

    monkeypatch.setattr(quick, "mcnemar_power", answer)
    powers = quick._Powers(0.2, 0.1, 0.05)
    assert not powers.below(exact, 300) and powers.below(exact + 1e-9, 300) and asked == [300, 300]
    assert powers.below(exact + 1e-6, 300) and not powers.below(exact - 1e-6, 300) and asked == [300, 300]


def numbers(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    return {
        "normal": rng.normal(0.3, 1, n),
        "long tail": rng.standard_cauchy(n) * 1e6,
        "whole": rng.integers(-2000, 2000, n).astype(float),
        "few kinds": rng.integers(-3, 4, n) / 3,
        "one kind": np.full(n, 0.1),
        "mostly one": np.where(rng.random(n) < 0.1, rng.normal(size=n), 0.25),
        "far apart": np.where(rng.random(n) < 0.5, 1e9, -1e9) + rng.normal(size=n),
        "hardly apart": 1e6 + rng.integers(0, 500, n) * 2.0**-33,
    }[kind]  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, ALL_PAIRS, ALL_PAIRS + 1, 1200])
@pytest.mark.parametrize(
    "kind", ["normal", "long tail", "whole", "few kinds", "one kind", "mostly one", "far apart", "hardly apart"]
)
def test_places_among_the_means_of_pairs_are_those_of_sorting_them(kind: str, n: int, rng: np.random.Generator) -> None:
    values = numbers(kind, n, rng)
    row, column = np.triu_indices(n)
    means = np.sort((values[row] + values[column]) / 2)
    shares = (0, 1e-5, 0.02, 0.25, 0.48, 0.5, 0.53, 0.9, 0.999, 1)
    places = [round(share * (means.size - 1)) for share in shares]
    assert pair_means(values, places) == means[places].tolist()


def test_both_short_ways_to_the_means_of_pairs_were_asked(rng: np.random.Generator) -> None:
    assert np.unique(numbers("few kinds", 1200, rng)).size <= FEW_KINDS < np.unique(numbers("whole", 1200, rng)).size
