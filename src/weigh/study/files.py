"""Files that a profile puts into workspaces: beside the profile, or written out in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from weigh.records.errors import DefinitionError, suggest


def read_files(files: Mapping[str, Any], base: Path, where: str) -> dict[str, bytes]:
    """Files by their path in the workspace; a folder stands for all that is in it.

    Args:
        files: Path in the workspace -> a file or folder below `base`, or `{text: ...}`.

    Raises:
        DefinitionError: A path leaves the workspace, or there is no such file.
    """
    found: dict[str, bytes] = {}
    for path, origin in located(files, base, where).items():
        found[path] = origin if isinstance(origin, bytes) else origin.read_bytes()
    return found


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
