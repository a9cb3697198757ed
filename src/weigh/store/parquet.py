"""Finishing a run: its journal segments become one Parquet file, and are removed once that is durable."""

from __future__ import annotations

import msgspec

from weigh.store.layout import RunFolder


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes: rows in the file; segments merged into it; segments left as their writer lives; notes for people."""

    rows: int
    merged: int
    left: int
    notes: tuple[str, ...] = ()


def finish(folder: RunFolder) -> Finished | None:
    """Merge all segments whose writer is gone. None when another process is doing it. Blocking; safe to repeat."""
    raise NotImplementedError
