"""One way to turn a value into a digest, so that the same thing has the same identity everywhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="deterministic")


def digest(value: Any, *, size: int = 16) -> str:
    """Hex SHA-256 of a value's canonical JSON, cut to `size` bytes (32 hex digits by default).

    Mappings are ordered by key, structs by field; fields at their default are left out, so adding a field with a
    default to a record changes no identity.
    """
    return hashlib.sha256(_encoder.encode(value)).hexdigest()[: 2 * size]


def digest_bytes(data: bytes, *, size: int = 16) -> str:
    """Hex SHA-256 of bytes, cut to `size` bytes."""
    return hashlib.sha256(data).hexdigest()[: 2 * size]


def digest_file(path: Path) -> str:
    """Full hex SHA-256 of a file's content, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
