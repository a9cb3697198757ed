"""Is everything in a run readable and whole?"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Literal

import msgspec

from weigh.records.errors import StoreError
from weigh.records.trial import Trial
from weigh.store.artifacts import artifact_path
from weigh.store.layout import RunFolder, Store
from weigh.store.parquet import parquet_contents
from weigh.store.reader import ReadReport, read_stored
from weigh.store.snapshot import Place, Snapshot


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found.

    Attributes:
        level: `error` means that data is lost or wrong, `note` that something was met and handled.
        path: Which file or folder.
        message: One line.
    """

    level: Literal["error", "note"]
    path: str
    message: str


def verify(store: Store, run_id: str) -> list[Finding]:
    """Read all of a run: manifest, invocations, journals, Parquet, artifacts. Empty when all is well."""
    try:
        folder = store.open(run_id)
    except StoreError as error:
        return [_error(store.path / "runs" / run_id / "run.json", str(error))]
    findings = []
    if folder.run.id != run_id:
        findings.append(_error(folder.path, f"the manifest is that of run {folder.run.id}; was the folder renamed?"))
    try:
        folder.invocations()
    except StoreError as error:
        findings.append(_error(folder.path / "invocations", str(error)))
    findings += _trials(folder)
    findings += [
        _error(path, "lines that could not be read were set aside here when the run was finished")
        for path in sorted(folder.journal.glob("*.corrupt"))
    ]
    findings += [
        _note(path, "left by a process that died while finishing the run; the next one removes it")
        for path in sorted(folder.path.glob(".finish-*"))
    ]
    return findings


def _trials(folder: RunFolder) -> list[Finding]:
    findings: list[Finding] = []
    report = ReadReport()
    ids: dict[str, None] = {}
    try:
        with Snapshot(folder) as snapshot:
            if snapshot.parquet:
                findings += _parquet(snapshot)
            if any(finding.level == "error" for finding in findings):
                return findings
            for stored in read_stored(snapshot, report):
                trial = stored.trial
                if trial.id in ids:
                    findings.append(_error(folder.path, f"two trials have the id {trial.id}"))
                ids[trial.id] = None
                findings += _trial(folder, trial)
            places: dict[str, list[Place]] = {}
            deque(snapshot.scan(places), maxlen=0)
            findings += [
                _error(folder.journal, f"scores of a trial that is not there: {trial_id}")
                for trial_id in places
                if trial_id not in ids
            ]
            findings += [
                _note(s.path, "is in trials.parquet already; the next finishing removes it") for s in snapshot.leftovers
            ]
    except StoreError as error:
        findings.append(_error(folder.path, str(error)))
    findings += [_note(folder.journal, line) for line in report.torn]
    findings += [_error(folder.journal, line) for line in report.corrupt]
    counts = ((report.doubled, "doubled; the earliest counts"), (report.superseded, "of a prompt that has changed"))
    findings += [_note(folder.path, f"{number} trials are {what}") for number, what in counts if number]
    return findings


def _parquet(snapshot: Snapshot) -> list[Finding]:
    path = snapshot.parquet
    assert path is not None
    rows, digest = parquet_contents(path)
    expected = (int(snapshot.metadata.get("rows", "-1")), snapshot.metadata.get("digest"))
    if (rows, digest) == expected:
        return []
    return [_error(path, f"holds {rows} trials, {expected[0]} were written, or their content differs")]


def _trial(folder: RunFolder, trial: Trial) -> list[Finding]:
    findings = []
    if trial.run != folder.run.id:
        findings.append(_error(folder.path, f"trial {trial.id} belongs to run {trial.run}"))
    if trial.arm not in {arm.id for arm in folder.run.arms}:
        findings.append(_error(folder.path, f"trial {trial.id} has an arm that the manifest lacks: {trial.arm}"))
    for value in (trial.trajectory.artifacts if trial.trajectory else {}).values():
        path = artifact_path(folder, value)
        if path is not None and not path.is_file():
            findings.append(_error(path, f"artifact of trial {trial.id} is missing"))
    return findings


def _error(path: Path, message: str) -> Finding:
    return Finding(level="error", path=str(path), message=message)


def _note(path: Path, message: str) -> Finding:
    return Finding(level="note", path=str(path), message=message)
