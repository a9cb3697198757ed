"""Where everything lies: one folder per run, found by its id, a prefix of it, its name, or `latest`.

    STORE/runs/RUN/run.json            the manifest, written once
                   invocations/ID.json one file each time the plan was executed
                   journal/WRITER.jsonl append-only truth, one writer each
                   leases/             who works on which part
                   trials.parquet      derived, once finished
                   artifacts/TRIAL/    native traces, verbatim
                   given/              texts that trials were given besides the question, each once

Nothing here needs a database: listing runs reads their manifests and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from pathlib import Path

import msgspec

from weigh.records.errors import StoreError, suggest
from weigh.records.run import Invocation, Run
from weigh.store.files import create_exclusive, replace_durably, store_error
from weigh.store.owner import is_dead
from weigh.store.segments import segments

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_run = msgspec.json.Decoder(Run).decode
_decode_invocation = msgspec.json.Decoder(Invocation).decode
_UNREADABLE = (OSError, msgspec.MsgspecError, UnicodeDecodeError)


class RunFolder:
    """The folder of one run.

    Attributes:
        path: The folder.
        run: Its manifest.
    """

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self.run = run

    @property
    def journal(self) -> Path:
        """Folder of the journal's segments."""
        return self.path / "journal"

    @property
    def leases(self) -> Path:
        """Folder of the leases."""
        return self.path / "leases"

    @property
    def artifacts(self) -> Path:
        """Folder of native traces, one folder a trial."""
        return self.path / "artifacts"

    @property
    def given(self) -> Path:
        """Folder of the texts that trials were given besides the question, by their digest."""
        return self.path / "given"

    @property
    def parquet(self) -> Path:
        """The finished trials; may not exist."""
        return self.path / "trials.parquet"

    def begin(self, invocation: Invocation) -> None:
        """Record that the plan is being executed. Raises `StoreError` when the id is taken."""
        path = self._invocation_path(invocation.id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            created = create_exclusive(path, _encode(invocation))
        except OSError as error:
            raise store_error("record this invocation", path.parent, error) from error
        if not created:
            raise StoreError(f"run {self.run.id} already has an invocation {invocation.id!r}; give this one another id")

    def end(self, invocation: Invocation) -> None:
        """Replace an invocation's file by the form it has at its end. Only its own writer may."""
        path = self._invocation_path(invocation.id)
        try:
            replace_durably(path, _encode(invocation))
        except OSError as error:
            raise store_error("record the end of this invocation", path.parent, error) from error

    def invocations(self) -> list[Invocation]:
        """Every time the plan was executed, oldest first. Raises `StoreError` when a file cannot be read."""
        found = []
        for path in sorted((self.path / "invocations").glob("*.json")):
            try:
                found.append(_decode_invocation(path.read_bytes()))
            except _UNREADABLE as error:
                raise StoreError(f"cannot read {path}: {error}") from error
        return sorted(found, key=lambda i: (i.started, i.id))

    def _invocation_path(self, invocation_id: str) -> Path:
        return self.path / "invocations" / f"{safe_name(invocation_id)}.json"


class Store:
    """A folder of runs. It need not exist before the first run is created.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def scan(self) -> tuple[list[Run], list[str]]:
        """All runs, newest first, and a line for each folder whose manifest cannot be read."""
        runs: list[Run] = []
        problems: list[str] = []
        for run_id in self._ids():
            try:
                runs.append(self._manifest(run_id))
            except StoreError as error:
                problems.append(str(error))
        runs.sort(key=lambda r: (-r.created, r.id))
        return runs, problems

    def runs(self) -> list[Run]:
        """All runs with a readable manifest, newest first (`scan` also tells of the others)."""
        return self.scan()[0]

    def find(self, ref: str) -> Run:
        """The run with this id, or the one whose id begins so, or the newest of this name, or `latest`.

        Raises `StoreError` with the closest names when there is none, or with the candidates when there are several.
        """
        ids = self._ids()
        if ref in ids:
            return self._manifest(ref)
        runs = self.runs()
        if not runs:
            raise StoreError(f"there are no runs in {self.path}; is --store right?")
        if ref == "latest":
            return runs[0]
        named = [r for r in runs if r.name == ref]
        if named:
            return named[0]
        begun = [r for r in runs if r.id.startswith(ref)]
        if ref and len(begun) == 1:
            return begun[0]
        if ref and begun:
            shown = ", ".join(r.id for r in begun[:5]) + (", ..." if len(begun) > 5 else "")
            raise StoreError(f"{ref!r} could be {len(begun)} runs: {shown}; write more of the id")
        names = dict.fromkeys([*(r.id for r in runs), *(r.name for r in runs), "latest"])
        raise StoreError(f"there is no run {ref!r} in {self.path}{suggest(ref, names)}")

    def create(self, run: Run) -> RunFolder:
        """Make the run's folder, or open it when it exists with the same identity (its own manifest then stays).

        Raises `StoreError` when the id belongs to a run of other arms or tasks, or nothing can be written.
        """
        path = self._path(run.id)
        try:
            for name in ("journal", "leases", "invocations"):
                (path / name).mkdir(parents=True, exist_ok=True)
            created = create_exclusive(path / "run.json", _encode(run))
        except OSError as error:
            raise store_error("create a run", path, error) from error
        if created:
            return RunFolder(path, run)
        found = self._manifest(run.id)
        if _identity(found) != _identity(run):
            raise StoreError(
                f"run {run.id} exists in {self.path} with other arms or tasks; choose another --name or remove it "
                f"with `weigh runs rm {run.id}`"
            )
        return RunFolder(path, found)

    def open(self, run_id: str) -> RunFolder:
        """The folder of a run that exists, by its whole id (`find` resolves what people type)."""
        return RunFolder(self._path(run_id), self._manifest(run_id))

    def remove(self, run_id: str, *, force: bool = False) -> None:
        """Delete a run with all it holds. Refuses while a process on this host is writing to it, unless forced."""
        path = self._path(run_id)
        if not path.is_dir():
            raise StoreError(f"there is no run {run_id!r} in {self.path}{suggest(run_id, self._ids())}")
        writers = [s for s in segments(path / "journal") if not s.closed and s.owner and is_dead(s.owner) is False]
        if writers and not force:
            raise StoreError(f"run {run_id} is being written by process {writers[0].owner.pid}; stop it first")  # type: ignore[union-attr]
        try:
            # Renamed first, so that a removal cut short leaves no half of a run under its name.
            aside = self.path / "runs" / f".removed-{uuid.uuid4().hex[:8]}"
            path.rename(aside)
            shutil.rmtree(aside)
        except OSError as error:
            raise store_error(f"remove run {run_id}", self.path, error) from error

    def _ids(self) -> list[str]:
        try:
            with os.scandir(self.path / "runs") as entries:
                return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise store_error("list runs", self.path, error) from error

    def _path(self, run_id: str) -> Path:
        return self.path / "runs" / safe_name(run_id)

    def _manifest(self, run_id: str) -> Run:
        path = self._path(run_id) / "run.json"
        try:
            return _decode_run(path.read_bytes())
        except FileNotFoundError:
            raise StoreError(
                f"there is no run {run_id!r} in {self.path} (no {path}){suggest(run_id, self._ids())}"
            ) from None
        except _UNREADABLE as error:
            raise StoreError(f"cannot read the manifest {path}: {error}") from error


def safe_name(name: str) -> str:
    """A name that is one component of a path. Raises `StoreError` otherwise."""
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        raise StoreError(f"{name!r} cannot name a file in the store; use letters, digits, `-`, `_` and `.`")
    return name


def slug(name: str) -> str:
    """Any name made into one component of a path, the start of a run's id."""
    return re.sub(r"[^A-Za-z0-9_.+@-]+", "-", name).strip("-.")[:60] or "run"


def _identity(run: Run) -> object:
    arms = sorted((a.id, a.digest) for a in run.arms)
    tasks = sorted((t.name, t.variant, t.digest) for t in run.tasks)
    return arms, tasks
