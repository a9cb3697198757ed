"""Which trial of a cell counts, when it has several: one rule, the same wherever trials are read.

The newest key counts (the prompt changed since: `changed`). Among trials of that key an outcome counts before a
failure, which was run again (`retried`); among outcomes the earliest, so that a number once shown stays
(`doubled`); among failures the latest. Ties go to the smaller id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

Cell = tuple[str, str, str, str, int]


class Candidate(NamedTuple):
    """What the rule looks at: the cell, when it was written, key, whether it failed, when it began, id."""

    cell: Cell
    written: float
    key: str
    failed: bool
    started: float
    id: str


def suspects(cells: Iterable[Cell]) -> set[int]:
    """Hashes of the cells that (almost surely) occur more than once. Nothing but hashes is kept meanwhile."""
    seen: set[int] = set()
    several: set[int] = set()
    for cell in cells:
        mark = hash(cell)
        if mark in seen:
            several.add(mark)
        seen.add(mark)
    return several


def losers(candidates: Iterable[Candidate], several: set[int]) -> dict[str, str]:
    """Trial id -> why another of its cell counts (`changed`, `retried`, `doubled`).

    Args:
        candidates: Every trial.
        several: From `suspects`; only these cells are looked at.
    """
    cells: dict[Cell, list[Candidate]] = {}
    for candidate in candidates:
        if hash(candidate.cell) in several:
            cells.setdefault(candidate.cell, []).append(candidate)
    lost: dict[str, str] = {}
    for members in cells.values():
        lost.update(_losers_of(members))
    return lost


def _losers_of(members: list[Candidate]) -> dict[str, str]:
    key = max(members, key=lambda c: (c.written, c.id)).key
    current = [c for c in members if c.key == key]
    winner = min(current, key=lambda c: (c.failed, -c.started if c.failed else c.started, c.id))
    lost = {}
    for member in members:
        if member.id == winner.id:
            continue
        lost[member.id] = "changed" if member.key != key else "retried" if member.failed else "doubled"
    return lost
