"""One arm on one task: a mean, how far it can be trusted, and what difference it could show.

The standard error is the central limit theorem's, from the unbiased variance over *questions*; questions that come
in clusters get a cluster-robust one beside it, and repeats (epochs) split it into what more questions and what more
epochs would shrink. Source: Miller 2024, "Adding error bars to evals", arXiv 2411.00640.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike


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
    """How the interval was made: "wilson", "wilson, clustered", "t", "t, clustered" or "none"."""
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
        return self.se if self.se_clustered is None else self.se_clustered


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
    raise NotImplementedError


def estimate_epochs(
    values: Sequence[Sequence[float]],
    *,
    clusters: Sequence[Hashable] | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Estimate:
    raise NotImplementedError


def mde(se_difference: float, alpha: float = 0.05, power: float = 0.8) -> float:
    raise NotImplementedError


def mde_unpaired_assumption(
    estimate: Estimate, correlation: float = 0.5, alpha: float = 0.05, power: float = 0.8
) -> Mde:
    raise NotImplementedError


def reduce_pass_at_k(n: int, c: int, k: int) -> float:
    raise NotImplementedError


def reduce_pass_hat_k(n: int, c: int, k: int) -> float:
    raise NotImplementedError
