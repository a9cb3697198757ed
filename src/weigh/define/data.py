"""Data sources: where the rows of a task are, and a loader that yields them as dictionaries.

A source is a value: a path or an URL, a split and a subset, names for the fields, a filter. Loading finds the files
(`data_files`), brings them here if they are elsewhere (`data_remote`), and reads them (`data_read`). A row knows the
file and the line it came from, so that a field which is not there is told with its place.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.data_files import select_files
from weigh.define.data_read import read_rows
from weigh.define.data_remote import fetch, is_remote
from weigh.define.where import compile_where
from weigh.records.digest import digest, digest_file
from weigh.records.errors import DataError, suggest


class DataSource(msgspec.Struct, frozen=True):
    """Where rows come from.

    Attributes:
        path: A file, a folder of files, or `s3://`, `gs://`, `hf://datasets/OWNER/NAME`, `https://`, `package://`. A
            relative path is looked for beside the task's own file, then in the working directory.
        split: Selects files of a folder (or a key of a JSON file) by name: `test`, `train`. A single file ignores it.
        subset: Selects files of a folder by name, for sets of many parts: `high_school_biology`.
        revision: Branch, tag or commit on the Hub.
        format: `jsonl`, `json`, `csv`, `tsv`, `parquet`; told from the file's name when empty.
        fields: Names for fields: `{"question": "Question", "answer": "meta.gold"}`; a dot goes into nested objects.
        columns: Names of the columns of a CSV file that has no header.
        where: Keeps rows for which it is true: an expression over fields (`level == 5 and "algebra" in topic`), or a
            function of the row.
        shuffle_seed: Shuffle the rows, the same way for the same seed.
        limit: Keep the first so many rows (after filter and shuffle).
    """

    path: str
    split: str | None = None
    subset: str | None = None
    revision: str | None = None
    format: str | None = None
    fields: dict[str, str] | None = None
    columns: tuple[str, ...] = ()
    where: Any = None
    shuffle_seed: int | None = None
    limit: int | None = None

    def describe(self) -> dict[str, Any]:
        """What it is, in plain values, for provenance."""
        plain = {k: v for k, v in msgspec.structs.asdict(self).items() if v not in (None, ())}
        if callable(self.where):
            plain["where"] = getattr(self.where, "__qualname__", "function")
        return plain


class Row(dict[str, Any]):
    """A row of data: a dictionary that says where it came from when a field is missing."""

    __slots__ = ("place",)

    place: str

    def __missing__(self, key: str) -> Any:
        hint = suggest(str(key), self) or "; fields: " + ", ".join(map(str, self))
        raise DataError(f"{self.place}: no field {key!r}{hint}")


class DataLoader:
    """Loads data sources.

    Args:
        cache: Where files that came over the network are kept; by default `$WEIGH_CACHE`, else `weigh` in the
            user's cache folder.
    """

    def __init__(self, cache: str | Path | None = None) -> None:
        self.cache = Path(cache) if cache else None

    def load(self, source: DataSource) -> Iterator[Row]:
        """Yield the rows of a source, in order.

        Raises:
            DataError: It cannot be found, reached or read; or a mapped field is missing.
        """
        rows = self._rows(source)
        if source.where is not None:
            rows = _filter(rows, source)
        if source.shuffle_seed is not None:
            shuffled = list(rows)
            random.Random(source.shuffle_seed).shuffle(shuffled)
            rows = iter(shuffled)
        return rows if source.limit is None else itertools.islice(rows, source.limit)

    def files(self, source: DataSource) -> list[Path]:
        """The local files a source's rows are in, brought here when they are elsewhere."""
        if is_remote(source.path):
            return fetch(source.path, source.split, source.subset, source.revision, self.cache)
        return select_local(source)

    def _rows(self, source: DataSource) -> Iterator[Row]:
        for file in self.files(source):
            for number, fields in read_rows(file, source.format, source.split, source.columns):
                row = Row(fields)
                row.place = f"{file}, row {number}"
                if source.fields:
                    for name, path in source.fields.items():
                        row[name] = _get(row, path)
                yield row


def source_digest(source: DataSource, cache: str | Path | None = None) -> str:
    """Digest of what a source gives: its files' contents and how rows are taken from them; paths do not matter."""
    how = source.describe()
    for key in ("path", "revision", "subset"):
        how.pop(key, None)
    return digest([[digest_file(file) for file in DataLoader(cache).files(source)], how])


def select_local(source: DataSource) -> list[Path]:
    """The files of a local source."""
    path = Path(source.path).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"data {source.path!r} does not exist (looked in {path.absolute().parent}){suggest(path.name, siblings)}"
        )
    names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return [path / name for name in select_files(names, source.split, source.subset, source.path)]


def resolve_path(source: DataSource, base: Path | None) -> DataSource:
    """The source with a relative path made absolute: beside the task's file, unless only the working folder has it."""
    path = Path(source.path).expanduser()
    if base is None or is_remote(source.path) or path.is_absolute():
        return source
    beside = base / path
    return source if path.exists() and not beside.exists() else msgspec.structs.replace(source, path=str(beside))


def _filter(rows: Iterator[Row], source: DataSource) -> Iterator[Row]:
    keep: Callable[[Mapping[str, Any]], Any] = source.where if callable(source.where) else compile_where(source.where)
    return (row for row in rows if keep(row))


def _get(row: Row, path: str) -> Any:
    """A field by its path: `meta.gold`, `choices.0`; a field whose own name has a dot comes first."""
    if path in row:
        return row[path]
    value: Any = row
    for key in path.split("."):
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, Row) or (isinstance(value, dict) and key in value):
            value = value[key]
        else:
            known = list(value) if isinstance(value, dict) else []
            raise DataError(f"{row.place}: no field {path!r}: nothing named {key!r}{suggest(key, known)}")
    return value
