"""Files that a profile puts into workspaces: beside the profile, or written out in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from weigh.records.errors import DefinitionError, suggest


def read_files(files: Mapping[str, Any], base: Path, where: str, *, foreign: bool = False) -> dict[str, bytes]:
    """Files by their path in the workspace; a folder stands for all that is in it.

    Args:
        files: Path in the workspace -> a file or folder below `base`, or `{text: ...}`.
        foreign: Whether somebody else made what is in `base`, so that no link of it may lead out.

    Raises:
        DefinitionError: A path leaves the workspace, there is no such file, or a link leads out.
    """
    found: dict[str, bytes] = {}
    for path, origin in located(files, base, where).items():
        if isinstance(origin, bytes):
            found[path] = origin
            continue
        if foreign:
            refuse_way_out(origin, base, where)
        found[path] = origin.read_bytes()
    return found


def refuse_way_out(path: Path, base: Path, where: str) -> None:
    """Refuse a path that a link leads out of the folder it belongs to: a repository is not to have weigh read the
    user's files for it.

    Raises:
        DefinitionError: It leads out.
    """
    if not path.resolve().is_relative_to(base.resolve()):
        raise DefinitionError(f"{where}: {path.relative_to(base)} is a link that leads out of the source")


def located(files: Mapping[str, Any], base: Path, where: str) -> dict[str, Path | bytes]:
    """The same without reading what is a file."""
    found: dict[str, Path | bytes] = {}
    for path, value in files.items():
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            raise DefinitionError(f"{where}: files: {path!r} is no path below the workspace")
        if isinstance(value, Mapping) and isinstance(value.get("text"), str) and len(value) == 1:
            found[str(pure)] = value["text"].encode()
        elif isinstance(value, str):
            origin = base / value
            if origin.is_dir():
                inner = sorted(p for p in origin.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
                found.update({str(pure / p.relative_to(origin).as_posix()): p for p in inner})
            elif origin.is_file():
                found[str(pure)] = origin
            else:
                near = [p.name for p in origin.parent.iterdir()] if origin.parent.is_dir() else []
                raise DefinitionError(f"{where}: files: there is no {origin}{suggest(origin.name, near)}")
        else:
            raise DefinitionError(
                f"{where}: files: {path}: expected the name of a file or {{text: ...}}, got {value!r}"
            )
    return found
