"""A family of comparisons (the tasks of a suite, subgroups, pairs): verdicts that follow the corrected p.

Raw and corrected p stay side by side. `equivalent` is left as it is: it rests on its own test, and claiming it more
often is not what the correction guards against.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .correct import Correction, adjust
from .paired import Comparison
from .verdict import show_p


def correct_comparisons(comparisons: Sequence[Comparison], correction: Correction = "holm") -> tuple[Comparison, ...]:
    """The same comparisons with `p_adjusted`; a "better" or "worse" that the correction does not leave standing
    becomes "unresolved", and its reason says so."""
    adjusted = adjust([one.p for one in comparisons], correction)
    return tuple(_revised(one, p, correction) for one, p in zip(comparisons, adjusted, strict=True))


def _revised(one: Comparison, p: float | None, correction: Correction) -> Comparison:
    if one.verdict not in ("better", "worse") or p is None or p <= one.alpha:
        return msgspec.structs.replace(one, p_adjusted=p)
    reason = f"not after correction for the number of comparisons ({correction}, p = {show_p(p)}); {one.reason}"
    return msgspec.structs.replace(one, p_adjusted=p, verdict="unresolved", reason=reason)
