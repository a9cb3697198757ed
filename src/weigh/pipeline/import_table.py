"""`weigh import table`: somebody's per-question scores become a run that every other command works on.

A question's content is unknown, so its id stands for it: two imports pair by id. The run's identity is the file's
digest and what its columns mean, hence importing the same file again adds nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.prepared import instance_digest
from weigh.pipeline.finishing import finish_run
from weigh.pipeline.provenance import provenance, redact_command
from weigh.records.arm import Arm
from weigh.records.digest import digest, digest_file
from weigh.records.errors import DataError
from weigh.records.instance import Instance
from weigh.records.run import Invocation, MetricInfo, Run, TaskInfo
from weigh.records.score import Score
from weigh.records.trial import OK, Timing, Trial
from weigh.store.done import done
from weigh.store.importers.table import Columns, Row, read_scores
from weigh.store.journal import JournalWriter, repair
from weigh.store.layout import RunFolder, Store, slug


class ImportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One invocation of `weigh import table`.

    Attributes:
        file: CSV, TSV, JSONL or Parquet.
        columns: Which column holds what.
        store: The store's folder.
        task: What the task is called; None for the file's name. Imports pair when this is the same.
        metric: What the score is called; None for the name of its column.
        name: The run's; None for the file's.
        group, tags: For people.
        lower_is_better: Of the score.
        bounds: The range of the score; None to take (0, 1) when all lie in it, and to know none otherwise.
        command: The words typed, for provenance.
    """

    file: Path
    columns: Columns
    store: str = "weigh-store"
    task: str | None = None
    metric: str | None = None
    name: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    lower_is_better: bool = False
    bounds: tuple[float, float] | None = None
    command: tuple[str, ...] = ()


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did: the run, how many questions and rows there are, and how many rows were new."""

    run: Run
    questions: int
    rows: int
    added: int
    epochs: int


async def import_table(request: ImportRequest) -> ImportResult:
    """Read a file, check all of it, then store it.

    Raises:
        DataError: See `read_scores`; a score outside the bounds; a question with two clusters.
        StoreError: The store cannot be written.
    """
    rows = read_scores(request.file, request.columns)
    _check_bounds(request, rows)
    facts = _facts(rows)
    sha256 = digest_file(request.file)
    run = _manifest(request, rows, sha256)
    folder = Store(request.store).create(run)
    repair(folder)
    invocation = Invocation(
        id=f"{int(time.time())}-{secrets.token_hex(4)}",
        started=time.time(),
        command=redact_command(request.command),
        plan={"columns": request.columns.named},
        metrics={t.name: t.metrics for t in run.tasks},
        provenance={
            **provenance([], {}),
            "imported": {"file": request.file.name, "sha256": sha256, "bytes": request.file.stat().st_size},
        },
    )
    folder.begin(invocation)
    added = await _store(folder, invocation.id, request, run, rows, facts, sha256)
    summary = {"imported": added, "reused": len(rows) - added}
    folder.end(msgspec.structs.replace(invocation, ended=time.time(), summary=summary))
    await finish_run(folder)
    return ImportResult(
        run=folder.run,
        questions=len({r.id for r in rows}),
        rows=len(rows),
        added=added,
        epochs=len({r.epoch for r in rows}),
    )


async def _store(
    folder: RunFolder,
    writer: str,
    request: ImportRequest,
    run: Run,
    rows: Sequence[Row],
    facts: dict[str, dict[str, Any]],
    sha256: str,
) -> int:
    """Append what the run lacks; returns how many rows that were."""
    stored = done(folder, skip=writer)
    metric = run.tasks[0].metrics[0]
    source = digest({"imported": sha256, "column": request.columns.score})
    added = 0
    async with JournalWriter(folder, writer) as journal:
        for row in rows:
            trial = _trial(row, run, metric, facts[row.id], source)
            if trial.cell not in stored:
                await journal.append(trial)
                added += 1
        await journal.flush()
    return added


def _trial(row: Row, run: Run, metric: MetricInfo, facts: dict[str, Any], source: str) -> Trial:
    """A row as a trial that was executed elsewhere: a score, and no attempt, output or time of ours."""
    instance = Instance(question=row.id, id=row.id, cluster=row.cluster, metadata=facts)
    arm = row.model or run.arms[0].id
    key = hashlib.sha256(f"{source}\0{arm}\0{row.id}\0{row.epoch}".encode()).hexdigest()[:32]
    return Trial(
        id=base64.b32encode(hashlib.sha256(f"{run.id}\0{key}".encode()).digest())[:12].decode().lower(),
        run=run.id,
        key=key,
        arm=arm,
        task=run.tasks[0].name,
        instance=instance,
        instance_digest=instance_digest(Instance(question=row.id)),
        epoch=row.epoch,
        status=OK,
        scores={metric.scorer: Score(value=row.score, digest=source)},
        timing=Timing(started=0.0, total=0.0),
        metadata={"imported_row": row.number, **{k: v for k, v in row.other.items() if k not in facts}},
    )


def _facts(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Question id -> metadata of the question: columns that say the same in all of its rows (a subject, a level).

    Columns that differ from model to model (an answer, seconds) describe trials and stay with them.
    """
    found: dict[str, dict[str, Any]] = {}
    clusters: dict[str, tuple[str | None, int]] = {}
    varying: set[str] = set()
    for row in rows:
        cluster, first = clusters.setdefault(row.id, (row.cluster, row.number))
        if cluster != row.cluster:
            raise DataError(
                f"question {row.id} is in cluster {cluster} in row {first} and in {row.cluster} in row {row.number}"
            )
        known = found.setdefault(row.id, dict(row.other))
        varying.update(k for k in {*known, *row.other} if known.get(k) != row.other.get(k))
    return {name: {k: v for k, v in known.items() if k not in varying} for name, known in found.items()}


def _check_bounds(request: ImportRequest, rows: Sequence[Row]) -> None:
    if request.bounds is None:
        return
    low, high = request.bounds
    for row in rows:
        if not low <= row.score <= high:
            raise DataError(
                f"{request.file}: row {row.number} ({request.columns.id} {row.id}): the score {row.score:g} lies "
                f"outside --bounds {low:g},{high:g}"
            )


def _manifest(request: ImportRequest, rows: Sequence[Row], sha256: str) -> Run:
    stem = request.file.name.split(".")[0]
    name = request.name or stem
    metric = _metric(request, rows)
    source = {"file": request.file.name, "sha256": sha256, "columns": request.columns.named}
    task = TaskInfo(
        name=slug(request.task or stem),
        digest=digest([source, metric.lower_is_better, metric.bounds, metric.name]),
        definition={"imported": True, "data_source": source},
        metrics=(metric,),
        num_instances=len({r.id for r in rows}),
        source=request.file.name,
    )
    models = list(dict.fromkeys(r.model or name for r in rows))
    arms = tuple(
        Arm(
            id=model,
            digest=digest({"imported": model}),
            axes={"model": model, "provider": "imported"},
            config={"imported": source},
        )
        for model in models
    )
    identity = digest({"arms": sorted((a.id, a.digest) for a in arms), "task": (task.name, task.digest)})
    return Run(
        id=f"{slug(name)}-{identity[:8]}",
        name=name,
        created=time.time(),
        group=request.group,
        tags=request.tags,
        arms=arms,
        tasks=(task,),
    )


def _metric(request: ImportRequest, rows: Sequence[Row]) -> MetricInfo:
    name = request.metric or request.columns.score
    bounds = request.bounds
    if bounds is None and all(0 <= r.score <= 1 for r in rows):
        bounds = (0.0, 1.0)
    return MetricInfo(
        name=name,
        scorer=name,
        lower_is_better=request.lower_is_better,
        bounds=bounds,
    )
