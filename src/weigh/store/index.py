"""Reuse across runs: finds what the same arm has already generated anywhere in the store."""

from __future__ import annotations

from collections.abc import Collection

from weigh.records.trial import Trial
from weigh.store.layout import Store


class Generations:
    """`lookup(keys)`; made by `find_generations`. Context manager (it may hold a spool file)."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __contains__(self, key: str) -> bool:
        raise NotImplementedError

    def lookup(self, keys: Collection[str]) -> dict[str, tuple[str, Trial]]:
        """Key -> (run id, trial), for those that are there. Ask for a block at a time, to keep memory flat."""
        raise NotImplementedError

    def close(self) -> None: ...


def find_generations(store: Store, arm_digests: Collection[str], *, exclude: Collection[str] = ()) -> Generations:
    """Index outcomes (never failures) of all runs that have one of these arms, runs in `exclude` left out."""
    raise NotImplementedError
