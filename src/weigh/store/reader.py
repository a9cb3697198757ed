"""Reading trials back: Parquet and journal together, later scores applied, doubles resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from weigh.records.trial import Trial
from weigh.store.layout import RunFolder, Store
from weigh.store.segments import Head


class ReadReport(msgspec.Struct, kw_only=True):
    """What was met on reading. `torn` and `corrupt` are lines for people.

    Attributes:
        doubled: Outcomes of a cell that had another one with the same key.
        retried: Failures that a later trial of the cell replaced.
        superseded: Trials of a cell whose prompt has changed since (another key).
    """

    torn: list[str] = []
    corrupt: list[str] = []
    doubled: int = 0
    retried: int = 0
    superseded: int = 0


def read_trials(
    folder: RunFolder,
    *,
    where: Callable[[Head], bool] | None = None,
    superseded: bool = False,
    report: ReadReport | None = None,
) -> Iterator[Trial]:
    """Stream the trials of a run, one a cell.

    Args:
        where: Decides on the cheap part of a trial whether the whole is read.
        superseded: Also yield those that lost to another trial of their cell.
        report: Filled in while reading.
    """
    raise NotImplementedError


def read_trial(store: Store, id_prefix: str) -> Trial:
    """The trial whose id begins so, in any run. Raises `StoreError` when there is none or several."""
    raise NotImplementedError
