"""The append-only truth: one writer, one file, many trials to one sync of the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from weigh.records.errors import Error
from weigh.records.score import Score
from weigh.records.trial import Trial
from weigh.store.layout import RunFolder


class JournalWriter:
    """Asynchronous context manager and `Sink`. `on_durable(trials)` is called on the loop when trials are on disk."""

    def __init__(
        self, folder: RunFolder, writer_id: str, on_durable: Callable[[Sequence[Trial]], None] | None = None
    ) -> None: ...

    async def __aenter__(self) -> JournalWriter:
        raise NotImplementedError

    async def __aexit__(self, *exc: object) -> None:
        raise NotImplementedError

    async def append(self, trial: Trial) -> None:
        """Accept a trial; waits while too much is not yet durable. Raises `StoreError` when the disk refused."""
        raise NotImplementedError

    async def append_scores(
        self,
        trial_id: str,
        key: str,
        scores: Mapping[str, Score],
        *,
        status: str | None = None,
        error: Error | None = None,
    ) -> None:
        """Put scores over those of a stored trial (of this run), name by name; the newest win."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Wait until all that was appended is durable."""
        raise NotImplementedError


def repair(folder: RunFolder) -> list[str]:
    """Cut torn last lines off segments whose writer is gone; returns a line for people about each.

    Call it when a run is resumed. `dropped a torn last line of 123 bytes in FILE`.
    """
    raise NotImplementedError
