"""A suite's score, and the difference of two arms on it, through the suite's own aggregation.

Every aggregation is a weight per task; score, difference, standard error and test all use the same weights, so the
score and the test can never disagree in sign (pooling in the one and averaging in the other does). A suite in which
a task is missing has no aggregate.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from .checks import Floats, cluster_codes, fraction, pair
from .distributions import detectable, t_two_sided
from .equivalence import tost
from .estimate import Estimate
from .permutation import sign_flip
from .verdict import Decision, Verdict, can_reach, decide, settle, show_p

Aggregation = Literal["mean_of_tasks", "mean_of_suites", "weighted", "pooled", "none"]
SCOPE = "questions like these, of these tasks"


class Leaf(msgspec.Struct, frozen=True):
    """A task in a suite."""

    name: str


class Branch(msgspec.Struct, frozen=True):
    """A suite: children and how their scores become one.

    mean_of_tasks: every task below counts alike; mean_of_suites: every direct child counts alike; weighted: as
    `weights` say (they are made to add up to 1); pooled: every question counts alike; none: no aggregate.
    """

    name: str
    children: tuple[Leaf | Branch, ...]
    aggregation: Aggregation = "mean_of_tasks"
    weights: tuple[float, ...] | None = None


class SuiteComparison(msgspec.Struct, frozen=True, kw_only=True):
    """b against a on a whole suite."""

    n: int
    n_tasks: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    """Questions are the unit, within these tasks: the test that decides."""
    method: str
    p_tasks: float | None
    """Tasks are the unit (a sign flip over tasks): does it hold for tasks like these?"""
    reason_tasks: str
    approximate: bool
    mde80: float | None
    verdict: Verdict
    reason: str
    scope: str
    weights: dict[str, float]
    """What each task counts for; empty when the suite has no aggregate."""
    alpha: float = 0.05
    margin: float | None = None
    p_equivalence: float | None = None
    p_permutation: float | None = None
    lower_is_better: bool = False
    wins: int = 0
    losses: int = 0
    ties: int = 0
    resolution: float | None = None
    """q = n / N*: whether so many questions are enough for a difference as large as the one observed."""


def task_weights(tree: Leaf | Branch, counts: Mapping[str, int]) -> dict[str, float] | None:
    """What each task counts for, summing to 1; None when the suite (or one in it) has no aggregation.

    Raises ValueError when a task has no question, when weights do not fit, or when a suite is empty.
    """
    if isinstance(tree, Leaf):
        if counts.get(tree.name, 0) < 1:
            raise ValueError(f"task {tree.name} has no scored question: the suite has no aggregate without it")
        return {tree.name: 1.0}
    if not tree.children:
        raise ValueError(f"suite {tree.name} is empty")
    parts = [task_weights(child, counts) for child in tree.children]
    if tree.aggregation == "none" or any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    names = list(dict.fromkeys(name for part in known for name in part))
    if tree.aggregation == "mean_of_tasks":
        return {name: 1 / len(names) for name in names}
    if tree.aggregation == "pooled":
        total = sum(counts[name] for name in names)
        return {name: counts[name] / total for name in names}
    shares = [1.0] * len(known)
    if tree.aggregation == "weighted":
        if tree.weights is None or len(tree.weights) != len(known):
            raise ValueError(f"suite {tree.name}: one weight for each of its {len(known)} members is needed")
        if min(tree.weights) < 0 or sum(tree.weights) <= 0:
            raise ValueError(f"suite {tree.name}: weights are 0 or more and not all 0")
        shares = list(tree.weights)
    result = dict.fromkeys(names, 0.0)
    for share, part in zip(shares, known, strict=True):
        for name, weight in part.items():
            result[name] += weight * share / sum(shares)
    return result


def score_suite(tree: Leaf | Branch, estimates: Mapping[str, Estimate], *, level: float = 0.95) -> Estimate:
    """One arm's suite score from its tasks' estimates: SE^2 = sum of weight^2 SE^2, interval by t with
    Satterthwaite's degrees of freedom. Raises ValueError when a task is missing."""
    counts = {name: one.n for name, one in estimates.items()}
    weights = task_weights(tree, counts)
    if weights is None:
        return Estimate(
            n=sum(counts.values()), mean=None, se=None, low=None, high=None, level=level, method="none",
            note="this suite has no aggregation",
        )  # fmt: skip
    mean = 0.0
    parts = []
    for name, weight in weights.items():
        one = estimates[name]
        if one.mean is None:
            raise ValueError(f"task {name} has no mean: the suite has no aggregate without it")
        mean += weight * one.mean
        parts.append((weight, one.error, (one.n_clusters or one.n) - 1))
    se, df = combine(parts)
    half = t_two_sided(level, df) * se if se is not None else None
    return Estimate(
        n=sum(counts[name] for name in weights),
        mean=mean,
        se=se,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        level=level,
        method="none" if half is None else "t, Satterthwaite",
        note=None if se is not None else "a task with one question or one cluster has no standard error",
    )


def combine(parts: Sequence[tuple[float, float | None, float]]) -> tuple[float | None, float]:
    """(se, df) of a weighted sum of independent means from (weight, se, df) of each (Satterthwaite 1946)."""
    total, spread = 0.0, 0.0
    for weight, se, df in parts:
        if weight == 0:
            continue
        if se is None or df < 1:
            return None, 0.0
        variance = (weight * se) ** 2
        total += variance
        spread += variance * variance / df
    if total == 0.0:
        return 0.0, max(1.0, min((df for weight, _, df in parts if weight), default=1.0))
    return math.sqrt(total), total * total / spread


def compare_suite(
    tree: Leaf | Branch,
    pairs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    clusters: Mapping[str, Sequence[Hashable]] | None = None,
    alpha: float = 0.05,
    margin: float | None = None,
    lower_is_better: bool = False,
    seed: int = 0,
) -> SuiteComparison:
    """Compare b with a on a suite; `pairs` holds (a, b) per task, one value for each question both have.

    Raises ValueError when a task of the suite is missing or empty, as `task_weights`.
    """
    fraction(alpha, "alpha")
    data = {name: pair(a, b) for name, (a, b) in pairs.items()}
    weights = task_weights(tree, {name: int(x.size) for name, (x, _) in data.items()})
    if weights is None:
        return SuiteComparison(
            n=sum(int(x.size) for x, _ in data.values()), n_tasks=len(data), mean_a=None, mean_b=None,
            difference=None, se=None, low=None, high=None, p=None, method="none", p_tasks=None,
            reason_tasks="this suite has no aggregation", approximate=False, mde80=None, verdict="unresolved",
            reason="this suite has no aggregation", scope=SCOPE, weights={}, alpha=alpha, margin=margin,
            lower_is_better=lower_is_better,
        )  # fmt: skip
    units, parts, by_task = [], [], []
    ups = downs = 0
    for name, weight in weights.items():
        x, y = data[name]
        ups, downs = ups + int(np.count_nonzero(y > x)), downs + int(np.count_nonzero(y < x))
        sums, se, df = task_spread(y - x, None if clusters is None else clusters.get(name))
        units.append(weight * sums)
        parts.append((weight, se, df))
        by_task.append(weight * float((y - x).mean()))
    mean_a = sum(weight * float(data[name][0].mean()) for name, weight in weights.items())
    mean_b = sum(weight * float(data[name][1].mean()) for name, weight in weights.items())
    difference = float(sum(by_task))
    se, df = combine(parts)
    made = decide(np.concatenate(units), difference, se, df, seed=seed)
    p_equivalence = tost(difference, se, df, margin) if margin is not None and se else None
    verdict, reason = settle(
        p=made.p, method=made.method, difference=difference, alpha=alpha, lower_is_better=lower_is_better,
        margin=margin, p_equivalence=p_equivalence, floor=made.floor, contested=made.contested,
    )  # fmt: skip
    p_tasks, reason_tasks = _over_tasks(np.array(by_task), alpha)
    half = t_two_sided(1 - alpha, df) * se if se is not None else None
    shown = made.p is not None and made.p <= alpha
    n = sum(int(data[name][0].size) for name in weights)
    smallest = detectable(alpha) * se if se else None
    return SuiteComparison(
        n=n,
        n_tasks=len(weights),
        mean_a=mean_a,
        mean_b=mean_b,
        difference=difference,
        se=se,
        low=None if half is None else difference - half,
        high=None if half is None else difference + half,
        p=made.p,
        method=_name(made),
        p_tasks=p_tasks,
        reason_tasks=reason_tasks,
        approximate=half is not None and (abs(difference) > half) != shown,
        mde80=smallest if can_reach(made.contested, alpha) else None,
        verdict=verdict,
        reason=reason,
        scope=SCOPE,
        weights=weights,
        alpha=alpha,
        margin=margin,
        p_equivalence=p_equivalence,
        p_permutation=made.p_permutation,
        lower_is_better=lower_is_better,
        wins=downs if lower_is_better else ups,
        losses=ups if lower_is_better else downs,
        ties=n - ups - downs,
        resolution=(difference / smallest) ** 2 if smallest and difference else None,
    )


def _name(made: Decision) -> str:
    return "weighted t" if made.method == "t" else made.method


def task_spread(d: Floats, names: Sequence[Hashable] | None) -> tuple[Floats, float | None, float]:
    """Units of one task (they add up to its difference), its standard error and degrees of freedom."""
    n = d.size
    if names is None:
        return d / n, float(d.std(ddof=1)) / math.sqrt(n) if n > 1 else None, n - 1
    codes, groups = cluster_codes(names, n)
    sums = np.bincount(codes, weights=d, minlength=groups)
    rest = sums - np.bincount(codes, minlength=groups) * d.mean()
    se = math.sqrt(groups / (groups - 1) * float(rest @ rest)) / n if groups > 1 else None
    return sums / n, se, groups - 1


def _over_tasks(differences: Floats, alpha: float) -> tuple[float | None, str]:
    flip = sign_flip(differences)
    count = differences.size
    if 2.0 ** (1 - count) > alpha:
        few = f"{count} task{'s' if count > 1 else ''}"
        return flip.p, f"{few} as the unit cannot reach p = {alpha:g}: nothing is said about tasks like these"
    return flip.p, f"over {count} tasks as the unit p = {show_p(flip.p)}"
