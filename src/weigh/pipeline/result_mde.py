"""What a comparison of the two arms of a run could have shown, by the code of `weigh compare`: one number for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weigh.analyze.estimate import Mde
from weigh.analyze.paired import compare_pairs
from weigh.analyze.suite import Branch, compare_suite
from weigh.pipeline.questions import Questions

Pair = tuple[Questions, Questions]
Aligned = tuple[NDArray[np.float64], NDArray[np.float64], list[Any] | None]


def measured_mde(pair: Pair, alpha: float) -> Mde | None:
    """Of a task; None where fewer than two questions are paired."""
    a, b, clusters = _aligned(pair)
    if a.size < 2:
        return None
    made = compare_pairs(a, b, clusters=clusters, alpha=alpha, bootstrap=False, monte_carlo=False, resolution=False)
    return Mde(value=made.mde80, assumption=_told(a.size))


def measured_suite_mde(tree: Branch, pairs: Mapping[str, Pair], alpha: float) -> Mde | None:
    """Of a suite; None where a task of it has no paired question."""
    parts = {spec: _aligned(pair) for spec, pair in pairs.items()}
    if not all(a.size for a, _, _ in parts.values()):
        return None
    made = compare_suite(
        tree, {spec: (a, b) for spec, (a, b, _) in parts.items()}, alpha=alpha,
        clusters={spec: clusters for spec, (_, _, clusters) in parts.items() if clusters is not None} or None,
    )  # fmt: skip
    return Mde(value=made.mde80, assumption=_told(made.n))


def _told(n: int) -> str:
    return f"measured on {n} paired questions of the two arms"


def _aligned(pair: Sequence[Questions]) -> Aligned:
    first, second = pair
    _, at, other = np.intersect1d(first.keys.astype(str), second.keys.astype(str), return_indices=True)
    clusters = None if first.clusters is None else first.clusters[at].tolist()
    return first.values[at], second.values[other], clusters
