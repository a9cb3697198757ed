"""One arm on one task: a mean, how far it can be trusted, and what difference it could show.

The standard error is the central limit theorem's, from the unbiased variance over *questions*; questions that come
in clusters get a cluster-robust one beside it, and repeats (epochs) split it into what more questions and what more
epochs would shrink. Source: Miller 2024, "Adding error bars to evals", arXiv 2411.00640, sections 2.1 to 2.3 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from .checks import Floats, cluster_codes, fraction, is_binary, vector
from .distributions import detectable, t_two_sided, z_two_sided

FEW = 5
"""Shares of which fewer questions than this count (or fail) get Wilson's interval even if their scores are not 0/1."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A mean over questions with its uncertainty. `None` means "cannot be known from these numbers", never 0."""

    n: int
    mean: float | None
    se: float | None
    """CLT standard error, questions taken as independent."""
    low: float | None
    high: float | None
    level: float
    method: str
    """How the interval was made: "wilson", "wilson, clustered", "wilson, these epochs", "t",
    "t, clustered" or "none"."""
    se_clustered: float | None = None
    """Cluster-robust standard error; when given, the interval uses it."""
    n_clusters: int | None = None
    se_within: float | None = None
    """The part of `se` that more epochs of the same questions would shrink."""
    se_between: float | None = None
    """The part of `se` that only more questions would shrink."""
    note: str | None = None

    @property
    def error(self) -> float | None:
        """The standard error that the interval uses: the clustered one when there are clusters."""
        return self.se if self.n_clusters is None else self.se_clustered


class Mde(msgspec.Struct, frozen=True, kw_only=True):
    """A minimum detectable effect and the assumption it rests on."""

    value: float | None
    assumption: str


def estimate(
    values: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    epochs: Sequence[int] | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Estimate:
    """The mean of one value per question, with standard error and interval.

    A 0/1 score gets Wilson's interval (under clusters with the effective number of questions and t with G-1 degrees
    of freedom), anything else Student's t (G-1 degrees of freedom under clusters), cut at `bounds` when they are
    known. Means of epochs of which few are contested get Wilson's too, which is then wider than it need be: 1 of 24 is
    never surer than 0 of 24. `epochs` says of how many repeats each value is the mean; it only adds a note when they
    differ.
    No question: the mean is None. One question or one cluster: the standard error is None.

    Raises ValueError for NaN, infinities, values outside `bounds` and lengths that do not match.
    """
    fraction(level, "level")
    x = vector(values, "values")
    n = int(x.size)
    if bounds is not None and n and (x.min() < bounds[0] or x.max() > bounds[1]):
        raise ValueError(f"values: {x.min():g} to {x.max():g} leaves the bounds {bounds[0]:g} to {bounds[1]:g}")
    if n == 0:
        return Estimate(
            n=0, mean=None, se=None, low=None, high=None, level=level, method="none", note="no scored question"
        )
    notes: list[str] = []
    if epochs is not None:
        if len(epochs) != n:
            raise ValueError(f"{len(epochs)} numbers of epochs for {n} questions")
        if len(set(epochs)) > 1:
            notes.append(f"questions have {min(epochs)} to {max(epochs)} epochs; each question counts once")
    mean = float(x.mean())
    se = float(x.std(ddof=1) / math.sqrt(n)) if n > 1 else None
    se_clustered: float | None = None
    n_clusters: int | None = None
    if clusters is not None:
        codes, n_clusters = cluster_codes(clusters, n)
        se_clustered = clustered_se(x, codes, n_clusters)
        if n_clusters == 1:
            notes.append("one cluster: the standard error between clusters cannot be known")
    if is_binary(x):
        low, high, method = _proportion(mean, n, se_clustered, n_clusters, level, notes)
    else:
        low, high, method = _mean(mean, n, se, se_clustered, n_clusters, bounds, level, notes)
    return Estimate(
        n=n,
        mean=mean,
        se=se,
        low=low,
        high=high,
        level=level,
        method=method,
        se_clustered=se_clustered,
        n_clusters=n_clusters,
        note="; ".join(notes) or None,
    )


def clustered_se(x: Floats, codes: np.ndarray, groups: int) -> float | None:
    """Cluster-robust standard error of a mean (Miller 2024, section 2.2) with the factor G/(G-1)."""
    if groups < 2:
        return None
    sums = np.bincount(codes, weights=x - x.mean(), minlength=groups)
    return math.sqrt(groups / (groups - 1) * float(sums @ sums)) / x.size


def wilson(mean: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's score interval (1927) for a proportion; `n` may be an effective number of questions."""
    shrink = 1 + z * z / n
    centre = (mean + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return max(0.0, min(centre - half, mean)), min(1.0, max(centre + half, mean))


def _proportion(
    mean: float, n: int, se_clustered: float | None, groups: int | None, level: float, notes: list[str]
) -> tuple[float | None, float | None, str]:
    if groups is None:
        return *wilson(mean, n, z_two_sided(level)), "wilson"
    if groups < 2:
        return None, None, "none"
    # With clusters of one, mean(1-mean)/se^2 + 1 is n exactly; chance may make it larger than n, which is not used.
    effective = float(groups)
    if se_clustered:
        effective = min(float(n), mean * (1 - mean) / se_clustered**2 + 1)
    notes.append(f"{groups} clusters: worth {effective:.4g} independent questions")
    return *wilson(mean, effective, t_two_sided(level, groups - 1)), "wilson, clustered"


def _mean(
    mean: float,
    n: int,
    se: float | None,
    se_clustered: float | None,
    groups: int | None,
    bounds: tuple[float, float] | None,
    level: float,
    notes: list[str],
) -> tuple[float | None, float | None, str]:
    error, df, method = (se, n - 1, "t") if groups is None else (se_clustered, groups - 1, "t, clustered")
    if error is None:
        return None, None, "none"
    if bounds == (0.0, 1.0) and groups is None and n * min(mean, 1 - mean) < FEW:
        # Too few for Student's t. No score within these bounds varies more than a 0/1 score of its mean.
        return *wilson(mean, n, z_two_sided(level)), "wilson"
    if error <= 1e-15 * abs(mean):
        notes.append("all values are equal: the interval has no width, which says little when n is small")
    half = t_two_sided(level, df) * error
    low, high = mean - half, mean + half
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return low, high, method


def estimate_epochs(
    values: Sequence[Sequence[float]],
    *,
    clusters: Sequence[Hashable] | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Estimate:
    """The same from the epochs of each question (a list of lists, not necessarily of equal length).

    Epochs are averaged within a question first: a question counts once however often it is asked. The variance of
    the mean is split as Var = between / n + within / (n K) (Miller 2024, section 3.1): `se_within` is the root of the
    second part, from questions with at least two epochs, `se_between` the root of what is left (0 if chance made it
    negative).
    """
    means, counts, within = epoch_moments(values, "values")
    whole = estimate(means, clusters=clusters, epochs=[len(row) for row in values], bounds=bounds, level=level)
    if means.size == 1 and clusters is None and counts[0] > 1 and is_binary(flat := vector(values[0], "values")):
        low, high = wilson(float(means[0]), flat.size, z_two_sided(level))
        note = f"one question: the interval is that of its {flat.size} epochs and says nothing about other questions"
        return msgspec.structs.replace(whole, low=low, high=high, method="wilson, these epochs", note=note)
    if within is None or whole.se is None:
        return whole
    se_within = math.sqrt(within * float(np.sum(1 / counts))) / means.size
    return msgspec.structs.replace(
        whole, se_within=se_within, se_between=math.sqrt(max(0.0, whole.se**2 - se_within**2))
    )


def epoch_moments(values: Sequence[Sequence[float]], what: str) -> tuple[Floats, Floats, float | None]:
    """For each question its mean and number of epochs; and the variance of one epoch within a question, pooled
    over the questions that have two epochs or more (None without any)."""
    counts = np.array([len(row) for row in values], dtype=np.float64)
    if counts.size and counts.min() == 0:
        raise ValueError(f"{what}: question {int(counts.argmin())} has no epoch; leave it out")
    flat = vector([score for row in values for score in row], what)
    owner = np.repeat(np.arange(counts.size), counts.astype(np.int64))
    means = np.bincount(owner, weights=flat, minlength=counts.size) / np.maximum(counts, 1)
    spare = float(np.sum(counts - 1))
    if spare <= 0:
        return means, counts, None
    return means, counts, float(np.sum((flat - means[owner]) ** 2)) / spare


def mde(se_difference: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference that a test at `alpha` shows with probability `power`:
    (z_{1-alpha/2} + z_power) x the standard error of the paired difference (Miller 2024, section 5)."""
    if not se_difference >= 0:
        raise ValueError(f"a standard error is 0 or more, got {se_difference}")
    return detectable(alpha, power) * se_difference


def mde_unpaired_assumption(
    estimate: Estimate, correlation: float = 0.5, alpha: float = 0.05, power: float = 0.8
) -> Mde:
    """What one arm's estimate says about a comparison with another that does not exist yet: two arms of equal
    variance whose scores correlate with `correlation` over the questions, SE_difference = SE sqrt(2 (1 - r))."""
    if not -1.0 <= correlation <= 1.0:
        raise ValueError(f"a correlation lies between -1 and 1, got {correlation}")
    assumption = f"assuming another arm of equal variance and correlation {correlation:g} over questions"
    if estimate.error is None:
        return Mde(value=None, assumption=assumption)
    return Mde(value=mde(estimate.error * math.sqrt(2 * (1 - correlation)), alpha, power), assumption=assumption)


def _attempts(n: int, c: int, k: int) -> None:
    if not 0 <= c <= n:
        raise ValueError(f"{c} of {n} attempts cannot be right")
    if k < 1:
        raise ValueError(f"k is 1 or more, got {k}")
    if k > n:
        raise ValueError(f"k={k} needs at least {k} epochs, there are {n}: run more epochs or lower k")


def reduce_pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate that at least one of k attempts is right, from c right ones of n:
    1 - C(n-c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374, equation 1). Refuses k > n."""
    _attempts(n, c, k)
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def reduce_pass_hat_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate that all of k attempts are right: C(c, k) / C(n, k) (Yao et al. 2024, tau-bench).
    Refuses k > n."""
    _attempts(n, c, k)
    return math.comb(c, k) / math.comb(n, k)
