"""Numbers of numpy in records that become JSON, without loading numpy."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> Any:
    """A numpy number as Python's, for msgspec's `enc_hook`. Raises `NotImplementedError` for anything else."""
    if hasattr(value, "item"):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")
