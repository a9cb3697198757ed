"""Two arms on the same questions: is b really better than a, by how much, or can the evidence not tell?

0/1 scores: McNemar's exact test and Tango's interval. Other scores: an exact sign flip where it can be had, else
paired t, with t and BCa bootstrap intervals. Clusters: the same with whole clusters as units, a cluster-robust
standard error with G/(G-1) and t with G-1 degrees of freedom. The verdict follows the test, never the interval.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import bootstrap as boot
from .checks import Floats, Ints, cluster_codes, fraction, is_binary, pair
from .distributions import detectable, t_two_sided, z_two_sided
from .equivalence import tango_equivalence, tost
from .exact_power import mcnemar_questions
from .mcnemar import mcnemar_exact, sign_wald
from .permutation import sign_flip
from .tango import tango_interval
from .verdict import Verdict, can_reach, decide, settle

__all__ = ["METHODS", "Comparison", "Verdict", "compare_pairs"]

METHODS = ("auto", "mcnemar", "t", "permutation", "sign-wald")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """b against a, question by question. `difference` is mean_b - mean_a; wins are questions on which b is better."""

    n: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    se: float | None
    """Of the difference; cluster-robust when there are clusters."""
    low: float | None
    high: float | None
    p: float | None
    """Of the test that decides, two-sided; `method` names the test."""
    method: str
    interval_method: str
    approximate: bool
    """The interval and the test disagree about zero: believe the test."""
    wins: int
    losses: int
    ties: int
    verdict: Verdict
    reason: str
    scope: str
    alpha: float = 0.05
    margin: float | None = None
    lower_is_better: bool = False
    n_clusters: int | None = None
    mde80: float | None = None
    """About the smallest difference that this comparison, taken alone, would have shown with 80 % power: 2.8 x `se` at
    alpha .05. It is the normal form, and no correction for further comparisons is in it. None where the test cannot
    reach alpha with the contested questions there are."""
    n_star: float | None = None
    """Questions needed to show a difference as large as the one observed with 80 % power."""
    resolution: float | None = None
    """q = n / n_star: at 1 and above the comparison is large enough for what it saw."""
    p_adjusted: float | None = None
    """After correction for a family of comparisons (`family.correct_comparisons`); None when none was made."""
    p_t: float | None = None
    p_permutation: float | None = None
    p_equivalence: float | None = None
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None


class _Spread(msgspec.Struct, frozen=True):
    """Units of the comparison (questions or clusters) and the standard error that they give."""

    units: Floats
    """Sum over the unit of b - a, divided by n: the units add up to the difference."""
    sizes: Floats | None
    se: float | None
    df: int
    word: str


def compare_pairs(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    alpha: float = 0.05,
    margin: float | None = None,
    method: str = "auto",
    lower_is_better: bool = False,
    seed: int = 0,
    bootstrap: bool = True,
    monte_carlo: bool = True,
    resolution: bool = True,
) -> Comparison:
    """Compare b with a over the same questions; one value a question (average epochs within a question first).

    `margin` asks for equivalence too. `method`: "auto"; "mcnemar" (0/1, no clusters), "t", "permutation", or
    "sign-wald" (the Wald sign test of older viewers, too eager with few contested questions). `bootstrap` adds a BCa
    interval for 30 to 20,000 questions (6 to 40 clusters) that are not plain 0/1. `monte_carlo` and `resolution` switch
    off what is too slow for a thousand pairs.

    Raises ValueError for NaN, infinities, unequal lengths, an unknown method, or "mcnemar" on other than 0/1 scores.
    """
    x, y = pair(a, b)
    fraction(alpha, "alpha")
    if margin is not None and not margin > 0:
        raise ValueError(f"a margin is larger than 0, got {margin}")
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    n = int(x.size)
    codes, groups = (None, None) if clusters is None else cluster_codes(clusters, n)
    d = y - x
    ups, downs = int(np.count_nonzero(d > 0)), int(np.count_nonzero(d < 0))
    wins, losses = (downs, ups) if lower_is_better else (ups, downs)
    if n == 0:
        return _empty(alpha, margin, lower_is_better, groups)
    single = groups is None or groups == n
    binary = is_binary(x) and is_binary(y)
    if method == "mcnemar" and not (binary and single):
        raise ValueError("McNemar's test needs 0/1 scores of independent questions; leave the method to auto")
    difference = float(d.mean())
    spread = _spread(d, None if single else codes, groups)
    plain = binary and single and method in ("auto", "mcnemar")
    p: float | None
    p_t = p_permutation = None
    if plain:
        p, named = float(mcnemar_exact(ups, downs)), "McNemar, exact"
    elif method == "sign-wald":
        p, named = sign_wald(ups, downs), "Wald sign test"
    else:
        p, named, p_t, p_permutation = _test(spread, difference, method, seed, monte_carlo)
    low, high, interval = _interval(spread, difference, binary, plain, ups, downs, n, alpha, method)
    p_equivalence = None
    if margin is not None:
        p_equivalence = _equivalence(spread, difference, margin, plain, ups, downs, n, is_unit(x, y))
    contested = int(np.count_nonzero(spread.units))
    floor = 2.0 ** (1 - contested) if contested else 1.0
    verdict, reason = settle(
        p=p, method=named, difference=difference, alpha=alpha, lower_is_better=lower_is_better, margin=margin,
        p_equivalence=p_equivalence, floor=0.0 if method in ("t", "sign-wald") else floor, contested=contested,
        unit=spread.word,
    )  # fmt: skip
    if not single:
        reason += f"; {groups} clusters are the units" if groups != 1 else "; 1 cluster is the unit"
    least = int(spread.units.size) if method in ("t", "sign-wald") else contested
    mde80, n_star = _reach(spread, difference, plain and resolution, ups, downs, n, alpha)
    mde80 = mde80 if can_reach(least, alpha) else None
    n_star = n_star if resolution else None
    band = _bootstrap(spread, n, alpha, seed) if bootstrap and not plain else None
    disagrees = low is not None and high is not None and p is not None and (low > 0 or high < 0) != (p <= alpha)
    return Comparison(
        n=n,
        mean_a=float(x.mean()),
        mean_b=float(y.mean()),
        difference=difference,
        se=spread.se,
        low=low,
        high=high,
        p=p,
        method=named,
        interval_method=interval,
        approximate=disagrees,
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
        verdict=verdict,
        reason=reason,
        scope="tasks like these",
        alpha=alpha,
        margin=margin,
        lower_is_better=lower_is_better,
        n_clusters=groups,
        mde80=mde80,
        n_star=n_star,
        resolution=n / n_star if n_star else None,
        p_t=p_t,
        p_permutation=p_permutation,
        p_equivalence=p_equivalence,
        bootstrap_low=band[0] if band else None,
        bootstrap_high=band[1] if band else None,
    )


def _empty(alpha: float, margin: float | None, lower_is_better: bool, groups: int | None) -> Comparison:
    return Comparison(
        n=0, mean_a=None, mean_b=None, difference=None, se=None, low=None, high=None, p=None, method="none",
        interval_method="none", approximate=False, wins=0, losses=0, ties=0, verdict="unresolved",
        reason="no question in common", scope="tasks like these", alpha=alpha, margin=margin,
        lower_is_better=lower_is_better, n_clusters=groups,
    )  # fmt: skip


def is_unit(x: Floats, y: Floats) -> bool:
    """Whether all scores lie in [0, 1]."""
    return bool(min(x.min(), y.min()) >= 0 and max(x.max(), y.max()) <= 1)


def _spread(d: Floats, codes: Ints | None, groups: int | None) -> _Spread:
    n = d.size
    if codes is None or groups is None:
        se = float(d.std(ddof=1)) / math.sqrt(n) if n > 1 else None
        return _Spread(d / n, None, se, n - 1, "question")
    sums = np.bincount(codes, weights=d, minlength=groups)
    sizes = np.bincount(codes, minlength=groups).astype(np.float64)
    if groups < 2:
        return _Spread(sums / n, sizes, None, 0, "cluster")
    rest = sums - sizes * d.mean()
    return _Spread(sums / n, sizes, math.sqrt(groups / (groups - 1) * float(rest @ rest)) / n, groups - 1, "cluster")


def _test(
    spread: _Spread, difference: float, method: str, seed: int, monte_carlo: bool
) -> tuple[float | None, str, float | None, float | None]:
    clustered = " by cluster" if spread.word == "cluster" else ""
    if spread.word == "cluster" and spread.units.size < 2:
        return None, "none", None, None
    if method == "permutation":
        flip = sign_flip(spread.units, seed=seed)
        return flip.p, f"sign flip{clustered}, {'exact' if flip.kind == 'exact' else 'Monte-Carlo'}", None, flip.p
    made = decide(spread.units, difference, spread.se, spread.df, seed=seed, monte_carlo=monte_carlo)
    if method == "t":
        return made.p_t, "cluster-robust t" if clustered else "paired t", made.p_t, made.p_permutation
    name = {"t": "cluster-robust t" if clustered else "paired t"}.get(
        made.method, made.method.replace("sign flip", f"sign flip{clustered}")
    )
    return made.p, name, made.p_t, made.p_permutation


def _interval(
    spread: _Spread,
    difference: float,
    binary: bool,
    plain: bool,
    ups: int,
    downs: int,
    n: int,
    alpha: float,
    method: str,
) -> tuple[float | None, float | None, str]:
    if plain:
        low, high = tango_interval(ups, downs, n, 1 - alpha)
        return low, high, "Tango"
    if spread.se is None:
        return None, None, "none"
    if binary and ups + downs == 0:  # t has no width here; Tango with clusters counted as questions does
        low, high = tango_interval(0, 0, spread.units.size, 1 - alpha)
        return low, high, "Tango, clusters as questions" if spread.word == "cluster" else "Tango"
    half = z_two_sided(1 - alpha) if method == "sign-wald" else t_two_sided(1 - alpha, spread.df)
    name = "Wald" if method == "sign-wald" else "cluster-robust t" if spread.word == "cluster" else "t"
    return difference - half * spread.se, difference + half * spread.se, name


def _equivalence(
    spread: _Spread, difference: float, margin: float, plain: bool, ups: int, downs: int, n: int, unit: bool
) -> float | None:
    if plain:
        return tango_equivalence(ups, downs, n, margin)
    if spread.se is None:
        return None
    if spread.se > 0:
        return tost(difference, spread.se, spread.df, margin)
    # Every unit differs by the same: t would be certain. With scores in [0, 1] the score test still has an answer.
    return tango_equivalence(0, 0, spread.units.size, margin) if unit and difference == 0 else None


def _reach(
    spread: _Spread, difference: float, plain: bool, ups: int, downs: int, n: int, alpha: float
) -> tuple[float | None, float | None]:
    """(MDE80, N*). None where no difference could be shown at all or the data have no variance."""
    if not spread.se or not can_reach(spread.units.size, alpha):
        return None, None
    mde80 = detectable(alpha) * spread.se
    if difference == 0:
        return mde80, None
    if plain:
        return mde80, mcnemar_questions(ups / n, downs / n, alpha)
    return mde80, n * (mde80 / difference) ** 2


def _bootstrap(spread: _Spread, n: int, alpha: float, seed: int) -> tuple[float, float] | None:
    count = spread.units.size
    if spread.sizes is None:
        fits = boot.FEWEST <= count <= boot.MOST
        return boot.bca_mean(spread.units * n, level=1 - alpha, seed=seed) if fits else None
    if not boot.FEWEST_CLUSTERS <= count <= boot.SMALL_CLUSTERS:
        return None
    return boot.bca_mean(spread.units * n, spread.sizes, level=1 - alpha, seed=seed)
