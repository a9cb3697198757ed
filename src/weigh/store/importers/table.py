"""Anybody's per-question scores from a CSV, JSONL or Parquet file: read, checked, and named row by row when wrong.

One row is one score of one question (of one model, in one epoch). Whatever is wrong is found before anything is
stored, and the message names the row, its id and what stands there.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from weigh.records.errors import DataError, suggest
from weigh.store.duck import connect, fetch, quoted

KINDS = ("csv", "tsv", "jsonl", "ndjson", "parquet")
_NUMBERS = {"true": 1.0, "false": 0.0}


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Which column holds what. All but `id` and `score` may be None.

    Attributes:
        id: Names the question; rows of two models with one id pair.
        score: A finite number, or true / false.
        model: Whose score it is.
        cluster: Questions that belong together.
        epoch: The repeat: any whole number from 0 or from 1, or any label (then numbered in order of first mention).
    """

    id: str
    score: str
    model: str | None = None
    cluster: str | None = None
    epoch: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """Role -> column, of those that are given."""
        return {role: name for role, name in msgspec.structs.asdict(self).items() if name is not None}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One checked score. `number` is the row's place in the file, from 1, a header not counted; `other` has the columns
    that have no role."""

    number: int
    id: str
    score: float
    model: str | None = None
    cluster: str | None = None
    epoch: int = 0
    other: dict[str, Any] = {}


def read_scores(path: Path, columns: Columns) -> list[Row]:
    """Read and check a whole file.

    Raises:
        DataError: The file cannot be read; a column is not there; a score is missing or no finite number; an id is
            empty; a question has two scores of one model (in one epoch). The text names the row.
    """
    rows: list[Row] = []
    seen: dict[tuple[str | None, str, int], int] = {}
    doubled: dict[str, tuple[int, int]] = {}
    epochs: dict[str, int] = {}
    for number, record in enumerate(_records(path, columns), start=1):
        row = _row(path, columns, number, record, epochs)
        first = seen.setdefault((row.model, row.id, row.epoch), number)
        if first != number:
            doubled.setdefault(row.id, (first, number))
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: no rows")
    if doubled:
        raise DataError(_doubled(path, columns, doubled))
    if columns.epoch is not None and min(r.epoch for r in rows) == 1:
        rows = [msgspec.structs.replace(r, epoch=r.epoch - 1) for r in rows]
    return rows


def _row(path: Path, columns: Columns, number: int, record: dict[str, Any], epochs: dict[str, int]) -> Row:
    for role, name in columns.named.items():
        if name not in record and role in ("id", "score"):
            raise DataError(f"{path}: row {number} has no column {name!r}{suggest(name, record)}{_have(record)}")
    name = _text(record[columns.id])
    if not name:
        raise DataError(f"{path}: row {number}: the id column {columns.id!r} is empty")
    where = f"{path}: row {number} ({columns.id} {name})"
    model = cluster = None
    if columns.model is not None:
        model = _text(record.get(columns.model))
        if not model:
            raise DataError(f"{where}: the model column {columns.model!r} is empty")
    if columns.cluster is not None:
        cluster = _text(record.get(columns.cluster)) or None
    epoch = 0 if columns.epoch is None else _epoch(where, columns.epoch, record.get(columns.epoch), epochs)
    roles = set(columns.named.values())
    return Row(
        number=number,
        id=name,
        score=_score(where, columns.score, record[columns.score]),
        model=model,
        cluster=cluster,
        epoch=epoch,
        other={k: v for k, v in record.items() if k not in roles and v is not None and v != ""},
    )


def _score(where: str, column: str, value: Any) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise DataError(f"{where}: no score in column {column!r}; leave out rows that were not scored")
    number = _NUMBERS.get(value.strip().lower()) if isinstance(value, str) else None
    if number is None:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise DataError(f"{where}: {str(value)[:60]!r} in column {column!r} is no number") from None
    if not math.isfinite(number):
        raise DataError(f"{where}: the score in column {column!r} is {number}; leave out rows that were not scored")
    return number


def _epoch(where: str, column: str, value: Any, labels: dict[str, int]) -> int:
    text = _text(value)
    if not text:
        raise DataError(f"{where}: the epoch column {column!r} is empty")
    if text.isdecimal() and not labels:
        return int(text)
    return labels.setdefault(text, len(labels))


def _text(value: Any) -> str:
    """An id as text: 7 in Parquet, 7.0 in JSON and "7" in CSV are one id."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _doubled(path: Path, columns: Columns, doubled: dict[str, tuple[int, int]]) -> str:
    shown = ", ".join(f"{name} (rows {a} and {b})" for name, (a, b) in list(doubled.items())[:5])
    more = f" and {len(doubled) - 5} more" if len(doubled) > 5 else ""
    who = " of one model" if columns.model else ""
    if columns.epoch is not None:
        return f"{path}: two scores{who} in one epoch for {shown}{more}"
    hint = "" if columns.model else ", or --model COL if they are of different models"
    return (
        f"{path}: two scores{who} for {shown}{more}; if they are repeats, name the column that numbers them with "
        f"--epoch COL{hint}"
    )


def _have(record: dict[str, Any]) -> str:
    return f" (it has {', '.join(list(record)[:12])})"


# -- the three kinds of file -----------------------------------------------------------------------------------------


def _records(path: Path, columns: Columns) -> Iterator[dict[str, Any]]:
    kind = _kind(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if kind == "parquet":
        yield from _parquet(path, columns)
        return
    try:
        with _open(path) as file:
            yield from _json_lines(path, file) if kind in ("jsonl", "ndjson") else _separated(path, file, kind, columns)
    except (OSError, EOFError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from error


def _kind(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    kind = name.rpartition(".")[2]
    if kind not in KINDS:
        raise DataError(f"{path}: the name ends in none of {', '.join('.' + k for k in KINDS)}, so its form is unknown")
    return kind


def _open(path: Path) -> IO[str]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _separated(path: Path, file: IO[str], kind: str, columns: Columns) -> Iterator[dict[str, Any]]:
    reader = csv.reader(file, delimiter="\t" if kind == "tsv" else ",", strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header, columns)
        for number, cells in enumerate((c for c in reader if c), start=1):
            if len(cells) != len(header):
                raise DataError(f"{path}: row {number} has {len(cells)} cells and the header {len(header)}")
            yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from error


def _check_header(path: Path, header: list[str], columns: Columns) -> None:
    for role, name in columns.named.items():
        if name not in header:
            hint = suggest(name, header)
            raise DataError(f"{path} has no column {name!r} (--{role}){hint} (it has {', '.join(header[:12])})")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the header names {', '.join(map(repr, twice))} twice")


def _json_lines(path: Path, file: IO[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)  # not msgspec: other tools write NaN, which is then named with its row
        except ValueError as error:
            raise DataError(f"{path}: line {number} is no JSON: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{path}: line {number} is a {type(record).__name__}, not an object")
        yield _flat(record)


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as dotted columns: `{"metrics": {"em": 1}}` has the column `metrics.em`."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _parquet(path: Path, columns: Columns) -> Iterator[dict[str, Any]]:
    with connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        described = list(fetch(connection, f"describe select * from read_parquet({quoted(path)})"))
        header = [row[0] for row in described]
        _check_header(path, header, columns)
        for cells in fetch(connection, f"select * from read_parquet({quoted(path)})"):
            yield _flat(dict(zip(header, map(_plain, cells), strict=True)))


def _plain(value: Any) -> Any:
    """A value that JSON can hold, for metadata."""
    return value if value is None or isinstance(value, str | int | float | bool | dict | list) else str(value)
