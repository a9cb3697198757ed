"""Reading rows from one file: JSON lines, JSON, CSV, TSV and Parquet, compressed with gzip or not.

Rows come with their number (from 1; for JSON lines the line). What cannot be read is told with file and line.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from weigh.define.data_files import FORMATS, format_of
from weigh.records.errors import DataError, suggest

Numbered = Iterator[tuple[int, dict[str, Any]]]


def read_rows(file: Path, format: str | None, split: str | None, columns: Sequence[str] = ()) -> Numbered:
    """Yield (number, fields) of a file's rows.

    Raises:
        DataError: The format is unknown, or the content is not of it.
    """
    kind = format or format_of(file.name)
    try:
        if kind == "jsonl":
            yield from _jsonl(file)
        elif kind == "json":
            yield from _json(file, split)
        elif kind in ("csv", "tsv"):
            yield from _csv(file, "\t" if kind == "tsv" else ",", columns)
        elif kind == "parquet":
            yield from _parquet(file)
        else:
            known = sorted(set(FORMATS.values()))
            hint = suggest(kind, known) if kind else "; set format="
            raise DataError(
                f"data {str(file)!r}: unknown format {kind or file.suffix!r}{hint} (known: {', '.join(known)})"
            )
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"data {str(file)!r} cannot be read: {error}") from None


def _open(file: Path) -> IO[bytes]:
    return gzip.open(file) if file.name.endswith(".gz") else file.open("rb")  # type: ignore[return-value]


def _jsonl(file: Path) -> Numbered:
    decode = msgspec.json.Decoder().decode
    with _open(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = decode(line if number > 1 else line.removeprefix(b"\xef\xbb\xbf"))
            except msgspec.DecodeError as error:
                raise DataError(f"{file}, line {number}: not JSON: {error}") from None
            yield number, _as_object(row, file, number)


def _json(file: Path, split: str | None) -> Numbered:
    with _open(file) as stream:
        try:
            value = msgspec.json.decode(stream.read())
        except msgspec.DecodeError as error:
            raise DataError(f"{file}: not JSON: {error}; for one object a line, set format='jsonl'") from None
    if isinstance(value, dict):
        lists = [key for key, inner in value.items() if isinstance(inner, list)]
        key = split if split in lists else lists[0] if len(lists) == 1 else None
        if key is None:
            raise DataError(f"{file}: an object with lists {lists}; set split to one of them (split is {split!r})")
        value = value[key]
    if not isinstance(value, list):
        raise DataError(f"{file}: expected a list of objects, got {type(value).__name__}")
    for number, row in enumerate(value, 1):
        yield number, _as_object(row, file, number)


def _csv(file: Path, delimiter: str, columns: Sequence[str]) -> Numbered:
    csv.field_size_limit(2**31 - 1)
    with _open(file) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, fieldnames=list(columns) or None, delimiter=delimiter, restkey="", strict=True)
        try:
            for number, row in enumerate(reader, 1):
                if row.pop("", None) or None in row.values():
                    raise DataError(f"{file}, row {number}: {len(row)} columns expected, this row has more or fewer")
                yield number, row
        except csv.Error as error:
            raise DataError(f"{file}, line {reader.line_num}: {error}") from None


def _parquet(file: Path) -> Numbered:
    import duckdb

    with duckdb.connect() as connection:
        try:
            cursor = connection.execute("select * from read_parquet(?)", [str(file)])
            names = [column[0] for column in cursor.description]
            number = 0
            while batch := cursor.fetchmany(1000):
                for values in batch:
                    number += 1
                    yield number, dict(zip(names, values, strict=True))
        except duckdb.Error as error:
            raise DataError(f"data {str(file)!r} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def _as_object(row: Any, file: Path, number: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{file}, row {number}: expected an object, got {type(row).__name__}")
    return row
