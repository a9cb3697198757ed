"""What a call or a trial cost. Unknown is `None`, never 0."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens and money of one call or of one trial.

    Attributes:
        new: Prompt tokens that had to be processed.
        cached: Prompt tokens the provider took from its cache.
        generated: Tokens generated, reasoning included.
        reasoning: The part of `generated` that was reasoning, where known.
        cost: US dollars; None when no price is known.
        calls: How many requests were made of the provider.
    """

    new: int | None = None
    cached: int | None = None
    generated: int | None = None
    reasoning: int | None = None
    cost: float | None = None
    calls: int = 0

    @property
    def total(self) -> int | None:
        """New, cached and generated tokens together; None when none of them is known."""
        known = [v for v in (self.new, self.cached, self.generated) if v is not None]
        return sum(known) if known else None


def _add_int(values: Iterable[int | None]) -> int | None:
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def add_usage(parts: Iterable[Usage]) -> Usage:
    """Sum usages field by field. Tokens that no part knows stay None; a cost is known only if every part's is."""
    parts = list(parts)
    costs = [p.cost for p in parts]
    known = [c for c in costs if c is not None]
    return Usage(
        new=_add_int(p.new for p in parts),
        cached=_add_int(p.cached for p in parts),
        generated=_add_int(p.generated for p in parts),
        reasoning=_add_int(p.reasoning for p in parts),
        cost=sum(known) if parts and len(known) == len(costs) else None,
        calls=sum(p.calls for p in parts),
    )
