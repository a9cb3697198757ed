"""The thing compared: one point on the axes."""

from __future__ import annotations

from typing import Any

import msgspec

Axis = str | int | float | None


class Arm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One point on the axes: a model, a checkpoint, a harness, a revision, a tier ...

    Attributes:
        id: Short name, unique within a run, made of what differs (`smollm2-135m`, `qwen/skill`).
        digest: What this arm gives the model, resolved (branch -> commit, path -> content digest); part of every
            generation key. Two arms with the same digest generate the same.
        axes: The columns one compares on: `model`, `checkpoint`, `step`, `harness`, `revision`, `tier`, `agent`, ...
        config: The full resolved configuration, for people; secrets never enter it.
    """

    id: str
    digest: str
    axes: dict[str, Axis] = {}
    config: dict[str, Any] = {}
