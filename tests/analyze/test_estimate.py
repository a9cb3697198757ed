"""One arm's numbers, against independent implementations and published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from weigh.analyze.estimate import (
    estimate,
    estimate_epochs,
    mde,
    mde_unpaired_assumption,
    reduce_pass_at_k,
    reduce_pass_hat_k,
)


@pytest.mark.parametrize(("right", "n"), [(0, 20), (1, 29), (15, 148), (81, 263), (20, 20)])
def test_a_proportion_gets_wilsons_interval(right: int, n: int) -> None:
    made = estimate([1.0] * right + [0.0] * (n - right))
    assert (made.low, made.high) == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-12)
    assert made.method == "wilson"


def test_newcombes_published_wilson_example() -> None:
    """Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263 gives .2553 to .3662, 1 of 29 .0061 to .1718."""
    made = estimate([1] * 81 + [0] * 182)
    assert (made.low, made.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    made = estimate([1] + [0] * 28)
    assert (made.low, made.high) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_a_mean_gets_t(rng: np.random.Generator) -> None:
    x = rng.normal(3, 2, 17)
    made = estimate(x)
    low, high = stats.t.interval(0.95, 16, x.mean(), stats.sem(x))
    assert made.se == pytest.approx(stats.sem(x), abs=1e-12)
    assert (made.low, made.high) == pytest.approx((low, high), abs=1e-9)


def test_clustered_error_is_the_sandwich(rng: np.random.Generator) -> None:
    x, groups = rng.normal(size=60), rng.integers(0, 9, 60)
    fitted = sm.OLS(x, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True})
    made = estimate(x, clusters=groups.tolist())
    assert made.se_clustered == pytest.approx(fitted.bse[0], rel=1e-12)
    assert made.se == pytest.approx(stats.sem(x), rel=1e-12)
    assert made.error == made.se_clustered
    assert made.n_clusters == len(set(groups.tolist()))
    assert made.high - made.mean == pytest.approx(stats.t.ppf(0.975, made.n_clusters - 1) * made.se_clustered, rel=1e-9)


@pytest.mark.parametrize("binary", [True, False])
def test_duplicating_every_question_into_clusters_of_two_changes_nothing(
    binary: bool, rng: np.random.Generator
) -> None:
    x = (rng.random(40) < 0.3).astype(float) if binary else rng.normal(size=40)
    once = estimate(x, clusters=list(range(40)))
    twice = estimate(np.repeat(x, 2), clusters=np.repeat(np.arange(40), 2).tolist())
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=1e-12)
    assert twice.se_clustered == pytest.approx(once.se_clustered, rel=1e-12)
    assert twice.se < once.se, "the plain standard error is fooled"


def test_clusters_of_one_give_the_plain_error(rng: np.random.Generator) -> None:
    x = rng.normal(size=12)
    assert estimate(x, clusters=list(range(12))).se_clustered == pytest.approx(estimate(x).se, rel=1e-12)


def test_nothing_one_and_one_cluster() -> None:
    empty = estimate([])
    assert (empty.n, empty.mean, empty.se, empty.low) == (0, None, None, None)
    one = estimate([0.5])
    assert (one.mean, one.se, one.low, one.method) == (0.5, None, None, "none")
    lone = estimate([1, 0, 1], clusters=["c", "c", "c"])
    assert lone.se_clustered is None and lone.error is None and lone.low is None and "one cluster" in lone.note


def test_all_right_under_clusters_counts_clusters() -> None:
    made = estimate([1] * 30, clusters=[i // 10 for i in range(30)])
    assert made.high == 1.0 and made.low < estimate([1] * 30).low


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="value 1 is"):
        estimate([0.0, bad])


def test_bounds_are_checked_and_cut_the_interval() -> None:
    with pytest.raises(ValueError, match="bounds"):
        estimate([0.2, 1.4], bounds=(0, 1))
    assert estimate([1.9, 0.5, 2.0], bounds=(0, 2)).high == 2.0


def test_epochs_split_the_variance_as_a_one_way_anova_does(rng: np.random.Generator) -> None:
    n, k = 30, 5
    scores = rng.normal(rng.normal(0, 1, (n, 1)), 0.7, (n, k))
    made = estimate_epochs(scores.tolist())
    within = scores.var(axis=1, ddof=1).mean()
    assert made.se == pytest.approx(math.sqrt(scores.mean(axis=1).var(ddof=1) / n), rel=1e-12)
    assert made.se_within == pytest.approx(math.sqrt(within / k / n), rel=1e-12)
    assert made.se_between**2 + made.se_within**2 == pytest.approx(made.se**2, rel=1e-12)


def test_a_question_counts_once_however_often_it_is_asked() -> None:
    made = estimate_epochs([[1.0] * 9, [0.0]])
    assert (made.n, made.mean) == (2, 0.5) and "1 to 9 epochs" in made.note
    assert estimate_epochs([[1.0], [0.0]]).se_within is None
    with pytest.raises(ValueError, match="question 1 has no epoch"):
        estimate_epochs([[1.0], []])


def test_mde_is_two_point_eight_standard_errors() -> None:
    assert mde(0.01) == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * 0.01, rel=1e-12)
    assumed = mde_unpaired_assumption(estimate([0, 1] * 50), correlation=0.5)
    assert assumed.value == pytest.approx(mde(estimate([0, 1] * 50).se)) and "correlation 0.5" in assumed.assumption
    assert mde_unpaired_assumption(estimate([1])).value is None


def test_pass_at_k_and_pass_hat_k() -> None:
    """Over all ways to draw k of the n attempts."""
    from itertools import combinations

    attempts = [1, 1, 0, 0, 0, 1]
    for k in range(1, 7):
        drawn = list(combinations(attempts, k))
        assert reduce_pass_at_k(6, 3, k) == pytest.approx(sum(any(d) for d in drawn) / len(drawn), abs=1e-15)
        assert reduce_pass_hat_k(6, 3, k) == pytest.approx(sum(all(d) for d in drawn) / len(drawn), abs=1e-15)
    with pytest.raises(ValueError, match="needs at least 7 epochs"):
        reduce_pass_at_k(6, 3, 7)
    with pytest.raises(ValueError, match="cannot be right"):
        reduce_pass_hat_k(6, 7, 2)


def test_one_of_many_epochs_is_never_surer_than_none() -> None:
    none = estimate_epochs([[0.0] * 4] * 6, bounds=(0, 1))
    one = estimate_epochs([[1.0, 0.0, 0.0, 0.0]] + [[0.0] * 4] * 5, bounds=(0, 1))
    assert none.low == 0 and none.high is not None and one.low is not None and one.high is not None
    assert one.low > 0 and one.high > none.high
    half = estimate_epochs([[1.0, 0.0]] * 30, bounds=(0, 1))
    assert (half.method, half.high) == ("t", 0.5), "where enough is contested it is Student's t"


def test_the_interval_of_one_question_is_that_of_its_epochs() -> None:
    found = [estimate_epochs([[1.0] * k + [0.0] * (4 - k)], bounds=(0, 1)) for k in range(5)]
    assert [f.se for f in found] == [None] * 5 and {f.method for f in found} == {"wilson, these epochs"}
    assert [(round(f.low or 0, 3), round(f.high or 0, 3)) for f in found[:2]] == [(0.0, 0.49), (0.046, 0.699)]
    assert found[1].note is not None and "says nothing about other questions" in found[1].note
