"""Taking a part of a task's instances, the same part every time.

A larger limit contains a smaller one, shuffled or not, so raising a limit reuses all that was run.
"""

from __future__ import annotations

import math
import random

from weigh.records.errors import DefinitionError

Limit = str | int | float | None


def select_positions(total: int, limit: Limit = None, *, shuffle: bool = False, seed: int | None = None) -> list[int]:
    """The positions a limit keeps, in ascending order.

    Args:
        total: How many there are.
        limit: A number (`100`: the first hundred), a range (`10-20`: the tenth to the twentieth), a fraction (`0.1`:
            a tenth, rounded up), or None for all.
        shuffle: Take them from a random order instead of from the front.
        seed: Of that order.

    Raises:
        DefinitionError: The limit is none of these.
    """
    start, stop = parse_limit(limit, total)
    order = list(range(total))
    if shuffle:
        random.Random(0 if seed is None else seed).shuffle(order)
    return sorted(order[start:stop])


def parse_limit(limit: Limit, total: int) -> tuple[int, int]:
    """The half-open range of positions that a limit means among `total`."""
    text = str(limit).strip()
    if limit is None or text == "":
        return 0, total
    try:
        if isinstance(limit, bool):
            raise ValueError
        if "-" in text.lstrip("-"):
            first, last = (int(part) for part in text.split("-", 1))
            if 1 <= first <= last:
                return min(first - 1, total), min(last, total)
        elif "." in text or "e" in text.lower():
            fraction = float(text)
            if 0 < fraction <= 1:
                return 0, math.ceil(round(fraction * total, 9))
        elif int(text) > 0:
            return 0, min(int(text), total)
    except ValueError:
        pass
    raise DefinitionError(f"limit {limit!r} is neither a number (100), a range (10-20) nor a fraction (0.1)")
