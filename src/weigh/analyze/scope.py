"""What a verdict is about. *Tasks like these*: the questions (or tasks) are draws from a larger world and are the
unit; that is `compare_pairs`. *These tasks*: the questions are given, and only the luck of the epochs within each is
in doubt: the labels "a" and "b" are exchanged among the epochs of a question, never across questions. A study of a
few tasks needs the second: no test over fewer than 6 tasks as units can reach p = .05.

Source: stratified permutation test (Pitman 1937; Good 2005, chapter 3); interval for 0/1 scores by the square-and-add
method on Wilson intervals (Newcombe 1998; Zou and Donner 2008), otherwise Welch-Satterthwaite t. With many questions of
few epochs, square-and-add alone is too narrow (85 % of the time it holds the true difference, with 4 epochs at
chances about one half): what a Wilson interval adds on one side depends on which way the question's own score
erred. So with several questions no side is shorter than the normal interval's, whose variance is unbiased.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import msgspec
import numpy as np
from scipy.special import gammaln

from .checks import Floats, fraction, is_binary, vector
from .distributions import p_from_z, t_two_sided, z_two_sided
from .estimate import wilson
from .permutation import FLIPS
from .verdict import Verdict, show_p

TASKS_LIKE_THESE = "tasks like these"
THESE_TASKS = "these tasks"
FEWEST_EPOCHS = 4
EXACT_SUPPORT = 1 << 20
MONTE_CARLO_QUESTIONS = 2_000


class GivenComparison(msgspec.Struct, frozen=True, kw_only=True):
    """b against a on exactly these questions; chance is only in the epochs."""

    n: int
    epochs_a: int
    """The fewest epochs that arm a has on a question."""
    epochs_b: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    method: str
    interval_method: str
    approximate: bool
    verdict: Verdict
    reason: str
    scope: str = THESE_TASKS
    alpha: float = 0.05
    margin: float | None = None
    lower_is_better: bool = False
    p_adjusted: float | None = None
    """After correction for a family of comparisons; None when none was made."""


def compare_given(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    *,
    alpha: float = 0.05,
    margin: float | None = None,
    lower_is_better: bool = False,
    seed: int = 0,
) -> GivenComparison:
    """Compare b with a on these questions; each entry holds the epochs of a question. The verdict follows the test,
    which is exact for any number of epochs and says itself where they are too few to reach alpha (one question with 3
    epochs an arm has p = .1 at best). With a margin, it is `equivalent` where the interval at 1 - 2 alpha lies within
    it, which is two one-sided tests at alpha; an interval takes at least 4 epochs an arm on every question.

    Raises ValueError for NaN, unequal numbers of questions, questions without epochs and a margin that is not positive.
    """
    fraction(alpha, "alpha")
    if margin is not None and not margin > 0:
        raise ValueError(f"a margin is larger than 0, got {margin}")
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} questions and b has {len(b)}: pair them by question first")
    left = [vector(row, f"a, question {i}") for i, row in enumerate(a)]
    right = [vector(row, f"b, question {i}") for i, row in enumerate(b)]
    if not left:
        return GivenComparison(
            n=0, epochs_a=0, epochs_b=0, mean_a=None, mean_b=None, difference=None, se=None, low=None, high=None,
            p=None, method="none", interval_method="none", approximate=False, verdict="unresolved",
            reason="no question in common", alpha=alpha, margin=margin, lower_is_better=lower_is_better,
        )  # fmt: skip
    for name, rows in (("a", left), ("b", right)):
        for i, row in enumerate(rows):
            if row.size == 0:
                raise ValueError(f"{name}: question {i} has no epoch; leave it out")
    mean_a = float(np.mean([row.mean() for row in left]))
    mean_b = float(np.mean([row.mean() for row in right]))
    difference = mean_b - mean_a
    p, method = _test(left, right, seed)
    se, low, high, interval = _interval(left, right, difference, alpha)
    fewest = (min(row.size for row in left), min(row.size for row in right))
    told = f"{method}, p = {show_p(p)}"
    verdict: Verdict = "unresolved"
    within = None
    if margin is not None and min(fewest) >= FEWEST_EPOCHS:
        within = _within(left, right, difference, alpha, margin)
    if within is not None:
        also = "; a difference is shown, but it is smaller than the margin" if p <= alpha else ""
        verdict, reason = "equivalent", within + also
    elif p <= alpha:
        verdict, reason = ("better" if (difference > 0) != lower_is_better else "worse"), told
    elif (floor := _floor(left, right)) > alpha:
        reason = f"so few epochs cannot reach p = {alpha:g} (at best {show_p(floor)}); {told}"
    else:
        reason = f"the evidence cannot tell: {told}"
    return GivenComparison(
        n=len(left),
        epochs_a=fewest[0],
        epochs_b=fewest[1],
        mean_a=mean_a,
        mean_b=mean_b,
        difference=difference,
        se=se,
        low=low,
        high=high,
        p=p,
        method=method,
        interval_method=interval,
        approximate=low is not None and high is not None and (low > 0 or high < 0) != (p <= alpha),
        verdict=verdict,
        reason=reason,
        alpha=alpha,
        margin=margin,
        lower_is_better=lower_is_better,
    )


def _within(left: list[Floats], right: list[Floats], difference: float, alpha: float, margin: float) -> str | None:
    """Why the difference is smaller than a margin; None where that is not shown."""
    _, low, high, _ = _interval(left, right, difference, 2 * alpha)
    if low is None or high is None or low <= -margin or high >= margin:
        return None
    return f"within the margin of {margin:g} ({100 * (1 - 2 * alpha):g} % interval from {low:+.3f} to {high:+.3f})"


def _test(left: list[Floats], right: list[Floats], seed: int) -> tuple[float, str]:
    """Two-sided p of the sum over questions of (mean of b - mean of a)."""
    observed = float(sum(y.mean() - x.mean() for x, y in zip(left, right, strict=True)))
    pools = [np.concatenate((x, y)) for x, y in zip(left, right, strict=True)]
    sizes = [y.size for y in right]
    live = [i for i, pool in enumerate(pools) if pool.max() > pool.min()]
    if not live:
        return 1.0, "stratified permutation, exact"
    if len(live) > MONTE_CARLO_QUESTIONS:
        variance = sum(pools[i].var(ddof=1) * (1 / sizes[i] + 1 / (pools[i].size - sizes[i])) for i in live)
        return p_from_z(observed / math.sqrt(variance)), "stratified permutation, normal"
    exact = _exact([pools[i] for i in live], [sizes[i] for i in live], observed)
    if exact is not None:
        return exact, "stratified permutation, exact"
    rng = np.random.default_rng(seed)
    sums = np.zeros(FLIPS)
    for i in live:
        drawn = rng.permuted(np.broadcast_to(pools[i], (FLIPS, pools[i].size)), axis=1)
        sums += drawn[:, : sizes[i]].mean(axis=1) - drawn[:, sizes[i] :].mean(axis=1)
    extreme = int(np.count_nonzero(np.abs(sums) >= abs(observed) - 1e-9))
    return (extreme + 1) / (FLIPS + 1), "stratified permutation, Monte-Carlo"


def _floor(left: list[Floats], right: list[Floats]) -> float:
    """The smallest p that the test can reach with these epochs, however they were dealt to a and b."""
    most, least, chance_most, chance_least = 0.0, 0.0, 1.0, 1.0
    for x, y in zip(left, right, strict=True):
        pool = np.concatenate((x, y))
        found = _one_question(pool, y.size) if pool.max() > pool.min() else None
        if pool.max() > pool.min() and found is None:
            return 0.0  # so many arrangements of one question alone that any p can be reached
        if found is not None:
            low, high = int(found[0].argmin()), int(found[0].argmax())
            most, chance_most = most + float(found[0][high]), chance_most * float(found[1][high])
            least, chance_least = least - float(found[0][low]), chance_least * float(found[1][low])
    if most == least == 0.0:
        return 1.0
    if math.isclose(most, least, abs_tol=1e-7):
        return chance_most + chance_least
    return chance_most if most > least else chance_least


def _exact(pools: list[Floats], sizes: list[int], observed: float) -> float | None:
    """Add up the questions' distributions while the number of distinct sums stays small."""
    step = math.lcm(*(size * (pool.size - size) for pool, size in zip(pools, sizes, strict=True)))
    if step * len(pools) <= EXACT_SUPPORT and all(is_binary(pool) for pool in pools):
        return _on_grid(pools, sizes, observed, step)
    values: Floats = np.zeros(1)
    chances: Floats = np.ones(1)
    for pool, size in zip(pools, sizes, strict=True):
        one = _one_question(pool, size)
        if one is None or values.size * one[0].size > EXACT_SUPPORT:
            return None
        sums = (values[:, None] + one[0]).ravel()
        keys, owner = np.unique(np.round(sums, 9), return_inverse=True)
        chances = np.bincount(owner, weights=(chances[:, None] * one[1]).ravel(), minlength=keys.size).astype(
            np.float64
        )
        values = keys.astype(np.float64)
    return min(1.0, float(chances[np.abs(values) >= abs(observed) - 1e-7].sum()))


def _on_grid(pools: list[Floats], sizes: list[int], observed: float, step: int) -> float:
    """0/1 epochs: every sum is a whole multiple of 1/step, so the distributions are convolved as arrays."""
    whole: Floats = np.ones(1)
    for pool, size in zip(pools, sizes, strict=True):
        found = _one_question(pool, size)
        assert found is not None
        at = np.round(found[0] * step).astype(np.int64) + step
        wider = np.zeros(whole.size + 2 * step)
        for place, chance in zip(at.tolist(), found[1].tolist(), strict=True):
            wider[place : place + whole.size] += chance * whole
        whole = wider
    sums = np.arange(whole.size) - len(pools) * step
    return min(1.0, float(whole[np.abs(sums) >= abs(round(observed * step))].sum()))


def _one_question(pool: Floats, size: int) -> tuple[Floats, Floats] | None:
    """Distinct differences of means over all ways to call `size` of the epochs "b", with their probabilities."""
    total, n = float(pool.sum()), pool.size
    if is_binary(pool):
        ones = int(total)
        k = np.arange(max(0, size - (n - ones)), min(size, ones) + 1, dtype=np.float64)
        logs = _choose(ones, k) + _choose(n - ones, size - k) - _choose(n, np.array([float(size)]))
        return k / size - (ones - k) / (n - size), np.exp(logs)
    if math.comb(n, size) > 20_000:
        return None
    sums = np.array([sum(chosen) for chosen in combinations(pool.tolist(), size)])
    differences, counts = np.unique(np.round(sums / size - (total - sums) / (n - size), 10), return_counts=True)
    return differences, counts / counts.sum()


def _choose(n: int, k: Floats) -> Floats:
    logs: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return logs


def _interval(
    left: list[Floats], right: list[Floats], difference: float, alpha: float
) -> tuple[float | None, float | None, float | None, str]:
    """(se, low, high, method)."""
    n = len(left)
    parts = [(row.var(ddof=1) / row.size, row.size - 1) for row in (*left, *right) if row.size > 1]
    se = math.sqrt(sum(v for v, _ in parts)) / n if len(parts) == 2 * n else None
    if all(is_binary(row) for row in (*left, *right)):
        z, down, up = z_two_sided(1 - alpha), 0.0, 0.0
        for x, y in zip(left, right, strict=True):
            (low_x, high_x), (low_y, high_y) = wilson(x.mean(), x.size, z), wilson(y.mean(), y.size, z)
            down += (y.mean() - low_y) ** 2 + (high_x - x.mean()) ** 2
            up += (high_y - y.mean()) ** 2 + (x.mean() - low_x) ** 2
        least = z * se if se is not None and n > 1 else 0.0
        low, high = difference - max(math.sqrt(down) / n, least), difference + max(math.sqrt(up) / n, least)
        return se, max(-1.0, low), min(1.0, high), "Newcombe, stratified"
    if not se:
        return se, None, None, "none"
    df = sum(v for v, _ in parts) ** 2 / sum(v * v / df for v, df in parts)
    half = t_two_sided(1 - alpha, df) * se
    return se, difference - half, difference + half, "Welch t"
