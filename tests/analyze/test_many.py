"""Many arms, axes and judges: matrix, tiers, ranking, trend, interaction, unequal failures, kappa."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats.inter_rater import cohens_kappa

from weigh.analyze.correct import Correction, holm
from weigh.analyze.interaction import compare_interaction
from weigh.analyze.kappa import cohen_kappa, position_bias
from weigh.analyze.matrix import compare_matrix, lowest_p
from weigh.analyze.paired import compare_pairs
from weigh.analyze.rank import bradley_terry, tiers
from weigh.analyze.trend import compare_trend
from weigh.analyze.unequal import failed_unequally


@pytest.mark.parametrize("kind", ["binary", "real", "large", "clustered"])
@pytest.mark.parametrize("missing", [False, True])
def test_the_matrix_gives_what_the_pair_gives(kind: str, missing: bool, rng: np.random.Generator) -> None:
    n = 6000 if kind == "large" else 200
    table = rng.normal(rng.normal(0, 0.05, (4, 1)), 1, (4, n))
    if kind == "binary":
        table = (table > 0).astype(float)
    if missing:
        table[rng.random(table.shape) < 0.2] = np.nan
    groups = (np.arange(n) // 5).tolist() if kind == "clustered" else None
    made = compare_matrix(list("abcd"), table, clusters=groups)
    assert [(one.a, one.b) for one in made.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("a", "d"),
        ("b", "c"),
        ("b", "d"),
        ("c", "d"),
    ]
    for one in made.pairs:
        x, y = table["abcd".index(one.a)], table["abcd".index(one.b)]
        keep = ~np.isnan(x) & ~np.isnan(y)
        names = None if groups is None else np.array(groups)[keep].tolist()
        pair = compare_pairs(x[keep], y[keep], clusters=names, monte_carlo=False, bootstrap=False)
        for field in (
            "n",
            "mean_a",
            "mean_b",
            "difference",
            "se",
            "low",
            "high",
            "p",
            "wins",
            "losses",
            "ties",
            "mde80",
        ):
            assert getattr(one, field) == pytest.approx(getattr(pair, field), rel=1e-9, abs=1e-12), field
        assert one.method == pair.method
    assert [one.p_adjusted for one in made.pairs] == holm([one.p for one in made.pairs])


def test_few_contested_of_many_do_not_fool_the_matrix() -> None:
    table = np.full((2, 50_000), 0.25)
    table[1, :4] = 0.75
    one = compare_matrix(["a", "b"], table).pairs[0]
    assert one.p == 0.125 and one.verdict == "unresolved"


def test_shared_keeps_what_all_have_and_empty_overlaps_are_said(rng: np.random.Generator) -> None:
    table = (rng.random((3, 100)) < 0.5).astype(float)
    table[0, 50:], table[1, :50] = np.nan, np.nan
    made = compare_matrix(list("abc"), table)
    assert (
        [one.n for one in made.pairs] == [0, 50, 50]
        and made.pairs[0].p is None
        and made.pairs[0].verdict == "unresolved"
    )
    assert {one.n for one in compare_matrix(list("abc"), table, shared=True).pairs} == {0}
    table[2] = np.nan
    assert compare_matrix(list("abc"), table).means[2] is None
    assert compare_matrix(["a"], table[:1]).pairs == ()
    with pytest.raises(ValueError, match="arms x questions"):
        compare_matrix(["a", "b"], table)
    with pytest.raises(ValueError, match="infinity"):
        compare_matrix(["a"], [[np.inf]])


def test_tiers_separate_what_the_evidence_separates(rng: np.random.Generator) -> None:
    p = np.array([0.3, 0.32, 0.7, 0.72])[:, None]
    table = (rng.random((4, 800)) < p).astype(float)
    made = compare_matrix(["w", "x", "y", "z"], table)
    assert [set(tier) for tier in made.tiers] == [{"y", "z"}, {"w", "x"}]
    down = compare_matrix(["w", "x", "y", "z"], table, lower_is_better=True)
    assert [set(tier) for tier in down.tiers] == [{"w", "x"}, {"y", "z"}]
    assert tiers(["a", "b", "c"], [3, 2, 1], np.zeros((3, 3))) == [["a", "b", "c"]]


def test_bradley_terry_maximises_its_likelihood() -> None:
    wins = np.array([[0, 12, 20], [8, 0, 15], [3, 9, 0]], dtype=float)
    made = bradley_terry(["a", "b", "c"], wins)

    def minus(s: np.ndarray) -> float:
        log = -np.log1p(np.exp(s[None, :] - s[:, None]))
        prior = -0.5 * (np.log1p(np.exp(-s)) + np.log1p(np.exp(s)))
        return -float((wins * log).sum() + prior.sum())

    best = optimize.minimize(minus, np.zeros(3), tol=1e-12).x
    assert made.names == ("a", "b", "c") and made.contested == 67
    assert made.strength == pytest.approx((best - best.mean()).tolist(), abs=1e-5)
    assert made.low[0] < made.strength[0] < made.high[0]


def test_bradley_terry_with_a_perfect_arm_is_finite() -> None:
    made = bradley_terry(["a", "b"], [[0, 0], [50, 0]])
    assert made.names[0] == "b" and np.isfinite(made.strength).all()
    with pytest.raises(ValueError, match="table of wins"):
        bradley_terry(["a"], [[0, 1]])


def test_a_trend_finds_the_step(rng: np.random.Generator) -> None:
    skill = rng.random(600)
    table = (skill < np.array([0.4, 0.4, 0.6, 0.6])[:, None]).astype(float)
    flip = rng.random(table.shape) < 0.05
    table = np.where(flip, 1 - table, table)
    table[0, :20] = np.nan
    made = compare_trend(["100", "200", "300", "400"], table)
    assert made.changed == (False, True, False) and made.steps[1].verdict == "better"
    assert made.overall.verdict == "better" and made.points[0].n == 580
    assert 0.01 < made.smallest_visible < 0.1
    lone = compare_trend(["1"], table[:1])
    assert lone.steps == () and lone.overall is None and lone.smallest_visible is None
    with pytest.raises(ValueError, match="points x questions"):
        compare_trend(["1", "2"], table)


def test_interaction_sees_what_two_verdicts_do_not(rng: np.random.Generator) -> None:
    base = rng.normal(size=300)
    gains, loses = base + rng.normal(0.3, 0.5, 300), base + rng.normal(-0.1, 0.5, 300)
    made = compare_interaction(["small", "large"], [(base, loses), (base, gains)])
    d = (gains - base) - (loses - base)
    assert made.contrast == pytest.approx(d.mean()) and made.differs and "grows from small to large" in made.reason
    assert made.p >= stats.ttest_1samp(d, 0).pvalue - 1e-12
    none = compare_interaction(["small", "large"], [(base, gains), (base, gains)])
    assert none.p == 1.0 and not none.differs


def test_an_interaction_marks_intervals_that_its_test_does_not_bear_out() -> None:
    base, gains = np.zeros(4), np.array([1.0, 1.0, 1.0, 0.5])
    made = compare_interaction(["small", "large"], [(base, base), (base, gains)])
    assert made.p == 0.125 and not made.differs and made.low is not None and made.low > 0
    assert made.approximate and made.effects[1].approximate and not made.effects[0].approximate
    more = compare_interaction(["small", "large"], [(np.zeros(8),) * 2, (np.zeros(8), np.tile(gains, 2))])
    assert more.differs and not more.approximate


def test_interaction_unpaired_is_welch(rng: np.random.Generator) -> None:
    d1, d2 = rng.normal(0, 1, 40), rng.normal(0.5, 2, 70)
    made = compare_interaction(["x", "y"], [(np.zeros(40), d1), (np.zeros(70), d2)], paired=False)
    assert made.p == pytest.approx(stats.ttest_ind(d2, d1, equal_var=False).pvalue, abs=1e-9)
    with pytest.raises(ValueError, match="paired=False"):
        compare_interaction(["x", "y"], [(np.zeros(40), d1), (np.zeros(70), d2)])
    with pytest.raises(ValueError, match="two or more"):
        compare_interaction(["x"], [([1], [1])])


def test_interaction_over_more_levels_is_a_slope(rng: np.random.Generator) -> None:
    base = rng.normal(size=200)
    pairs = [(base, base + 0.1 * level + rng.normal(0, 0.3, 200)) for level in range(4)]
    made = compare_interaction(["1B", "3B", "7B", "30B"], pairs)
    assert made.contrast == pytest.approx(0.1, abs=0.04) and made.differs and len(made.effects) == 4
    empty = compare_interaction(["1B", "3B"], [([], []), ([], [])])
    assert empty.p is None and not empty.differs


def test_unequal_failures_withhold_the_verdict() -> None:
    some = np.zeros(100)
    some[:8] = 1
    made = failed_unequally(np.zeros(100), some)
    assert made.unequal and made.failed_b == 8 and made.p < 0.05 and made.largest_shift == pytest.approx(0.08)
    assert not failed_unequally(some, some).unequal
    assert not failed_unequally(np.zeros(100), np.zeros(100)).unequal
    assert failed_unequally(np.zeros(10), [1, 1] + [0] * 8).unequal, "2 of 10 is too much, if untestable"
    assert not failed_unequally(np.zeros(10), [1] + [0] * 9).unequal
    assert failed_unequally([], []).unequal is False
    with pytest.raises(ValueError, match="same questions"):
        failed_unequally([0], [0, 1])
    with pytest.raises(ValueError, match="share"):
        failed_unequally([2], [0])


def test_kappa_agrees_with_statsmodels(rng: np.random.Generator) -> None:
    one = rng.integers(0, 3, 200)
    two = np.where(rng.random(200) < 0.6, one, rng.integers(0, 3, 200))
    table = np.zeros((3, 3))
    np.add.at(table, (one, two), 1)
    expected, made = cohens_kappa(table), cohen_kappa(one.tolist(), two.tolist())
    assert (made.kappa, made.se) == pytest.approx((expected.kappa, expected.std_kappa), abs=1e-12)
    assert (made.low, made.high) == pytest.approx((expected.kappa_low, expected.kappa_upp), abs=1e-9)


def test_kappa_worked_example() -> None:
    """The textbook table: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no; agreement .7, expected .5, kappa .4."""
    one = ["y"] * 25 + ["n"] * 25
    two = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(one, two).kappa == pytest.approx(0.4)
    assert cohen_kappa([], []).kappa is None
    assert cohen_kappa(["y"] * 5, ["y"] * 5).kappa is None
    assert cohen_kappa(["y", "n"] * 20, ["y", "n"] * 20).kappa == 1.0
    with pytest.raises(ValueError, match="same items"):
        cohen_kappa(["y"], [])


def test_position_bias() -> None:
    made = position_bias(["first"] * 30, ["first"] * 20 + ["second"] * 10)
    assert (made.first, made.second, made.consistent) == (20, 0, 10) and made.biased and made.rate_first == 1.0
    fair = position_bias(["first", "second"] * 10, ["second", "first"] * 10)
    assert fair.consistent == 20 and fair.p == 1.0 and fair.rate_first is None and not fair.biased
    assert position_bias([], []).p is None
    with pytest.raises(ValueError, match="choose first, second or tie"):
        position_bias(["left"], ["first"])


@pytest.mark.parametrize(("n", "correction", "reached"), [(6, "none", True), (6, "holm", False), (7, "holm", True)])
def test_how_low_p_can_be(n: int, correction: Correction, reached: bool) -> None:
    # Three arms, three pairs: 2 ** -5 is .031, times 3 is too much; 2 ** -6 times 3 is .047.
    made = compare_matrix(["a", "b", "c"], [[0.0] * n, [0.0] * n, [1.0] * n], correction=correction)
    lowest = min(p for p in lowest_p(made.pairs, correction) if p is not None)
    assert lowest == pytest.approx(2.0 ** (1 - n) * (3 if correction == "holm" else 1))
    assert (lowest <= 0.05) is reached
    # No pair of any scores is below what is possible.
    assert min(pair.p_adjusted for pair in made.pairs if pair.p_adjusted is not None) >= lowest
