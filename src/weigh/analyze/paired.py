"""Two arms on the same questions: is b really better than a, by how much, or can the evidence not tell?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import msgspec
from numpy.typing import ArrayLike

Verdict = Literal["better", "worse", "equivalent", "unresolved"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """b against a, question by question. `difference` is mean_b - mean_a; wins are questions on which b is better."""

    n: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    se: float | None
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
    """The smallest difference that this comparison would have shown with 80 % power."""
    n_star: float | None = None
    """Questions needed to show a difference as large as the one observed with 80 % power."""
    resolution: float | None = None
    """q = n / n_star: at 1 and above the comparison is large enough for what it saw."""
    p_permutation: float | None = None
    p_equivalence: float | None = None
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None


def compare_pairs(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    margin: float | None = None,
    method: str = "auto",
    lower_is_better: bool = False,
    seed: int = 0,
    bootstrap: bool = True,
) -> Comparison:
    raise NotImplementedError
