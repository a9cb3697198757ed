"""The gate and families of comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from weigh.analyze.family import correct_comparisons
from weigh.analyze.gate import judge_drop, judge_ratio, judge_suite
from weigh.analyze.paired import compare_pairs
from weigh.analyze.suite import Branch, Leaf
from weigh.analyze.tango import tango_interval


def flips(n: int, wins: int, losses: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.zeros(n), np.zeros(n)
    b[:wins], a[wins : wins + losses] = 1, 1
    return a, b


def test_a_drop_is_ruled_out_shown_or_neither() -> None:
    assert judge_drop(*flips(2000, 20, 22), max_drop=0.01).outcome == "pass"
    assert judge_drop(*flips(2000, 20, 120), max_drop=0.01).outcome == "regression"
    unclear = judge_drop(*flips(100, 6, 6), max_drop=0.01)
    assert unclear.outcome == "cannot tell" and unclear.more_questions > 1000 and "more questions" in unclear.reason


def test_a_clear_improvement_passes() -> None:
    assert judge_drop(*flips(200, 40, 5), max_drop=0.0).outcome == "pass"
    assert judge_drop(*flips(200, 5, 40), max_drop=0.0, lower_is_better=True).outcome == "pass"
    assert judge_drop(*flips(200, 40, 5), max_drop=0.0, lower_is_better=True).outcome == "regression"


def test_passing_is_the_one_sided_interval() -> None:
    low, _ = tango_interval(12, 9, 300, level=0.9)
    assert judge_drop(*flips(300, 12, 9), max_drop=-low).p_pass == pytest.approx(0.05, abs=1e-9)


def test_real_values_and_clusters(rng: np.random.Generator) -> None:
    a = rng.normal(size=80)
    b = a + rng.normal(0.1, 0.4, 80)
    made = judge_drop(a, b, max_drop=0.05)
    assert made.p_pass == pytest.approx(stats.ttest_1samp(b - a, -0.05, alternative="greater").pvalue, abs=1e-12)
    groups = (np.arange(80) // 8).tolist()
    assert judge_drop(a, b, max_drop=0.05, clusters=groups).p_pass != made.p_pass
    both = np.repeat(a, 2), np.repeat(b, 2)
    twice = judge_drop(*both, max_drop=0.05, clusters=np.repeat(np.arange(80), 2).tolist())
    assert twice.p_pass == pytest.approx(made.p_pass, abs=1e-12)


def test_ratio_of_costs(rng: np.random.Generator) -> None:
    a = rng.lognormal(5, 1, 200)
    same, dear = a * rng.lognormal(0, 0.2, 200), a * rng.lognormal(0.3, 0.2, 200)
    assert judge_ratio(a, same, max_ratio=1.1).outcome == "pass"
    assert judge_ratio(a, dear, max_ratio=1.1).outcome == "regression"
    assert judge_ratio(a[:5], same[:5] * 1.08, max_ratio=1.1).outcome == "cannot tell"


def test_nothing_to_judge() -> None:
    assert judge_drop([], [], max_drop=0.1).reason == "no question in common"
    assert judge_drop([0.5], [0.5], max_drop=0.1).outcome == "cannot tell"
    assert judge_drop([1], [1], max_drop=0.01).outcome == "cannot tell"
    assert judge_ratio([0], [1], max_ratio=1.1).outcome == "cannot tell"
    for bad in (lambda: judge_drop([1], [1], max_drop=-1), lambda: judge_ratio([1], [1], max_ratio=0)):
        with pytest.raises(ValueError, match="allowed"):
            bad()
    with pytest.raises(ValueError, match="0 or more"):
        judge_ratio([-1], [1], max_ratio=1)


def test_a_family_keeps_only_what_survives_correction() -> None:
    family = [compare_pairs(*flips(200, 24, 10)), compare_pairs(*flips(200, 60, 10))]
    family += [compare_pairs(*flips(50, 5, 5))] * 5 + [compare_pairs([], [])]
    assert [one.verdict for one in family[:2]] == ["better", "better"]
    made = correct_comparisons(family)
    assert made[0].verdict == "unresolved" and "not after correction" in made[0].reason
    assert made[0].p == family[0].p and made[0].p_adjusted == pytest.approx(6 * family[0].p)
    assert made[1].verdict == "better" and made[-1].p_adjusted is None
    assert [one.verdict for one in correct_comparisons(family, "none")[:2]] == ["better", "better"]


def test_without_any_spread_the_sign_test_decides() -> None:
    tokens = np.array([100.0, 250.0, 31.0, 77.0, 40.0])
    same = judge_ratio(tokens, tokens, max_ratio=1.1)
    assert (same.outcome, same.p_pass) == ("pass", 0.5**5)
    assert judge_ratio(tokens[:4], tokens[:4], max_ratio=1.1).outcome == "cannot tell"
    assert judge_ratio(tokens, tokens * 2, max_ratio=1.1).outcome == "regression"
    scores = np.array([0.2, 0.4, 0.6, 0.5, 0.9])
    assert judge_drop(scores, scores, max_drop=0.01).outcome == "pass"
    assert judge_drop(scores, scores, max_drop=0.0).outcome == "cannot tell"
    assert judge_drop(scores, scores, max_drop=0.01, clusters=[1, 1, 1, 2, 2]).outcome == "cannot tell"


def test_a_suite_is_held_as_a_whole(rng: np.random.Generator) -> None:
    tree = Branch("s", (Leaf("x"), Leaf("y")))
    a = {name: rng.normal(0.5, 0.1, size=100) for name in ("x", "y")}
    shift = {"x": -0.03, "y": 0.05}
    pairs = {name: (a[name], a[name] + shift[name] + rng.normal(0, 0.02, size=100)) for name in a}
    assert judge_suite(tree, pairs, max_drop=0.0).outcome == "pass", "what one task loses the other gains"
    assert judge_suite(tree, pairs, max_drop=0.0, lower_is_better=True).outcome == "regression"
    single = judge_suite(Branch("s", (Leaf("x"),)), pairs, max_drop=0.01)
    assert single.p_regression == pytest.approx(judge_drop(*pairs["x"], max_drop=0.01).p_regression, abs=1e-12)
    exact = stats.ttest_1samp(pairs["x"][1] - pairs["x"][0], -0.01, alternative="less").pvalue
    assert single.p_regression == pytest.approx(exact, abs=1e-12)
