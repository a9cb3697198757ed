"""Native traces lie beside the trials, verbatim; a stored trial holds references to them instead of their text.

What trials of an arm have in common, the texts they were given, is kept once a run, named by its digest.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from weigh.records import given
from weigh.records.digest import digest_bytes
from weigh.records.errors import StoreError
from weigh.records.trial import Trial
from weigh.store.files import fsync_folder
from weigh.store.layout import RunFolder, safe_name

PREFIX = "artifact:"
COMMON = "given"
"""Stands where a trial's id stands, for texts that are kept once a run; no trial has it."""
_COMMON = re.compile(rf"{PREFIX}[^/\n]+/{COMMON}/[0-9a-f]{{32}}")


class Pending(NamedTuple):
    """A file still to be written: its text, or a stored file of another trial to copy; once, or for this trial."""

    path: Path
    text: str | None
    source: Path | None
    once: bool = False


def reference(run_id: str, trial_id: str, name: str) -> str:
    """How a stored trial names an artifact: `artifact:RUN/TRIAL/NAME`."""
    return f"{PREFIX}{run_id}/{trial_id}/{name}"


def detach(folder: RunFolder, trial: Trial) -> tuple[Trial, list[Pending]]:
    """The trial with references in place of its artifacts' text, and the files that must be written for them.

    A reference to another run's artifact (the trial was reused) becomes one of this run, and the file is copied.
    """
    if trial.trajectory is None or not trial.trajectory.artifacts:
        return trial, []
    pending = []
    references = {}
    for name, text in trial.trajectory.artifacts.items():
        if name.startswith(given.PREFIX):
            source = artifact_path(folder, text) if _COMMON.fullmatch(text) else None
            key = source.name if source else digest_bytes(_encode(text))
            references[name] = reference(folder.run.id, COMMON, key)
            path = folder.given / key
            if not path.exists():
                pending.append(Pending(path, None if source else text, source, once=True))
            continue
        own = reference(folder.run.id, trial.id, name)
        references[name] = own
        if text == own:
            continue
        path = folder.artifacts / safe_name(trial.id) / safe_name(name)
        source = artifact_path(folder, text)
        pending.append(Pending(path, None if source else text, source))
    trajectory = msgspec.structs.replace(trial.trajectory, artifacts=references)
    return msgspec.structs.replace(trial, trajectory=trajectory), pending


def write_pending(pending: list[Pending]) -> None:
    """Write artifacts so that they outlast a crash. Raises `OSError`."""
    for path, text, source, once in pending:
        if once and path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        data = source.read_bytes() if source else _encode(text or "")
        # What is kept once may be read, and written by another process, at this moment.
        target = path.with_name(f".{uuid.uuid4().hex}") if once else path
        with target.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if once:
            target.replace(path)
        fsync_folder(path.parent)


def artifact_path(folder: RunFolder, value: str) -> Path | None:
    """Where a reference points within this run's store; None when the value is no reference but a text."""
    if not value.startswith(PREFIX) or len(value) > 1000 or "\n" in value:
        return None
    parts = value.removeprefix(PREFIX).split("/")
    if len(parts) != 3 or any(p in ("", ".", "..") for p in parts):
        return None
    run_id, trial_id, name = parts
    run = folder.path.parent / run_id
    return run / COMMON / name if trial_id == COMMON else run / "artifacts" / trial_id / name


def read_artifact(folder: RunFolder, trial: Trial, name: str) -> bytes:
    """A native trace of a stored trial, as it was. Raises `StoreError` when there is none."""
    held = trial.trajectory.artifacts if trial.trajectory else {}
    if name not in held:
        known = ", ".join(sorted(held)) or "none"
        raise StoreError(f"trial {trial.id} has no artifact {name!r}; it has: {known}")
    path = artifact_path(folder, held[name])
    if path is None:
        return _encode(held[name])
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read artifact {path}: {error.strerror}") from error


def read_given(folder: RunFolder, artifacts: Mapping[str, str]) -> dict[str, str]:
    """The texts a stored trial was given, by name without `given/`; one that is no longer there is left out.

    Raises:
        StoreError: As `read_common`.
    """
    found = {}
    for name, value in artifacts.items():
        if not name.startswith(given.PREFIX):
            continue
        text = read_common(folder, value)
        if text is not None:
            found[name.removeprefix(given.PREFIX)] = text
    return found


def read_common(folder: RunFolder, value: str) -> str | None:
    """The text that a reference names, or that stands there itself; None where it is no longer there.

    Raises:
        StoreError: It is there and cannot be read.
    """
    path = artifact_path(folder, value)
    try:
        return value if path is None else path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")
