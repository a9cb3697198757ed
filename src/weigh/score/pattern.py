"""Patterns that users write, checked when a scorer is made and not when the first answer is there."""

from __future__ import annotations

import re

from weigh.records.errors import DefinitionError


def check_pattern(pattern: str | None, where: str) -> None:
    """See that a pattern can be read and asks for something; None is no pattern.

    Args:
        where: What it is of, for the error: `scorer 'regex': pattern`.

    Raises:
        DefinitionError: It cannot be read, or it is empty, which every text has.
    """
    if pattern is None:
        return
    if not pattern:
        raise DefinitionError(f"{where}: it is empty, and every text has an empty part; leave it out or say more")
    try:
        re.compile(pattern)
    except re.error as error:
        raise DefinitionError(f"{where} {pattern!r}: {error}") from None
