"""Many arms: every pair on its own overlap, with corrections, fast.

Sums over all pairs at once are matrix products of arms x questions, so that 1,225 pairs cost little more than one. Each
pair gets the numbers that `compare_pairs` would give (without bootstrap and Monte-Carlo): pairs that need more than
sums (few contested questions that are not 0/1, clusters) go through it one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from .checks import Floats, cluster_codes, fraction
from .correct import Correction, adjust
from .distributions import detectable
from .mcnemar import mcnemar_exact
from .paired import Comparison, compare_pairs
from .rank import tiers
from .tango import tango_interval
from .verdict import Verdict, can_reach

ONE_BY_ONE, FEW_CONTESTED = 5_000, 1_000
"""Scores that are not 0/1 over so few questions, or with so few contested, get the exact sign flip."""
BLOCK = 8_192


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Arm b against arm a, on the questions that both have."""

    a: str
    b: str
    n: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    se: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    wins: int
    losses: int
    ties: int
    mde80: float | None
    approximate: bool
    method: str
    verdict: Verdict
    """From the corrected p."""


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All pairs, a ranking, and tiers that the evidence does not separate."""

    names: tuple[str, ...]
    means: tuple[float | None, ...]
    counts: tuple[int, ...]
    pairs: tuple[Pair, ...]
    """One for each i < j, a = names[i], b = names[j], row by row."""
    tiers: tuple[tuple[str, ...], ...]
    """Best first; arms without a score are left out."""
    correction: Correction
    shared: bool
    alpha: float
    lower_is_better: bool = False


class _Sums(msgspec.Struct, frozen=True):
    """For each pair (i, j): overlap, sums of i and j on it, sum of squares of j - i, questions where j is higher and
    lower."""

    n: Floats
    left: Floats
    right: Floats
    square: Floats
    up: Floats
    down: Floats


def compare_matrix(
    names: Sequence[str],
    scores: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    correction: Correction = "holm",
    shared: bool = False,
    lower_is_better: bool = False,
) -> Matrix:
    """`scores`: arms x questions, NaN where an arm has no score for a question; `shared` keeps only the questions
    that every arm has. Verdicts follow the corrected p."""
    fraction(alpha, "alpha")
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != len(names):
        raise ValueError(f"scores have the shape {table.shape}; {len(names)} arms x questions are needed")
    have = ~np.isnan(table)
    if np.isinf(table).any():
        raise ValueError("scores: an infinity is no score")
    codes = None if clusters is None else cluster_codes(clusters, table.shape[1])[0]
    if shared:
        keep = have.all(axis=0)
        table, have = table[:, keep], have[:, keep]
        codes = None if codes is None else codes[keep]
    binary = bool(np.all((table == 0) | (table == 1) | ~have))
    rows, columns = np.triu_indices(len(names), 1)
    if codes is not None or (not binary and table.shape[1] <= ONE_BY_ONE):
        exact = np.ones(rows.size, dtype=bool)
        found: list[Pair | None] = [None] * rows.size
    else:
        sums = _sums(table, have, binary, rows, columns)
        exact = np.zeros(rows.size, dtype=bool) if binary else sums.up + sums.down <= FEW_CONTESTED
        found = [*_all(names, sums, binary, rows, columns, alpha, lower_is_better)]
    for at in np.flatnonzero(exact).tolist():
        found[at] = _one(names, table, have, codes, int(rows[at]), int(columns[at]), alpha, lower_is_better)
    pairs = [one for one in found if one is not None]
    adjusted = adjust([one.p for one in pairs], correction)
    final = [_corrected(one, p, alpha, lower_is_better) for one, p in zip(pairs, adjusted, strict=True)]
    counts = have.sum(axis=1)
    totals = np.where(have, table, 0.0).sum(axis=1)
    means = [float(t / c) if c else None for t, c in zip(totals, counts, strict=True)]
    return Matrix(
        names=tuple(names),
        means=tuple(means),
        counts=tuple(int(c) for c in counts),
        pairs=tuple(final),
        tiers=_tiers(names, means, final, rows, columns, alpha, lower_is_better),
        correction=correction,
        shared=shared,
        alpha=alpha,
        lower_is_better=lower_is_better,
    )


def correct_matrices(
    matrices: Sequence[Matrix], correction: Correction, withheld: Sequence[Collection[tuple[str, str]]] = ()
) -> list[Matrix]:
    """Matrices of several tasks as one family: p corrected over all pairs of all of them, verdicts and tiers anew.
    `withheld` names for each matrix the pairs (a, b) that may get no verdict; they are no part of the family."""
    out = [withheld[i] if withheld else () for i in range(len(matrices))]
    raw = [
        None if (one.a, one.b) in silent else one.p
        for made, silent in zip(matrices, out, strict=True)
        for one in made.pairs
    ]
    adjusted = iter(adjust(raw, correction))
    result = []
    for made in matrices:
        pairs = [_corrected(one, next(adjusted), made.alpha, made.lower_is_better) for one in made.pairs]
        rows, columns = np.triu_indices(len(made.names), 1)
        layers = _tiers(made.names, list(made.means), pairs, rows, columns, made.alpha, made.lower_is_better)
        result.append(msgspec.structs.replace(made, pairs=tuple(pairs), tiers=layers, correction=correction))
    return result


def lowest_p(pairs: Sequence[Pair], correction: Correction) -> list[float | None]:
    """The smallest corrected p that each pair could have, were every one of its questions to go one way: an exact test
    of few questions has a smallest p, and a correction for many pairs asks for less. None where no test is possible."""
    floors = [
        None if one.p is None else 2.0 ** (1 - min(one.n, 1_000)) if one.method.endswith("exact") else 0.0
        for one in pairs
    ]
    return adjust(floors, correction)


def _sums(table: Floats, have: NDArray[Any], binary: bool, rows: Any, columns: Any) -> _Sums:
    k, n = table.shape
    count, left, square, product, up = (np.zeros((k, k)) for _ in range(5))
    for start in range(0, n, BLOCK):
        here = have[:, start : start + BLOCK].astype(np.float64)
        x = np.where(here > 0, table[:, start : start + BLOCK], 0.0)
        count += here @ here.T
        left += x @ here.T
        product += x @ x.T
        if binary:
            up += (here - x) @ x.T
            continue
        square += (x * x) @ here.T
        for i in range(k - 1):
            above = x[i + 1 :] > x[i]
            below = x[i + 1 :] < x[i]
            seen = (here[i + 1 :] > 0) & (here[i] > 0)
            up[i, i + 1 :] += np.count_nonzero(above & seen, axis=1)
            up[i + 1 :, i] += np.count_nonzero(below & seen, axis=1)
    if binary:
        square = left
    return _Sums(
        n=count[rows, columns],
        left=left[rows, columns],
        right=left[columns, rows],
        square=np.maximum(square[rows, columns] + square[columns, rows] - 2 * product[rows, columns], 0.0),
        up=up[rows, columns],
        down=up[columns, rows],
    )


def _all(
    names: Sequence[str], s: _Sums, binary: bool, rows: Any, columns: Any, alpha: float, lower_is_better: bool
) -> list[Pair]:
    n = np.maximum(s.n, 1)
    difference = (s.right - s.left) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum(s.square - n * difference**2, 0.0) / (s.n - 1)
        se = np.sqrt(variance / n)
        statistic = np.where(se > 0, difference / se, np.where(difference == 0, 0.0, np.inf))
    if binary:
        p = np.asarray(mcnemar_exact(s.up, s.down))
        low, high = tango_interval(s.up, s.down, n, 1 - alpha)
    else:
        p = np.minimum(1.0, 2 * stdtr(np.maximum(s.n - 1, 1), -np.abs(statistic)))
        half = stdtrit(np.maximum(s.n - 1, 1), 1 - alpha / 2) * se
        low, high = difference - half, difference + half
    wins, losses = (s.down, s.up) if lower_is_better else (s.up, s.down)
    result = []
    for at, (i, j) in enumerate(zip(rows, columns, strict=True)):
        size = int(s.n[at])
        tested = size > 0 and (binary or size > 1)
        known = size > 1
        lower, upper = (float(low[at]), float(high[at])) if tested else (None, None)
        chance = float(p[at]) if tested else None
        result.append(
            Pair(
                a=names[i], b=names[j], n=size,
                mean_a=float(s.left[at] / size) if size else None,
                mean_b=float(s.right[at] / size) if size else None,
                difference=float(difference[at]) if size else None,
                se=float(se[at]) if known else None,
                low=lower, high=upper, p=chance, p_adjusted=None,
                wins=int(wins[at]), losses=int(losses[at]), ties=size - int(wins[at]) - int(losses[at]),
                mde80=_mde(float(se[at]), int(s.up[at] + s.down[at]), alpha) if known else None,
                approximate=_disagrees(lower, upper, chance, alpha),
                method=("McNemar, exact" if binary else "paired t") if tested else "none",
                verdict="unresolved",
            )
        )  # fmt: skip
    return result


def _mde(se: float, contested: int, alpha: float) -> float | None:
    return detectable(alpha) * se if se > 0 and can_reach(contested, alpha) else None


def _disagrees(low: float | None, high: float | None, p: float | None, alpha: float) -> bool:
    return low is not None and high is not None and p is not None and (low > 0 or high < 0) != (p <= alpha)


def _one(
    names: Sequence[str], table: Floats, have: NDArray[Any], codes: NDArray[Any] | None, i: int, j: int, alpha: float,
    lower_is_better: bool,
) -> Pair:  # fmt: skip
    keep = have[i] & have[j]
    one: Comparison = compare_pairs(
        table[i][keep], table[j][keep], clusters=None if codes is None else codes[keep], alpha=alpha,
        lower_is_better=lower_is_better, bootstrap=False, monte_carlo=False, resolution=False,
    )  # fmt: skip
    return Pair(
        a=names[i], b=names[j], n=one.n, mean_a=one.mean_a, mean_b=one.mean_b, difference=one.difference, se=one.se,
        low=one.low, high=one.high, p=one.p, p_adjusted=None, wins=one.wins, losses=one.losses, ties=one.ties,
        mde80=one.mde80, approximate=one.approximate, method=one.method, verdict="unresolved",
    )  # fmt: skip


def _corrected(one: Pair, p: float | None, alpha: float, lower_is_better: bool) -> Pair:
    verdict: Verdict = "unresolved"
    if p is not None and p <= alpha and one.difference:
        verdict = "better" if (one.difference > 0) != lower_is_better else "worse"
    return msgspec.structs.replace(one, p_adjusted=p, verdict=verdict)


def _tiers(
    names: Sequence[str], means: list[float | None], pairs: list[Pair], rows: Any, columns: Any, alpha: float,
    lower_is_better: bool,
) -> tuple[tuple[str, ...], ...]:  # fmt: skip
    apart = np.zeros((len(names), len(names)), dtype=bool)
    for one, i, j in zip(pairs, rows, columns, strict=True):
        apart[i, j] = apart[j, i] = one.verdict != "unresolved"
    turn = -1.0 if lower_is_better else 1.0
    scored, values = [], []
    for i, mean in enumerate(means):
        if mean is not None:
            scored.append(i)
            values.append(turn * mean)
    return tuple(tuple(tier) for tier in tiers([names[i] for i in scored], values, apart[np.ix_(scored, scored)]))
