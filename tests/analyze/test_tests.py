"""The building blocks: McNemar, Tango, sign flips, Wilcoxon, bootstrap, TOST, corrections."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from weigh.analyze.bootstrap import bca_mean
from weigh.analyze.correct import adjust, benjamini_hochberg, holm
from weigh.analyze.equivalence import tost
from weigh.analyze.mcnemar import critical_losses, mcnemar_exact, sign_wald
from weigh.analyze.permutation import sign_flip
from weigh.analyze.tango import tango_equivalence, tango_interval, tango_score
from weigh.analyze.wilcoxon import hodges_lehmann, mid_ranks, signed_rank

DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)
"""Darwin's crossed minus self-fertilised maize, eighths of an inch (Fisher 1935, The Design of Experiments)."""


@pytest.mark.parametrize(("wins", "losses"), [(4, 0), (0, 0), (12, 5), (86, 150), (700, 650), (6, 0)])
def test_mcnemar_is_the_exact_binomial(wins: int, losses: int) -> None:
    expected = mcnemar([[10, wins], [losses, 10]], exact=True).pvalue
    assert mcnemar_exact(wins, losses) == pytest.approx(expected, abs=1e-12)


def test_mcnemar_takes_arrays() -> None:
    assert mcnemar_exact([4, 12], [0, 5]).tolist() == [mcnemar_exact(4, 0), mcnemar_exact(12, 5)]


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.2])
def test_critical_counts_are_the_largest_that_reject(alpha: float) -> None:
    m = np.arange(0, 400)
    k = critical_losses(m, alpha)
    for size, at in zip(m.tolist(), k.tolist(), strict=True):
        assert at == -1 or mcnemar_exact(size - at, at) <= alpha
        assert at + 1 > size // 2 or mcnemar_exact(size - at - 1, at + 1) > alpha


def test_the_wald_sign_test_is_as_eager_as_reported() -> None:
    """With 6 contested questions it rejects for 5 to 1 and beyond: 14 of 64 coin tosses, 22 %."""
    chance = sum(stats.binom.pmf(w, 6, 0.5) for w in range(7) if sign_wald(w, 6 - w) <= 0.05)
    assert chance == pytest.approx(14 / 64)


@pytest.mark.parametrize(("wins", "losses", "n"), [(4, 0, 10), (40, 20, 160), (1, 7, 21), (12, 2, 50), (3, 9, 32)])
def test_tango_solves_the_published_quartic(wins: int, losses: int, n: int) -> None:
    """Yang, Sun and Hardin 2013 (Statistics in Medicine 32) give the limits as roots of a quartic."""
    g, d, s = stats.norm.ppf(0.975) ** 2, wins - losses, wins + losses
    quartic = [
        n**2 * (n / g + 1) ** 2,
        -n * d * (n / g + 1) * (4 * n / g + 1),
        2 * n * d**2 * (3 * n / g + 2) / g - n**2 * (s / g + 1),
        n * d * (2 * s / g + 1) - d**3 * (4 * n / g + 1) / g,
        d**2 * (d**2 / g - s) / g,
    ]
    roots = np.roots(quartic)
    real = roots[np.abs(roots.imag) < 1e-9].real
    for limit in tango_interval(wins, losses, n):
        assert np.abs(real - limit).min() < 1e-9


def test_tango_published_examples() -> None:
    """Fagerland, Lydersen and Laake 2014 (Statistics in Medicine 33, table VI), from Bentur et al.: -.517 to -.026."""
    assert tango_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(
    ("wins", "losses", "n"), [(0, 0, 10), (10, 0, 10), (0, 10, 10), (1, 0, 1), (0, 0, 1), (7, 3, 10)]
)
def test_tango_at_the_edges(wins: int, losses: int, n: int) -> None:
    low, high = tango_interval(wins, losses, n)
    assert -1 <= low <= (wins - losses) / n <= high <= 1 and low < high
    mirrored = tango_interval(losses, wins, n)
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high), abs=1e-12)


def test_tango_score_uses_the_constrained_likelihood() -> None:
    """q maximises w log(q + delta) + l log q + rest log(1 - 2q - delta)."""
    w, l, n, delta = 9, 4, 40, 0.2  # noqa: E741

    def minus(q: float) -> float:
        return -(w * np.log(q + delta) + l * np.log(q) + (n - w - l) * np.log(1 - 2 * q - delta))

    q = optimize.minimize_scalar(
        minus, bounds=(1e-9, (1 - delta) / 2 - 1e-9), method="bounded", options={"xatol": 1e-12}
    ).x
    expected = (w - l - n * delta) / np.sqrt(n * (2 * q + delta * (1 - delta)))
    assert tango_score(w, l, n, delta) == pytest.approx(expected, abs=1e-6)


def test_tango_equivalence_is_the_90_percent_interval() -> None:
    low, high = tango_interval(12, 9, 300, level=0.9)
    edge = max(-low, high)
    assert tango_equivalence(12, 9, 300, edge) == pytest.approx(0.05, abs=1e-9)


def test_fishers_own_sign_flip() -> None:
    """Fisher found 863 of 32,768 arrangements at least as far out on one side."""
    flip = sign_flip(DARWIN)
    assert flip.kind == "exact" and flip.p == pytest.approx(2 * 863 / 32768, abs=1e-12)


def brute(u: np.ndarray) -> float:
    sums = [abs(np.dot(signs, u)) for signs in product((1, -1), repeat=u.size)]
    return float(np.mean(np.array(sums) >= abs(u.sum()) - 1e-9))


@pytest.mark.parametrize("seed", range(6))
def test_sign_flip_is_exact_on_and_off_a_grid(seed: int) -> None:
    generator = np.random.default_rng(seed)
    on = generator.integers(-4, 5, 11) / 4
    off = generator.normal(size=11)
    mixed = np.concatenate((on[:6], off[:5]))
    for u in (on, off, mixed, on / 3, np.round(off, 2)):
        assert sign_flip(u).p == pytest.approx(brute(u), abs=1e-11)


def test_sign_flip_of_units_is_mcnemar() -> None:
    u = np.repeat([1.0, -1.0, 0.0], [30, 14, 100])
    assert sign_flip(u / 144).p == mcnemar_exact(30, 14)


def test_sign_flip_on_a_large_grid_and_by_chance(rng: np.random.Generator) -> None:
    u = rng.integers(-3, 4, 400).astype(float)
    exact = sign_flip(u)
    noisy = sign_flip(u + rng.normal(0, 1e-4, 400))
    assert exact.kind == "exact" and noisy.kind == "monte-carlo"
    assert noisy.p == pytest.approx(exact.p, abs=0.04), "the noise breaks the ties that the grid counts in full"
    assert sign_flip(rng.normal(size=400), monte_carlo=False).p is None


def test_no_units_and_ties() -> None:
    assert sign_flip(np.zeros(7)).p == 1.0
    assert sign_flip(np.array([])).p == 1.0
    assert sign_flip(np.array([0.3])).p == 1.0
    assert sign_flip(np.array([0.3] * 5)).floor == 0.0625


def test_wilcoxon_published_example() -> None:
    """Hollander and Wolfe, depression scale: T+ = 5 of 9, p = .0391, shift -.46, 96 % interval -.786 to -.010."""
    before = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    after = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    p, _, method = signed_rank(after - before)
    assert p == pytest.approx(0.0390625, abs=1e-12) and method.endswith("exact")
    shift, low, high = hodges_lehmann(after - before)
    assert (shift, low, high) == pytest.approx((-0.46, -0.786, -0.010), abs=5e-4)


@pytest.mark.parametrize("n", [3, 8, 25, 200])
def test_wilcoxon_agrees_with_scipy(n: int, rng: np.random.Generator) -> None:
    d = rng.normal(0.2, 1, n)
    expected = stats.wilcoxon(d, method="exact").pvalue
    assert signed_rank(d)[0] == pytest.approx(expected, abs=1e-9)


def test_wilcoxon_beyond_counting_is_normal(rng: np.random.Generator) -> None:
    d = np.round(rng.normal(0.02, 1, 3000), 3)
    expected = stats.wilcoxon(d, method="asymptotic", correction=False, zero_method="wilcox").pvalue
    assert signed_rank(d)[0] == pytest.approx(expected, rel=1e-9)


def test_mid_ranks(rng: np.random.Generator) -> None:
    x = rng.integers(0, 9, 50).astype(float)
    assert mid_ranks(x).tolist() == stats.rankdata(x).tolist()


def test_the_thinned_shift_is_the_shift(rng: np.random.Generator) -> None:
    d = rng.exponential(1.0, 5000) - 0.8
    from weigh.analyze import wilcoxon

    walsh = np.sort(((d[:, None] + d) / 2)[np.triu_indices(5000)])
    whole, cut = walsh.size, wilcoxon._cut(5000, 0.95)
    shift, low, high = hodges_lehmann(d)
    assert shift == pytest.approx(np.median(walsh), abs=2e-4)
    assert (low, high) == pytest.approx((walsh[cut - 1], walsh[whole - cut]), abs=5e-4)


def test_bca_agrees_with_scipy(rng: np.random.Generator) -> None:
    d = rng.exponential(1.0, 60)
    expected = stats.bootstrap((d,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    made = bca_mean(d)
    assert made == pytest.approx(tuple(expected.confidence_interval), abs=0.012)
    mirrored = bca_mean(-d)
    assert (-mirrored[1], -mirrored[0]) == made


def test_bca_over_clusters_of_one_is_plain_and_constant_has_none(rng: np.random.Generator) -> None:
    d = rng.normal(size=80)
    assert bca_mean(d, np.ones(80)) == pytest.approx(bca_mean(d), abs=1e-12)
    assert bca_mean(np.full(40, 0.3)) is None


def test_tost_agrees_with_statsmodels(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=40), rng.normal(0.1, 1, 40)
    d = b - a
    expected = ttost_paired(b, a, -0.5, 0.5)[0]
    assert tost(d.mean(), stats.sem(d), 39, 0.5) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="margin"):
        tost(0.1, 0.1, 5, 0)


def test_corrections_agree_with_statsmodels(rng: np.random.Generator) -> None:
    p = np.append(rng.random(20) ** 3, [0.01, 0.01, 1.0]).tolist()
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist(), abs=1e-12)
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1].tolist(), abs=1e-12)
    assert holm([0.01, None, 0.04]) == [0.02, None, 0.04]
    assert adjust([0.5, None], "none") == [0.5, None] and holm([]) == []
    with pytest.raises(ValueError, match="outside"):
        holm([float("nan")])
    with pytest.raises(ValueError, match="choose holm, bh or none"):
        adjust([0.1], "bonferroni")  # type: ignore[arg-type]
