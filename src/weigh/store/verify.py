"""Is everything in a run readable and whole?"""

from __future__ import annotations

from typing import Literal

import msgspec

from weigh.store.layout import Store


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes: `error` means data is lost or wrong, `note` that something was handled; which file; a line."""

    level: Literal["error", "note"]
    path: str
    message: str


def verify(store: Store, run_id: str) -> list[Finding]:
    """Check manifest, invocations, journals, Parquet, artifacts, doubles. Empty when all is well."""
    raise NotImplementedError
