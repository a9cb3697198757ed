"""DuckDB as this store uses it: in memory, with a small limit, and never reaching for the network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weigh.records.errors import StoreError

LIMIT = "96MB"
"""Memory DuckDB may use beside a run. Streaming and writing Parquet needs no more; measured in docs/design/store.md."""


def connect(*, memory: str | None = LIMIT, threads: int | None = 1, spill: Path | None = None) -> Any:
    """A DuckDB connection in memory. `spill` is where it may put what does not fit."""
    import duckdb

    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
    if memory:
        config["memory_limit"] = memory
    if threads:
        config["threads"] = threads
    # DuckDB's own choice would be a folder in the current one.
    config["temp_directory"] = str(spill or Path(tempfile.gettempdir()) / f"weigh-duckdb-{os.getpid()}")
    return duckdb.connect(":memory:", config=config)


def quoted(value: object) -> str:
    """A value as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def fetch(connection: Any, query: str, parameters: list[Any] | None = None, *, many: int = 512) -> Iterator[Any]:
    """Rows of a query, a few at a time. Raises `StoreError` with DuckDB's reason when a file cannot be read."""
    import duckdb

    try:
        cursor = connection.execute(query, parameters or [])
        while rows := cursor.fetchmany(many):
            yield from rows
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        raise StoreError(f"cannot read the finished trials: {str(error).splitlines()[0]}") from error


def kv_metadata(connection: Any, path: Path) -> dict[str, str]:
    """The free metadata of a Parquet file."""
    rows = fetch(connection, f"select key, value from parquet_kv_metadata({quoted(path)})")
    return {bytes(k).decode(): bytes(v).decode() for k, v in rows}
