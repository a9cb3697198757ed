"""What a run has already: cell -> key, status and scorers. Small, and quick to bring up to date."""

from __future__ import annotations

from typing import NamedTuple

from weigh.store.layout import RunFolder

Cell = tuple[str, str, str, str, int]


class DoneCell(NamedTuple):
    """Attributes: the generation key; status; scorer name -> digest; kind of error of a failure; trial id."""

    key: str
    status: str
    scorers: dict[str, str]
    error_kind: str | None
    trial: str


class Done:
    """`done.get(cell)`, `cell in done`, `len(done)`."""

    def __init__(self, folder: RunFolder, *, skip: str | None = None) -> None: ...

    def get(self, cell: Cell) -> DoneCell | None:
        """What is stored for a cell (`Cell.identity`, `Trial.cell`), failures included."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Take in what other writers have appended since; cheap. Call it after each claim of a lease."""
        raise NotImplementedError


def done(folder: RunFolder, *, skip: str | None = None) -> Done:
    """Read what a run has. `skip`: a writer id whose new lines `refresh` need not look at (one's own)."""
    return Done(folder, skip=skip)
