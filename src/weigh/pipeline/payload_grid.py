"""The finite grid over which a report's inference is computed, and blocks of it kept once where they are equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from weigh.pipeline.questions import Errors
from weigh.records.plain import plain

LEVELS = (0.9, 0.95, 0.99)
ERRORS: tuple[Errors, ...] = ("exclude", "zero")


class Lens(msgspec.Struct, frozen=True, kw_only=True):
    """One way to look: the level of intervals (tests use 1 - level) and how failed trials count."""

    level: float
    errors: Errors

    @property
    def key(self) -> str:
        """Its name in the payload."""
        return f"{self.level:g}|{self.errors}"

    @property
    def alpha(self) -> float:
        """Of tests; rounded, so that 1 - 0.9 is 0.1."""
        return round(1 - self.level, 10)


def lenses(failed: bool) -> Iterator[tuple[Lens, Lens]]:
    """Every lens with the one whose numbers it has: without failed trials it does not matter how they count."""
    for level in LEVELS:
        for errors in ERRORS:
            made = Lens(level=level, errors=errors)
            yield made, made if failed else Lens(level=level, errors="exclude")


class Blocks:
    """Values kept once: `add` gives the place of an equal one."""

    def __init__(self) -> None:
        self.kept: list[msgspec.Raw] = []
        self._places: dict[bytes, int] = {}
        self._encode = msgspec.json.Encoder(enc_hook=plain).encode

    def add(self, value: Any) -> int:
        """The place of the value among the blocks."""
        data = self._encode(value)
        place = self._places.get(data)
        if place is None:
            place = self._places[data] = len(self.kept)
            self.kept.append(msgspec.Raw(data))
        return place

    def read(self, place: int) -> Any:
        """The value at a place, as the page will see it."""
        return msgspec.json.decode(self.kept[place])
