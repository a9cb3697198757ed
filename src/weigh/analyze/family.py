"""A family of comparisons (the tasks of a suite, subgroups, pairs): verdicts that follow the corrected p.

Raw and corrected p stay side by side. `equivalent` is left as it is: it rests on its own test, and claiming it more
often is not what the correction guards against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from .correct import Correction, adjust
from .cost import CostComparison
from .paired import Comparison
from .scope import GivenComparison
from .verdict import show_p

One = TypeVar("One", Comparison, CostComparison, GivenComparison)


def correct_comparisons(comparisons: Sequence[One], correction: Correction = "holm") -> tuple[One, ...]:
    """The same comparisons with `p_adjusted`; a "better" or "worse" that the correction does not leave standing
    becomes "unresolved", and its reason says so."""
    adjusted = adjust([one.p for one in comparisons], correction)
    return tuple(_revised(one, p, correction) for one, p in zip(comparisons, adjusted, strict=True))


def _revised(one: One, p: float | None, correction: Correction) -> One:
    if one.verdict not in ("better", "worse") or p is None or p <= one.alpha:
        return msgspec.structs.replace(one, p_adjusted=p)
    reason = f"not after correction for the number of comparisons ({correction}, p = {show_p(p)}); {one.reason}"
    return msgspec.structs.replace(one, p_adjusted=p, verdict="unresolved", reason=reason)
