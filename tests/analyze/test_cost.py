"""Costs: ratio, shift, and the rules for zeros and timeouts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from weigh.analyze.cost import compare_costs


def test_ratio_is_t_on_logarithms(rng: np.random.Generator) -> None:
    a = rng.lognormal(5, 1, 50)
    b = a * rng.lognormal(-0.3, 0.4, 50)
    made = compare_costs(a, b)
    logs = np.log(b / a)
    low, high = stats.t.interval(0.95, 49, logs.mean(), stats.sem(logs))
    assert (made.ratio, made.ratio_low, made.ratio_high) == pytest.approx(tuple(np.exp([logs.mean(), low, high])))
    assert made.p == pytest.approx(stats.wilcoxon(b - a, method="exact").pvalue, abs=1e-9)
    assert made.verdict == "better" and made.shift < 0 and made.shift_low < made.shift < made.shift_high


def test_one_runaway_trial_does_not_decide() -> None:
    a = np.arange(100.0, 130.0)
    b = a - 10
    b[0] = 1e7
    made = compare_costs(a, b)
    assert made.mean_b > made.mean_a and made.shift == pytest.approx(-10) and made.verdict == "better"


def test_zeros_leave_the_ratio_and_are_counted() -> None:
    made = compare_costs([0, 10, 20, 40], [5, 20, 40, 80])
    assert made.ratio == pytest.approx(2) and (made.n, made.n_ratio, made.n_zero) == (4, 3, 1)
    assert compare_costs([0, 0], [0, 0]).ratio is None
    assert compare_costs([0, 0], [0, 0]).verdict == "unresolved"


def test_an_arm_that_times_out_more_often_is_never_cheaper() -> None:
    a, b = np.full(20, 100.0) + np.arange(20), np.full(20, 60.0)
    late = [True] * 10 + [False] * 10
    assert compare_costs(a, b).verdict == "better"
    held = compare_costs(a, b, timed_out_b=late)
    assert held.verdict == "unresolved" and "timed out more often" in held.reason and held.timeouts_b == 10
    # the arm that timed out looks dearer already: its true cost is only higher
    assert compare_costs(a, b, timed_out_a=late).verdict == "better"


def test_degenerate_and_refused() -> None:
    assert compare_costs([], []).verdict == "unresolved"
    one = compare_costs([10], [20])
    assert one.ratio == pytest.approx(2) and one.ratio_low is None and one.shift_low is None and one.p == 1.0
    with pytest.raises(ValueError, match="0 or more"):
        compare_costs([-1], [2])
    with pytest.raises(ValueError, match="timeout flags"):
        compare_costs([1], [2], timed_out_a=[])
