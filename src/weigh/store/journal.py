"""The append-only truth: one writer, one file, many trials to one sync of the disk.

A trial is encoded when it is appended and waits in a buffer; a thread writes and syncs what has gathered, at most
`INTERVAL` later. Only then is the trial counted. A trial that was not counted may be lost by a crash and is then run
again; one that was counted is never lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from weigh.records.errors import Error, StoreError
from weigh.records.score import Score
from weigh.records.trial import ERROR, Trial
from weigh.store.artifacts import Pending, detach, write_pending
from weigh.store.files import fsync_folder, store_error
from weigh.store.layout import RunFolder, safe_name
from weigh.store.owner import this_process
from weigh.store.segments import CLOSE, TRIAL, Opened, Overlay, segments, torn_bytes

INTERVAL = 0.05
"""Seconds for which trials gather before they are written."""
GROUP = 1 << 18
"""Bytes at which a group is written without waiting further."""
BOUND = 1 << 22
"""Bytes not yet durable at which `append` waits."""
HEARTBEAT = 30.0
"""Seconds after which an idle writer touches its file, for readers on other hosts."""

_encoder = msgspec.json.Encoder()
_decode_trial = msgspec.json.Decoder(Trial).decode


class JournalWriter:
    """Writes one segment of a run's journal. An asynchronous context manager, and a `Sink`.

    Args:
        folder: The run.
        writer_id: Names the segment; unique to this process and invocation.
        on_durable: Called on the event loop with trials that have just become durable, in their order.
    """

    def __init__(
        self, folder: RunFolder, writer_id: str, on_durable: Callable[[Sequence[Trial]], None] | None = None
    ) -> None:
        self.path = folder.journal / f"{safe_name(writer_id)}.jsonl"
        self._folder = folder
        self._on_durable = on_durable
        self._buffer = bytearray()
        self._trials: list[Trial] = []
        self._files: list[Pending] = []
        self._writing = 0
        self._handle = -1
        self._size = 0
        self._error: StoreError | None = None
        self._closing = False
        self._stopped = False
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._written = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, "weigh-journal")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> JournalWriter:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._open)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._closing = True
        self._wake.set()
        self._full.set()
        try:
            if self._task:
                await asyncio.shield(self._task)
        except asyncio.CancelledError:
            # In a hurry: what has gathered is still written, in order, behind what the thread is at.
            if self._task:
                self._task.cancel()
            if self._error is None and self._buffer:
                trials = self._trials
                self._executor.submit(self._write, bytes(self._buffer), list(self._files)).result()
                self._count(trials)
            raise
        finally:
            self._executor.submit(self._close).result()
            self._executor.shutdown(wait=True)
        if self._error and not (exc and exc[0]):
            raise self._error

    async def append(self, trial: Trial) -> None:
        """Accept a trial; waits while too much is not yet durable. Raises `StoreError` when the disk refused.

        A trial that JSON cannot hold as it is (a value of a foreign type, a number that is not finite where one is
        needed) is stored as a failure that says so: it must neither vanish nor make the file unreadable.
        """
        self._check()
        stored, files = detach(self._folder, trial)
        self._files += files
        self._encode_trial(stored)
        await self._appended()

    async def append_scores(
        self,
        trial_id: str,
        key: str,
        scores: Mapping[str, Score],
        *,
        status: str | None = None,
        error: Error | None = None,
    ) -> None:
        """Put scores over those of a stored trial of this run, name by name; the newest win.

        Args:
            status: If given, replaces the trial's status, and `error` its error.
        """
        self._check()
        overlay = Overlay(trial=trial_id, key=key, scores=dict(scores), status=status, error=error, at=time.time())
        encoded = _encoder.encode(overlay)
        self._buffer += b'{"t":"scores",' + encoded[1:] + b"\n"
        await self._appended()

    async def flush(self) -> None:
        """Wait until all that was appended is durable. Raises `StoreError` when the disk refused."""
        while (self._buffer or self._writing) and not self._stopped:
            self._full.set()
            self._wake.set()
            self._written.clear()
            await self._written.wait()
        self._check()

    def _encode_trial(self, trial: Trial) -> None:
        buffer = self._buffer
        start = len(buffer)
        buffer += b'%b,"at":%.3f' % (TRIAL, time.time())
        body = len(buffer)
        try:
            try:
                _encoder.encode_into(trial, buffer, body)
                if buffer.find(b"null", body) >= 0:  # where a number that is not finite ends up
                    _decode_trial(bytes(buffer[body:]))
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                trial = _unstorable(trial, error)
                _encoder.encode_into(trial, buffer, body)
        except BaseException:
            del buffer[start:]
            raise
        buffer[body] = ord(",")  # in place of the record's opening brace: one object with the tag
        buffer += b"\n"
        self._trials.append(trial)

    async def _appended(self) -> None:
        waiting = len(self._buffer)
        self._wake.set()
        if waiting >= GROUP:
            self._full.set()
        while len(self._buffer) + self._writing >= BOUND and not self._stopped:
            self._written.clear()
            await self._written.wait()

    def _check(self) -> None:
        if self._error:
            raise self._error
        if self._closing or self._stopped or self._task is None:
            raise StoreError(f"the journal {self.path} is not open")

    async def _run(self) -> None:
        try:
            await self._write_groups()
        except StoreError as error:
            self._error = error
        finally:
            self._stopped = True
            self._written.set()

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._buffer and not self._closing:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await self._wake.wait()
            if not self._buffer:
                if self._closing:
                    return
                await loop.run_in_executor(self._executor, self._touch)
                continue
            if not self._closing and len(self._buffer) < GROUP:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(INTERVAL):
                        await self._full.wait()
            group, trials, files = bytes(self._buffer), self._trials, self._files
            self._buffer.clear()
            self._trials, self._files = [], []
            self._writing = len(group)
            self._wake.clear()
            self._full.clear()
            await loop.run_in_executor(self._executor, self._write, group, files)
            self._writing = 0
            self._count(trials)
            self._written.set()

    def _count(self, trials: list[Trial]) -> None:
        if self._on_durable and trials:
            self._on_durable(trials)

    # What follows runs in the writer's thread.

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path.parent, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise store_error("write the journal", self.path.parent, error) from error
        if self.path.exists():
            raise StoreError(f"{self.path} exists: each writer needs an id of its own")

    def _write(self, data: bytes, files: list[Pending]) -> None:
        try:
            write_pending(files)
            if self._handle < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                self._handle = os.open(self.path, flags, 0o644)
                opened = _encoder.encode(Opened(owner=this_process(), at=time.time()))
                data = opened + b"\n" + data
                fsync_folder(self.path.parent)
            view = memoryview(data)
            while view:
                view = view[os.write(self._handle, view) :]
            os.fsync(self._handle)
            if os.fstat(self._handle).st_nlink == 0:
                raise StoreError(f"{self.path} was removed while it was written; was the run deleted?")
            self._size += len(data)
        except OSError as error:
            if self._handle >= 0:
                # Take back the half of a group, so that the file ends with a whole line. Should that fail too,
                # readers drop the torn line.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle, self._size)
            raise store_error("write the journal", self.path.parent, error) from error

    def _touch(self) -> None:
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                os.utime(self._handle)

    def _close(self) -> None:
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        try:
            if self._error is None:
                os.write(handle, b'%b,"at":%.3f}\n' % (CLOSE, time.time()))
                os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, self._size)  # all trials are there; only the mark that no more will come is not
        finally:
            os.close(handle)


def _unstorable(trial: Trial, error: Exception) -> Trial:
    """The trial as a failure that can be stored, with the reason."""
    message = f"this trial cannot be stored as it is: {error}"
    failure = Error(kind="internal", code="unstorable", message=message.encode("utf-8", "replace").decode())
    bare = msgspec.structs.replace(
        trial,
        status=ERROR,
        error=failure,
        trajectory=None,
        scores={},
        attempts=(),
        metadata={},
        instance=type(trial.instance)(id=trial.instance.id, question="(could not be stored)"),
    )
    return bare


def repair(folder: RunFolder) -> list[str]:
    """Cut torn last lines off segments whose writer is gone; returns a line for people about each.

    A torn line is a trial that was being written when its writer died. It was never counted, and is run again.
    """
    told = []
    for segment in segments(folder.journal):
        if segment.closed or not segment.dead:
            continue
        torn = torn_bytes(segment.path)
        if not torn:
            continue
        try:
            os.truncate(segment.path, segment.size - torn)
        except OSError as error:
            raise store_error("repair the journal", segment.path, error) from error
        told.append(f"dropped a torn last line of {torn} bytes in {segment.path}")
    return told
