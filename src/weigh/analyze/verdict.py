"""From a test to one of four words, and the sentence that says why."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from .checks import Floats
from .distributions import p_from_t
from .permutation import FLIPS, sign_flip

Verdict = Literal["better", "worse", "equivalent", "unresolved"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The p that decides, and the ones beside it."""

    p: float | None
    method: str
    p_t: float | None
    p_permutation: float | None
    contested: int
    floor: float
    """The smallest p that this many contested units can reach."""


def can_reach(contested: int, alpha: float) -> bool:
    """Whether an exact test over so many contested units can have a p of `alpha` at all: if all go one way."""
    return contested > 60 or 2.0 ** (1 - contested) <= alpha


def decide(
    units: Floats, difference: float, se: float | None, df: float, *, seed: int = 0, monte_carlo: bool = True
) -> Decision:
    """Test "the difference is 0" where `difference` is the sum of `units`.

    The exact sign flip decides where it can be had: t is too eager with few or lumpy units (three equal differences
    have no variance, so t would call them certain). Otherwise t decides, unless a Monte-Carlo sign flip gives the
    larger p.
    """
    flip = sign_flip(units, seed=seed, monte_carlo=monte_carlo)
    p_t = p_from_t(difference / se, df) if se is not None and se > 0 and df > 0 else None
    if flip.kind == "exact" or p_t is None:
        p, method = flip.p, "sign flip, exact" if flip.kind == "exact" else "sign flip, Monte-Carlo"
        method = method if p is not None else "none"
    elif flip.p is not None and flip.p > max(p_t, 10 / (FLIPS + 1)):
        p, method = flip.p, "sign flip, Monte-Carlo"
    else:
        p, method = p_t, "t"
    return Decision(p=p, method=method, p_t=p_t, p_permutation=flip.p, contested=flip.contested, floor=flip.floor)


def settle(
    *,
    p: float | None,
    method: str,
    difference: float | None,
    alpha: float,
    lower_is_better: bool,
    margin: float | None,
    p_equivalence: float | None,
    floor: float,
    contested: int,
    unit: str = "question",
) -> tuple[Verdict, str]:
    """The verdict about b and its reason. A difference that is shown but also shown to lie within the margin is
    `equivalent`: whoever names a margin says that less does not matter."""
    if difference is None or p is None:
        return "unresolved", f"no test is possible: too few {unit}s"
    told = f"{method}, p = {show_p(p)}"
    within = p_equivalence is not None and margin is not None and p_equivalence <= alpha
    if within:
        also = "; a difference is shown, but it is smaller than the margin" if p <= alpha else ""
        return "equivalent", f"within the margin of {margin:g} (two one-sided tests, p = {show_p(p_equivalence)}){also}"
    if p <= alpha and difference != 0:
        return ("better" if (difference > 0) != lower_is_better else "worse"), told
    if contested == 0:
        return "unresolved", f"all {unit}s tie"
    if floor > alpha:
        most = f"{contested} contested {unit}{'s' if contested > 1 else ''}"
        return "unresolved", f"{most} cannot reach p = {alpha:g} (at best {show_p(floor)}); {told}"
    return "unresolved", f"the evidence cannot tell: {told}"


def show_p(p: float | None) -> str:
    """A p-value as people write it."""
    if p is None or math.isnan(p):
        return "-"
    return f"{p:.1e}" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"
