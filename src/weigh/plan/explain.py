"""Why two generation keys differ: the fields of what the model was given, laid side by side."""

from __future__ import annotations

from typing import Any

import msgspec

from weigh.records.arm import Arm
from weigh.records.request import Request


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs.

    Attributes:
        field: Dotted path, e.g. `request.sampling.temperature` or `arm.model.sha256`.
        before, after: The values; None where a side lacks the field.
    """

    field: str
    before: Any = None
    after: Any = None


def flatten(value: Any, prefix: str) -> dict[str, Any]:
    """Every leaf of nested mappings and sequences by its dotted path; empty ones have none."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flatten(item, f"{prefix}.{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for i, item in enumerate(value) for k, v in flatten(item, f"{prefix}[{i}]").items()}
    return {prefix: value}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """The leaves in which two flat mappings differ, by name."""
    return [
        Difference(field=name, before=before.get(name), after=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def key_fields(arm: Arm, instance_id: str, instance_digest: str, request: Request, epoch: int) -> dict[str, Any]:
    """Everything a generation key hashes, by name."""
    return {
        **flatten(arm.config, "arm"),
        "arm.digest": arm.digest,
        "instance.id": instance_id,
        "instance.content": instance_digest,
        "epoch": epoch,
        **flatten(msgspec.to_builtins(request), "request"),
    }
