"""These tasks: epochs permuted within each question."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from weigh.analyze.scope import compare_given


def brute(a: list[list[float]], b: list[list[float]]) -> float:
    """All relabellings, question by question."""
    options = []
    for x, y in zip(a, b, strict=True):
        pool = [*x, *y]
        found = []
        for chosen in combinations(range(len(pool)), len(y)):
            inside = [pool[i] for i in chosen]
            outside = [pool[i] for i in range(len(pool)) if i not in chosen]
            found.append(np.mean(inside) - np.mean(outside))
        options.append(found)
    observed = abs(sum(np.mean(y) - np.mean(x) for x, y in zip(a, b, strict=True)))
    return float(np.mean([abs(sum(parts)) >= observed - 1e-9 for parts in product(*options)]))


def test_a_collapse_on_one_task_is_shown() -> None:
    made = compare_given([[1, 1, 1, 1]], [[0, 0, 0, 0]])
    assert made.p == pytest.approx(2 / 70) and made.verdict == "worse"
    assert made.low < -0.4 and made.high < 0 and made.scope == "these tasks"


def test_one_binary_question_is_fishers_exact_test_by_distance() -> None:
    made = compare_given([[1, 1, 0, 0, 0, 0]], [[1, 1, 1, 1, 1, 0]])
    assert made.p == pytest.approx(stats.fisher_exact([[2, 4], [5, 1]]).pvalue, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_exact_against_all_relabellings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.random((2, 2, 4)) < 0.5).astype(float).tolist()
    assert compare_given(a, b).p == pytest.approx(brute(a, b), abs=1e-9)
    x, y = rng.normal(size=(2, 2, 4)).round(2).tolist()
    assert compare_given(x, y).p == pytest.approx(brute(x, y), abs=1e-9)
    ragged_a, ragged_b = [[1, 0, 1, 0, 0], [0, 0, 1, 0]], [[1, 1, 1, 0], [1, 1, 0, 1, 1]]
    assert compare_given(ragged_a, ragged_b).p == pytest.approx(brute(ragged_a, ragged_b), abs=1e-9)


def test_monte_carlo_and_normal_agree_with_each_other(rng: np.random.Generator) -> None:
    a, b = rng.normal(0, 1, (40, 5)), rng.normal(0.15, 1, (40, 5))
    made = compare_given(a.tolist(), b.tolist())
    pools = np.hstack((a, b))
    z = (b.mean() - a.mean()) * 40 / np.sqrt(np.sum(pools.var(axis=1, ddof=1) * 0.4))
    assert made.method.endswith("Monte-Carlo") and made.p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.02)
    many = compare_given(np.tile(a, (60, 1)).tolist(), np.tile(b, (60, 1)).tolist())
    assert many.method.endswith("normal") and many.verdict == "better"


def test_the_verdict_follows_the_test_at_any_number_of_epochs() -> None:
    few = compare_given([[1, 1, 1]], [[0, 0, 0]])
    assert few.verdict == "unresolved" and few.p == pytest.approx(0.1)
    assert few.reason.startswith("so few epochs cannot reach p = 0.05 (at best 0.100)")
    several = compare_given([[1, 1, 1]] * 5, [[0, 0, 0]] * 5)
    assert several.verdict == "worse" and several.p == pytest.approx(2 / 20**5)


def test_a_question_asked_once_takes_no_verdict_away_from_the_others() -> None:
    a, b = [[0.0] * 8] * 3, [[1.0] * 8] * 3
    alone = compare_given(a, b)
    beside = compare_given([*a, [0.0], [1.0]], [*b, [0.0], [1.0]])
    assert alone.verdict == beside.verdict == "better" and beside.p == pytest.approx(alone.p)
    # Asked once and come out differently, it has its say: as likely the other way round.
    against = compare_given([*a, [1.0]], [*b, [0.0]])
    assert against.p > alone.p and against.p == pytest.approx(brute_counts(8, 3))


def brute_counts(epochs: int, questions: int) -> float:
    """p of `questions` questions won outright and one that was asked once and lost."""
    sums = [(k / epochs * 2 - 1, math.comb(epochs, k) ** 2 / math.comb(2 * epochs, epochs)) for k in range(epochs + 1)]
    whole = {0.0: 1.0}
    for part in [*[sums] * questions, [(1.0, 0.5), (-1.0, 0.5)]]:
        next_: dict[float, float] = {}
        for (x, p), (y, q) in product(whole.items(), part):
            next_[round(x + y, 9)] = next_.get(round(x + y, 9), 0.0) + p * q
        whole = next_
    return sum(p for x, p in whole.items() if abs(x) >= questions - 1 - 1e-9)


@pytest.mark.parametrize(("chance_a", "chance_b"), [(0.5, 0.5), (0.4, 0.6), (0.05, 0.2)])
def test_many_questions_of_few_epochs_have_an_interval_that_holds(
    rng: np.random.Generator, chance_a: float, chance_b: float
) -> None:
    held = 0
    for _ in range(400):
        a, b = rng.random((24, 4)) < chance_a, rng.random((24, 4)) < chance_b
        made = compare_given(a.astype(float).tolist(), b.astype(float).tolist())
        held += made.low <= chance_b - chance_a <= made.high
    assert held / 400 > 0.92  # 0.85 by square-and-add alone, at chances about one half


def test_one_question_keeps_the_interval_of_newcombe() -> None:
    made = compare_given([[1, 1, 0, 0, 0, 0, 0, 0]], [[1, 1, 1, 1, 1, 1, 1, 0]])
    # Newcombe's method 10 for 7 of 8 against 2 of 8, from the Wilson intervals 0.529-0.978 and 0.071-0.591.
    assert (made.low, made.high) == pytest.approx((0.1395, 0.8309), abs=1e-3)


def test_a_margin_makes_no_difference_a_verdict() -> None:
    same = [[1.0, 1.0, 1.0, 0.0], [1.0] * 4] * 12
    made = compare_given(same, same, margin=0.2)
    assert made.verdict == "equivalent" and made.reason.startswith("within the margin of 0.2 (90 % interval from -0.0")
    assert compare_given(same, same, margin=0.05).verdict == "unresolved"
    assert compare_given(same, same).verdict == "unresolved"
    assert compare_given([row[:3] for row in same], [row[:3] for row in same], margin=0.9).verdict == "unresolved"
    worse = [[0.0, *row[1:]] for row in same]
    assert compare_given(same, worse, margin=0.2).verdict == "worse"
    small = compare_given(same, worse, margin=0.6)
    assert small.verdict == "equivalent" and "smaller than the margin" in small.reason and small.p < 0.05
    with pytest.raises(ValueError, match="larger than 0"):
        compare_given(same, same, margin=0.0)


def test_a_margin_is_not_met_more_often_than_it_should(rng: np.random.Generator) -> None:
    met = 0
    for _ in range(400):
        a, b = rng.random((24, 4)) < 0.4, rng.random((24, 4)) < 0.6
        met += compare_given(a.astype(float).tolist(), b.astype(float).tolist(), margin=0.2).verdict == "equivalent"
    assert met / 400 < 0.085


def test_degenerate_and_refused() -> None:
    assert compare_given([], []).reason == "no question in common"
    same = compare_given([[1] * 4] * 3, [[1] * 4] * 3)
    assert same.p == 1.0 and same.verdict == "unresolved" and same.low < 0 < same.high
    with pytest.raises(ValueError, match="question 1 has no epoch"):
        compare_given([[1] * 4, []], [[1] * 4, [1]])
    with pytest.raises(ValueError, match="nan"):
        compare_given([[float("nan")] * 4], [[1] * 4])
    with pytest.raises(ValueError, match="pair them"):
        compare_given([[1] * 4], [])
    assert compare_given([[9.0] * 4], [[5.0] * 4], lower_is_better=True).verdict == "better"
