"""Two arms that failed unequally get no verdict: what is missing may be what would have decided.

Failures are never scores, so a question on which one arm failed leaves the comparison. That is harmless when failures
strike both arms alike, and not when one arm fails on the questions that it finds hard. The rule: no verdict when an
exact McNemar test of the failures shows a difference, or when the failure rates differ by more than a tolerance (5
points, and by at least two questions), which a small run cannot test.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from .checks import fraction
from .mcnemar import mcnemar_exact
from .verdict import show_p


class UnequalFailures(msgspec.Struct, frozen=True, kw_only=True):
    """Failed trials of two arms on the same questions."""

    n: int
    failed_a: float
    """Questions that failed; a question of which some epochs failed counts as that share."""
    failed_b: float
    p: float
    """Exact McNemar of the failures (of which arm failed more on a question)."""
    unequal: bool
    reason: str
    largest_shift: float | None
    """The most that the failed questions could move a difference of scores between 0 and 1."""


def failed_unequally(
    failed_a: ArrayLike, failed_b: ArrayLike, *, alpha: float = 0.05, tolerance: float = 0.05
) -> UnequalFailures:
    """`failed_a[i]` and `failed_b[i]`: whether question i failed (or the share of its epochs that failed)."""
    fraction(alpha, "alpha")
    x, y = np.asarray(failed_a, dtype=np.float64), np.asarray(failed_b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError("one flag for each question is needed, for the same questions in both arms")
    if x.size and not (np.all((x >= 0) & (x <= 1)) and np.all((y >= 0) & (y <= 1))):
        raise ValueError("a failure flag is true, false, or a share between 0 and 1")
    n, total_a, total_b = int(x.size), float(x.sum()), float(y.sum())
    p = float(mcnemar_exact(int(np.sum(x > y)), int(np.sum(y > x))))
    gap = abs(total_a - total_b)
    unequal = n > 0 and (p <= alpha or (gap / n > tolerance and gap >= 2))
    told = f"{total_a:g} of {n} questions failed for a and {total_b:g} for b, p = {show_p(p)}"
    if unequal:
        reason = f"the arms failed unequally: {told}; run the failed trials again before believing a difference"
    else:
        reason = "nothing failed" if total_a == total_b == 0 else told
    lost = float(np.sum(np.maximum(x, y)))
    return UnequalFailures(
        n=n,
        failed_a=total_a,
        failed_b=total_b,
        p=p,
        unequal=unequal,
        reason=reason,
        largest_shift=lost / n if n else None,
    )
