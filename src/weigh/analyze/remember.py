"""Answers about arrays of numbers, kept by what the numbers are: a report asks for the same test at several levels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from .checks import Floats

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """The last answers of one function.

    Args:
        most: So many are kept; then all are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: dict[tuple[object, ...], Answer] = {}

    def get(self, numbers: Floats, compute: Callable[[], Answer], *more: object) -> Answer:
        """The answer about these numbers (and whatever else it depends on), computed if nobody has asked before."""
        data = np.ascontiguousarray(numbers, dtype=np.float64).tobytes()
        key = (hashlib.blake2b(data, digest_size=16).digest(), *more)
        found = self._answers.get(key)
        if found is None:
            if len(self._answers) >= self._most:
                self._answers.clear()
            found = self._answers[key] = compute()
        return found
