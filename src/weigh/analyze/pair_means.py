"""Values at given places among the sorted means of all pairs of numbers, without making all pairs.

Of n sorted numbers, the partners whose sum with one of them stays below a bound are a beginning of the row, so that how
many pairs lie below it is one binary search a row. A bound on either side of a place, taken from a few evenly spaced
numbers, leaves a few thousand pairs to look at. The answer is that of sorting all n (n + 1) / 2 pairs, to the last
digit. Source: Johnson and Mizoguchi 1978, "Selecting the kth element in X + Y and X1 + ... + Xm".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .checks import Floats, Ints

ALL_PAIRS = 150
"""Of up to so many numbers all pairs are made: that is quicker."""
FEW_KINDS = 64
"""Of so few distinct numbers each pair of kinds is made once, with how often it occurs."""
COARSE = 128
"""Numbers from which the bounds are taken."""
SLACK = 1 / 256
"""How far a bound is set beyond its place at first, as a share of all pairs."""


def pair_means(values: Floats, places: Sequence[int]) -> list[float]:
    """For each place (from 0) the value there among the sorted (values[i] + values[j]) / 2, i <= j."""
    if values.size <= ALL_PAIRS:
        row, column = _pairs(values.size)
        means = values[row] + values[column]
        means.partition(sorted(set(places)))
        return [float(means[place] / 2) for place in places]
    ordered = np.sort(values)
    kinds = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if kinds.size <= FEW_KINDS:
        return _by_kind(ordered, kinds, places)
    row, column = _pairs(COARSE)
    coarse = ordered[((np.arange(COARSE) + 0.5) * (ordered.size / COARSE)).astype(np.int64)]
    guesses = np.sort(coarse[row] + coarse[column])
    return [_at(ordered, place, guesses) / 2 for place in places]


@lru_cache(maxsize=8)
def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(n)


def _by_kind(ordered: Floats, starts: Ints, places: Sequence[int]) -> list[float]:
    """The same where few numbers are distinct; `starts` is where each begins."""
    kinds, counts = ordered[starts], np.diff(np.append(starts, ordered.size))
    row, column = _pairs(kinds.size)
    sums = kinds[row] + kinds[column]
    times = np.where(row == column, counts[row] * (counts[row] + 1) // 2, counts[row] * counts[column])
    order = np.argsort(sums, kind="stable")
    found = sums[order][np.searchsorted(np.cumsum(times[order]), places, side="right")]
    return [float(value / 2) for value in found]


def _at(ordered: Floats, place: int, guesses: Floats) -> float:
    """The sum at a place: bounds are moved apart until it lies surely between them."""
    size = ordered.size
    rows = np.arange(size)
    share = place / (size * (size + 1) // 2) * guesses.size
    # Sums are rounded, so that what lies closer to a bound than this may have been counted on either side of it.
    rounding = 8 * np.finfo(np.float64).eps * float(np.abs(ordered[[0, -1]]).max())
    slack = SLACK * guesses.size
    while True:
        low, high = share - slack, share + slack
        bottom = guesses[int(low)] if low >= 0 else -np.inf
        top = guesses[int(high) + 1] if high + 1 < guesses.size else np.inf
        begin = np.maximum(np.searchsorted(ordered, bottom - ordered), rows)
        end = np.maximum(np.searchsorted(ordered, top - ordered), rows)
        below = int((begin - rows).sum())
        counts = end - begin
        total = int(counts.sum())
        if below <= place < below + total:
            partner = np.arange(total) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
            sums = np.repeat(ordered, counts) + ordered[partner]
            sums.partition(place - below)
            found = float(sums[place - below])
            if bottom + rounding < found < top - rounding:
                return found
        slack *= 4
