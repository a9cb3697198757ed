"""One DuckDB view over the trials of any runs, finished or live, with the arms' axes as columns.

Finished runs are queried where they lie. A run with journal segments is read through the one reader (which applies
later scores and resolves doubles) into a temporary Parquet file, so that no query has a second opinion on what counts.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weigh.records.arm import Axis
from weigh.records.errors import StoreError, suggest
from weigh.records.run import Invocation, Run
from weigh.store.columns import MEASURES, TYPES
from weigh.store.duck import connect, quoted
from weigh.store.layout import RunFolder, Store
from weigh.store.parquet import GROUP_BYTES, Staged
from weigh.store.reader import ReadReport, read_stored
from weigh.store.snapshot import Snapshot


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length, one entry a trial (numpy arrays), ordered by instance digest, instance id and epoch.

    Attributes:
        instance_digest, instance_id, cluster, status: Arrays of objects (texts; `cluster` may hold None).
        epoch: Integers.
        value: Floats; NaN where there is none (the trial failed, or the scorer gave nothing).
    """

    instance_digest: Any
    instance_id: Any
    cluster: Any
    epoch: Any
    value: Any
    status: Any


_VALUES = "instance_digest, instance_id, cluster, epoch, status"
_ORDER = "instance_digest, instance_id, epoch, id"


def _value_of(scorer: str | None, measure: str | None) -> tuple[str, list[str]]:
    """The value as SQL, and its parameter."""
    if (scorer is None) == (measure is None):
        raise ValueError("give either a scorer or a measure")
    if measure is not None and measure not in MEASURES:
        raise StoreError(f"there is no measure {measure!r}{suggest(measure, MEASURES)}; known: {', '.join(MEASURES)}")
    return (f'"{measure}"::double', []) if measure is not None else ("scores[?]", [scorer or ""])


def stretches(names: Sequence[Any]) -> list[tuple[int, int]]:
    """Where each run of equal neighbours begins and ends in arrays of equal length, all of them taken together."""
    import numpy as np

    size = len(names[0])
    change = np.zeros(size, dtype=bool)
    for own in names:
        change[1:] |= own[1:] != own[:-1]
    return list(itertools.pairwise([0, *np.flatnonzero(change).tolist(), size])) if size else []


def _as_values(columns: dict[str, Any]) -> Values:
    import numpy as np

    nothing: Any = None
    texts = {
        # `filled(None)` would mean "the default fill value", the text `?`.
        name: np.where(np.ma.getmaskarray(columns[name]), nothing, np.ma.getdata(columns[name]).astype(object))
        for name in ("instance_digest", "instance_id", "cluster", "status")
    }
    return Values(epoch=np.ma.filled(columns["epoch"], 0), value=_as_numbers(columns["value"]), **texts)


def _as_numbers(column: Any) -> Any:
    import numpy as np

    return np.ma.filled(np.ma.asarray(column, dtype=float), np.nan)


class Dataset:
    """Runs as tables; made by `open_dataset`. Close it, or use `with`.

    Views: `trials` (one a cell; columns of `weigh.store.columns.TYPES`, then the arms' axes), `all_trials` (also those
    that lost to another of their cell), `arms` (run, arm, digest, axes), `runs` (run, name, group, created).

    Attributes:
        report: What was met on reading journals.
        memo: Where callers may keep what they made of the trials, for as long as this is open; None keeps nothing.
    """

    memo: dict[Any, Any] | None = None

    def __init__(self, folders: Sequence[RunFolder]) -> None:
        self.report = ReadReport()
        self._connection = connect(memory=None, threads=None)
        self._folders = list(folders)
        self._invocations: dict[str, list[Invocation]] = {}
        self._place: tempfile.TemporaryDirectory[str] | None = None
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def remember(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives; asked for once a key where there is a memo."""
        if self.memo is None:
            return make()
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]

    def invocations(self, run: str) -> list[Invocation]:
        """Every time one of the runs was executed, as it was when first asked for; a comparison asks for each pair.

        Raises:
            StoreError: The run is none of these, or a file cannot be read.
        """
        if run not in self._invocations:
            folder = next((folder for folder in self._folders if folder.run.id == run), None)
            if folder is None:
                raise StoreError(f"run {run} is none of those that were opened")
            self._invocations[run] = folder.invocations()
        return self._invocations[run]

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()
        if self._place is not None:
            self._place.cleanup()
            self._place = None

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query as dictionaries. Raises `StoreError` with DuckDB's reason."""
        cursor = self._execute(query, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def batches(
        self, query: str, parameters: Sequence[Any] = (), *, many: int = 1000
    ) -> Iterator[dict[str, tuple[Any, ...]]]:
        """Columns of a query by name, so many rows at a time; no other query may be asked meanwhile."""
        cursor = self._execute(query, parameters)
        names = [column[0] for column in cursor.description or ()]
        while rows := cursor.fetchmany(many):
            yield dict(zip(names, zip(*rows, strict=True), strict=True))

    def arrays(self, query: str, parameters: Sequence[Any] = ()) -> dict[str, Any]:
        """Columns of a query as numpy arrays (masked where something is missing)."""
        arrays: dict[str, Any] = self._execute(query, parameters).fetchnumpy()
        return arrays

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
        """The values of a scorer, or of a measure, one a trial.

        Args:
            task, variant: As in `Trial`.
            scorer: A key of `Trial.scores`.
            measure: One of `weigh.store.columns.MEASURES`, instead of a scorer.
            arm, run: Only of this arm, this run.
        """
        value, first = _value_of(scorer, measure)
        conditions = {"task": task, "variant": variant, "arm": arm, "run": run}
        given = {name: wanted for name, wanted in conditions.items() if wanted is not None}
        query = (
            f"select {_VALUES}, {value} as value from trials where {' and '.join(f'{name} = ?' for name in given)} "
            f"order by {_ORDER}"
        )
        return _as_values(self.arrays(query, [*first, *given.values()]))

    def values_by_arm(
        self, wanted: Sequence[tuple[str | None, str | None]]
    ) -> list[dict[tuple[str, str, str, str], Values]]:
        """The same for all arms and tasks in one query: of each (scorer, measure), by (run, arm, task, variant)."""
        import numpy as np

        sources = [_value_of(scorer, measure) for scorer, measure in wanted]
        asked = ", ".join(f'{source} as "value{i}"' for i, (source, _) in enumerate(sources))
        order = "run, arm, task, variant"
        found = self.arrays(
            f"select {order}, {_VALUES}, {asked} from trials order by {order}, {_ORDER}",
            [name for _, names in sources for name in names],
        )
        names = [np.ma.filled(found.pop(name).astype(object), "") for name in order.split(", ")]
        numbers = [found.pop(f"value{i}") for i in range(len(sources))]
        whole = _as_values(found | {"value": np.zeros(len(names[0]))})
        keys = {(at, end): tuple(str(own[at]) for own in names) for at, end in stretches(names)}
        rest = {
            place: {f: getattr(whole, f)[slice(*place)] for f in Values.__struct_fields__ if f != "value"}
            for place in keys
        }
        return [
            {(key[0], key[1], key[2], key[3]): Values(value=own[slice(*place)], **rest[place])
             for place, key in keys.items()}
            for own in map(_as_numbers, numbers)
        ]  # fmt: skip

    def _execute(self, query: str, parameters: Sequence[Any]) -> Any:
        import duckdb

        try:
            return self._connection.execute(query, list(parameters))
        except duckdb.Error as error:
            raise StoreError(f"the query failed: {error}") from error

    def _build(self) -> None:
        parts = []
        for number, folder in enumerate(self._folders):
            with Snapshot(folder) as snapshot:
                if snapshot.open_segments:
                    parts.append(self._stage(snapshot, number))
                elif snapshot.parquet:
                    parts.append(f"from read_parquet({quoted(snapshot.parquet)})")
                    self._count(snapshot)
        # A run that was finished before a column was thought of lacks it; its trials then have none of it.
        nothing = ", ".join(f'null::{kind} as "{name}"' for name, kind in TYPES.items())
        parts.append(f"select {nothing} where false")
        self._execute(f"create temp view stored as {' union all by name '.join(parts)}", ())
        axes = self._tables([folder.run for folder in self._folders])
        joined = "".join(f", a.{_name(axis)} as {_name(_column(axis))}" for axis in axes)
        source = "from stored s left join arms a on a.run = s.run and a.arm = s.arm"
        self._execute(f"create temp view all_trials as select s.*{joined} {source}", ())
        self._execute("create temp view trials as from all_trials where superseded is null", ())

    def _stage(self, snapshot: Snapshot, number: int) -> str:
        if self._place is None:
            self._place = tempfile.TemporaryDirectory(prefix="weigh-")
        staged = Staged(Path(self._place.name) / f"{number}.jsonl")
        for stored in read_stored(snapshot, self.report):
            staged.add(stored)
        staged.close()
        target = staged.path.with_suffix(".parquet")
        options = f"format parquet, compression snappy, row_group_size_bytes {GROUP_BYTES}"
        self._execute(f"copy (from {staged.source}) to {quoted(target)} ({options})", ())
        staged.path.unlink()
        return f"from read_parquet({quoted(target)})"

    def _count(self, snapshot: Snapshot) -> None:
        counted = dict(snapshot.select("superseded, count(*)", "superseded is not null group by superseded"))
        self.report.doubled += counted.get("doubled", 0)
        self.report.retried += counted.get("retried", 0)
        self.report.superseded += counted.get("changed", 0)

    def _tables(self, runs: Sequence[Run]) -> list[str]:
        self._execute('create temp table runs (run varchar, name varchar, "group" varchar, created double)', ())
        kinds: dict[str, str] = {}
        for run in runs:
            self._execute("insert into runs values (?, ?, ?, ?)", (run.id, run.name, run.group, run.created))
            for arm in run.arms:
                for axis, value in arm.axes.items():
                    kinds[axis] = _kind(kinds.get(axis), value)
        columns = "".join(f", {_name(axis)} {kind or 'varchar'}" for axis, kind in kinds.items())
        self._execute(f"create temp table arms (run varchar, arm varchar, digest varchar{columns})", ())
        for run in runs:
            for arm in run.arms:
                held = [_cast(arm.axes.get(axis), kind) for axis, kind in kinds.items()]
                marks = ", ".join("?" * (3 + len(held)))
                self._execute(f"insert into arms values ({marks})", (run.id, arm.id, arm.digest, *held))
        return list(kinds)


def _kind(known: str | None, value: object) -> str:
    """The DuckDB type that holds an axis: text as soon as one value is text."""
    if value is None:
        return known or ""
    this = "bigint" if isinstance(value, int) else "double" if isinstance(value, float) else "varchar"
    if not known or known == this:
        return this
    return "varchar" if "varchar" in (known, this) else "double"


def _cast(value: Axis, kind: str) -> Axis:
    return str(value) if value is not None and kind == "varchar" else value


def _column(axis: str) -> str:
    """An axis's column in `trials`: its name, unless a trial has a column of that name already."""
    return f"axis_{axis}" if axis in TYPES else axis


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def open_dataset(store: Store, runs: Sequence[str]) -> Dataset:
    """Open runs by id. Raises `StoreError` when one is not there."""
    return Dataset([store.open(run) for run in runs])
