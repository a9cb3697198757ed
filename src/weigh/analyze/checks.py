"""What every statistic asks of its input: finite numbers, equal lengths, one cluster name for each question."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def vector(values: ArrayLike, what: str) -> Floats:
    """`values` as a 1-D float array. A NaN or an infinity is refused: a missing score is left out by the caller,
    counted and named; it is never a number."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{what}: one number per question is needed, got an array of shape {array.shape}")
    if array.size and not np.isfinite(array.sum()):
        bad = np.flatnonzero(~np.isfinite(array))
        if bad.size:
            raise ValueError(
                f"{what}: value {int(bad[0])} is {array[bad[0]]}; leave missing scores out before comparing"
            )
    return array


def pair(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Two arms on the same questions."""
    left, right = vector(a, "a"), vector(b, "b")
    if left.size != right.size:
        raise ValueError(f"a has {left.size} questions and b has {right.size}: pair them by question first")
    return left, right


def cluster_codes(clusters: Sequence[Hashable] | NDArray[Any], n: int) -> tuple[Ints, int]:
    """Cluster names as codes 0..G-1, and G."""
    if len(clusters) != n:
        raise ValueError(f"{len(clusters)} cluster names for {n} questions: one for each question is needed")
    if isinstance(clusters, np.ndarray) and clusters.dtype.kind in "iu":
        names, codes = np.unique(clusters, return_inverse=True)
        return codes.astype(np.int64), int(names.size)
    seen: dict[Hashable, int] = {}
    codes = np.fromiter((seen.setdefault(name, len(seen)) for name in clusters), dtype=np.int64, count=n)
    return codes, len(seen)


def fraction(value: float, what: str) -> float:
    """A number strictly between 0 and 1, such as alpha, a level or a power."""
    if not 0.0 < value < 1.0:
        raise ValueError(f"{what} must lie between 0 and 1, got {value}")
    return value


def is_binary(values: Floats) -> bool:
    """Whether every value is exactly 0 or 1."""
    return bool(np.all((values == 0.0) | (values == 1.0)))
