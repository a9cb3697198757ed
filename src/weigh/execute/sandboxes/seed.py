"""Puts into a fresh sandbox what a trial starts with: the workspace's files, then those of the question."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import Sandbox
from weigh.records.errors import DataError, Error, Failure
from weigh.records.instance import Instance
from weigh.records.workspace import Workspace

FILES = "files"
"""The key of `Instance.inputs` that holds a question's files: relative path -> text, `{"base64": ...}`, or `{"path":
...}` of a file of this machine."""


def seeded_spec(spec: SandboxSpec, workspace: Workspace | None) -> SandboxSpec:
    """The sandbox that a workspace asks for: its folder is copied when the sandbox starts."""
    if workspace is None:
        return spec
    return msgspec.structs.replace(
        spec,
        folder=workspace.folder,
        readonly=(*spec.readonly, *workspace.readonly),
        env={**spec.env, **workspace.env},
        path=(*workspace.path, *spec.path),
        network="open" if workspace.network == "open" else spec.network,
    )


async def seed(sandbox: Sandbox, workspace: Workspace | None, instance: Instance) -> None:
    """Write the files a trial starts with.

    Raises:
        Failure: Kind `task`, for a file of the question that cannot be had; kind `sandbox`, when the sandbox broke.
    """
    if workspace is not None:
        for path, data in workspace.files.items():
            await sandbox.write_file(path, data)
    try:
        files = list(instance_files(instance))
    except DataError as error:
        raise Failure(Error(kind="task", code="files", message=str(error))) from error
    for path, data in files:
        await sandbox.write_file(path, data)


def wholeness(workspace: Workspace | None) -> tuple[tuple[int, int, int], ...]:
    """What tells whether the folders that a workspace shows are still those they were; compare it with a later one.

    Raises:
        Failure: Kind `sandbox`: something of them is gone.
    """
    found = []
    for file in workspace.whole if workspace is not None else ():
        try:
            facts = Path(file).stat()
        except OSError as error:
            message = f"{Path(file).parent} is gone or not whole ({error.strerror}: {Path(file).name}); run it again"
            raise Failure(Error(kind="sandbox", code="not_whole", message=message)) from error
        found.append((facts.st_ino, facts.st_size, facts.st_mtime_ns))
    return tuple(found)


def check_whole(workspace: Workspace | None, before: tuple[tuple[int, int, int], ...]) -> None:
    """See that the folders are still those they were.

    Raises:
        Failure: Kind `sandbox`: something of them is gone, or was replaced.
    """
    if wholeness(workspace) != before:
        message = "what the sandbox was shown (an installation, a Skill) was replaced while the trial ran; run it again"
        raise Failure(Error(kind="sandbox", code="not_whole", message=message))


def instance_files(instance: Instance) -> Iterator[tuple[str, bytes]]:
    """The files of a question, by relative path.

    Raises:
        DataError: One of them is given in no known form, or cannot be read.
    """
    for path, content in (instance.inputs.get(FILES) or {}).items():
        yield path, _content(instance, path, content)


def _content(instance: Instance, path: str, content: Any) -> bytes:
    where = f"instance {instance.id!r}: file {path!r}"
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, bytes):
        return content
    if isinstance(content, Mapping) and isinstance(content.get("base64"), str):
        try:
            return base64.b64decode(content["base64"], validate=True)
        except binascii.Error as error:
            raise DataError(f"{where}: is no base64: {error}") from error
    if isinstance(content, Mapping) and isinstance(content.get("path"), str):
        try:
            data = Path(content["path"]).read_bytes()
        except OSError as error:
            raise DataError(f"{where}: cannot read {content['path']}: {error.strerror}") from error
        told = content.get("sha256")
        if told is not None and hashlib.sha256(data).hexdigest() != told:
            raise DataError(f"{where}: {content['path']} is not what it was when this was planned; run it again")
        return data
    raise DataError(f'{where}: expected a text, {{"base64": ...}} or {{"path": ...}}')


async def copy_folder(source: str, target: Path, *, owner: int | None = None) -> None:
    """Copy a folder's content into an existing one, links as links, without holding up the loop.

    Args:
        owner: User and group id that the copies are given.

    Raises:
        Failure: Kind `sandbox`, when it cannot be copied.
    """

    def copy() -> None:
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        if owner is not None:
            for folder, names, files in os.walk(target):
                for name in (*names, *files):
                    os.chown(Path(folder, name), owner, owner, follow_symlinks=False)

    try:
        await asyncio.to_thread(copy)
    except (OSError, shutil.Error) as error:
        message = f"cannot copy {source} into the workspace: {error}"
        raise Failure(Error(kind="sandbox", code="folder", message=message[:400])) from error
