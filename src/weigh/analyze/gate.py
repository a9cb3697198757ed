"""May this change pass? It passes when a drop larger than allowed is ruled out, it fails when such a drop is shown, and
otherwise the questions were too few, and how many would do is said.

Both are one-sided tests of "the difference is exactly the allowed drop": Tango's score test for 0/1 scores, t
otherwise (with clusters as the units), t on logarithms for a ratio of costs, Satterthwaite's t for a suite. Where all
questions show the very same difference there is no spread for a t, and the sign test is used. An improvement passes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr

from .checks import fraction, is_binary, pair
from .paired import compare_pairs
from .suite import Branch, Leaf, combine, compare_suite, task_spread
from .tango import tango_score
from .verdict import show_p


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the candidate b may replace the baseline a."""

    outcome: Literal["pass", "regression", "cannot tell"]
    n: int
    value: float | None
    """Difference b - a, or ratio b / a."""
    limit: float
    """What the value is held against: minus the allowed drop (plus, when lower is better), or the allowed ratio."""
    p_pass: float | None
    """One-sided: how easily a value this good would come about if the limit were just reached."""
    p_regression: float | None
    more_questions: int | None
    """About how many more questions would tell, 4 times out of 5, if the value stays; None when told or unknown."""
    reason: str


def judge_drop(
    a: ArrayLike,
    b: ArrayLike,
    *,
    max_drop: float,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    lower_is_better: bool = False,
) -> Gate:
    """Hold b - a (a score, one value a question) against an allowed drop of `max_drop` (0 or more)."""
    if not max_drop >= 0:
        raise ValueError(f"the allowed drop is 0 or more, got {max_drop}")
    x, y = pair(a, b)
    turn = -1.0 if lower_is_better else 1.0
    made = compare_pairs(x, y, clusters=clusters, alpha=alpha, bootstrap=False, monte_carlo=False, resolution=False)
    n = made.n
    value, se = made.difference, made.se
    p_low: float | None = None
    if value is not None and made.interval_method == "Tango" and is_binary(x) and is_binary(y):
        ups, downs = (made.losses, made.wins) if lower_is_better else (made.wins, made.losses)
        p_low = float(ndtr(-tango_score(ups, downs, n, -max_drop)))
    elif value is not None:
        units = int(n if made.n_clusters in (None, n) else made.n_clusters or 0)
        if se:
            p_low = float(stdtr(units - 1, -(turn * value + max_drop) / se))
        elif not np.any(y - x - value):
            p_low = _all_alike(units, turn * value + max_drop)
    distance = None if value is None else turn * value + max_drop
    return _settled(
        n, value, -turn * max_drop, p_low, distance, None if se is None else se * math.sqrt(n), alpha, "drop"
    )


def judge_suite(
    tree: Leaf | Branch,
    pairs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    max_drop: float,
    clusters: Mapping[str, Sequence[Hashable]] | None = None,
    alpha: float = 0.05,
    lower_is_better: bool = False,
) -> Gate:
    """Hold a suite's aggregate of b - a against an allowed drop; `pairs` holds (a, b) per task.

    Raises ValueError when a task of the suite is missing or empty, as `task_weights`.
    """
    if not max_drop >= 0:
        raise ValueError(f"the allowed drop is 0 or more, got {max_drop}")
    made = compare_suite(tree, pairs, clusters=clusters, alpha=alpha, lower_is_better=lower_is_better)
    turn = -1.0 if lower_is_better else 1.0
    parts = []
    for name, weight in made.weights.items():
        x, y = pair(*pairs[name])
        _, se, df = task_spread(y - x, None if clusters is None else clusters.get(name))
        parts.append((weight, se, df))
    se, df = combine(parts)
    distance = None if made.difference is None else turn * made.difference + max_drop
    p_low = float(stdtr(df, -distance / se)) if distance is not None and se else None
    spread = None if se is None else se * math.sqrt(made.n)
    return _settled(made.n, made.difference, -turn * max_drop, p_low, distance, spread, alpha, "drop")


def _all_alike(units: int, distance: float) -> float | None:
    """p of the sign test when every unit lies at the same distance from the limit; None when that is 0 or there is
    one unit."""
    if units < 2 or distance == 0:
        return None
    return 0.5**units if distance > 0 else 1 - 0.5**units


def judge_ratio(a: ArrayLike, b: ArrayLike, *, max_ratio: float, alpha: float = 0.05) -> Gate:
    """Hold the ratio of costs b / a (geometric means) against `max_ratio`; questions on which a cost is 0 are left
    out."""
    if not max_ratio > 0:
        raise ValueError(f"the allowed ratio is larger than 0, got {max_ratio}")
    x, y = pair(a, b)
    if x.size and min(x.min(), y.min()) < 0:
        raise ValueError("a cost is 0 or more")
    keep = (x > 0) & (y > 0)
    logs = np.log(y[keep]) - np.log(x[keep])
    n = int(logs.size)
    if n == 0:
        return _settled(0, None, max_ratio, None, None, None, alpha, "ratio")
    mean, distance = float(logs.mean()), math.log(max_ratio) - float(logs.mean())
    spread = float(logs.std(ddof=1)) if n > 1 else 0.0
    if spread > 0:
        p_low: float | None = float(stdtr(n - 1, -distance / (spread / math.sqrt(n))))
    else:
        p_low = _all_alike(n, distance)
    return _settled(n, math.exp(mean), max_ratio, p_low, distance, spread, alpha, "ratio")


def _settled(
    n: int,
    value: float | None,
    limit: float,
    p_pass: float | None,
    distance: float | None,
    spread: float | None,
    alpha: float,
    what: str,
) -> Gate:
    fraction(alpha, "alpha")
    p_regression = None if p_pass is None else 1 - p_pass
    outcome: Literal["pass", "regression", "cannot tell"] = "cannot tell"
    more: int | None = None
    if p_pass is None or p_regression is None:
        reason = "no question in common" if n == 0 else f"{n} questions without spread: no test is possible"
    elif p_pass <= alpha:
        outcome, reason = "pass", f"a larger {what} than allowed is ruled out, p = {show_p(p_pass)}"
    elif p_regression <= alpha:
        outcome, reason = "regression", f"a larger {what} than allowed is shown, p = {show_p(p_regression)}"
    else:
        reason = f"neither ruled out (p = {show_p(p_pass)}) nor shown (p = {show_p(p_regression)})"
        if distance and spread:
            needed = float((ndtri(1 - alpha) + ndtri(0.8)) ** 2) * (spread / distance) ** 2
            more = max(1, math.ceil(needed - n))
            reason += f"; about {more:,} more questions would tell"
    return Gate(
        outcome=outcome,
        n=n,
        value=value,
        limit=limit + 0.0,  # no -0.0
        p_pass=p_pass,
        p_regression=p_regression,
        more_questions=more,
        reason=reason,
    )
