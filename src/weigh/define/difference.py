"""Differences as people write them: `5pp` (percentage points) or `0.05`."""

from __future__ import annotations

from weigh.records.errors import DefinitionError


def parse_difference(value: object, where: str) -> float:
    """A difference of scores as a number: `1pp` is 0.01.

    Args:
        value: A number, or a text with or without `pp`.
        where: What is being read, for the error.

    Raises:
        DefinitionError: It is neither, or not above 0.
    """
    text = str(value).strip()
    number = text.removesuffix("pp")
    try:
        read = float(number) / (100 if number != text else 1)
    except ValueError:
        read = 0.0
    if isinstance(value, bool) or not 0 < read < float("inf"):
        raise DefinitionError(f"{where}: {value!r} is not a difference: write 1pp for a percentage point, or 0.01")
    return read


def refuse_whole(value: float, where: str) -> None:
    """Refuse a difference that scores between 0 and 1 cannot exceed.

    Raises:
        DefinitionError: It is 1 or more.
    """
    if value >= 1:
        raise DefinitionError(
            f"{where}: {value:g} is {100 * value:g} percentage points, and scores lie between 0 and 1; "
            f"write {value:g}pp or {value / 100:g}"
        )
