"""One DuckDB view over the trials of any runs, finished or live, with the arms' axes as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from weigh.store.layout import Store


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length, one entry a trial (numpy arrays), ordered by instance digest, instance id, epoch.

    `value` is NaN where there is none (the trial failed, or the scorer gave nothing).
    """

    instance_digest: Any
    instance_id: Any
    cluster: Any
    epoch: Any
    value: Any
    status: Any


class Dataset:
    """Context manager. Views: `trials` (one a cell), `all_trials` (also those that lost to another), `arms`, `runs`."""

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query as dictionaries."""
        raise NotImplementedError

    def values(
        self,
        task: str,
        scorer: str | None = None,
        *,
        measure: str | None = None,
        variant: str = "",
        arm: str | None = None,
        run: str | None = None,
    ) -> Values:
        """The values of a scorer, or of a measure (`seconds`, `new`, `cached`, `generated`, `cost`, `turns`, ...)."""
        raise NotImplementedError

    def close(self) -> None: ...


def open_dataset(store: Store, runs: Sequence[str]) -> Dataset:
    """Open runs by id."""
    raise NotImplementedError
