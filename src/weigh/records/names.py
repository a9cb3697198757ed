"""Names that have to differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def repeated_name(names: Iterable[str]) -> str | None:
    """The first of the names that is there more than once; None where all differ."""
    return next((name for name, times in Counter(names).items() if times > 1), None)
