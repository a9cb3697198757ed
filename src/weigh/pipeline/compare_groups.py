"""Comparisons at each value of something: a metadata field (subgroups), or an axis that varies within both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weigh.pipeline.align import Aligned
from weigh.pipeline.aligned_sets import pool, subset
from weigh.pipeline.clusters import metadata, metadata_fields
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_report import TaskRow
from weigh.pipeline.compare_tasks import compare_task
from weigh.pipeline.sides import Side, contexts
from weigh.records.errors import DefinitionError, suggest
from weigh.store.dataset import Dataset


def axis_place(a: Side, b: Side, name: str) -> int | None:
    """The place of an axis among those that tell the contexts of two sides apart; None where it is no such axis.

    Raises:
        DefinitionError: It is an axis on which the sides do not vary, or what they are compared by.
    """
    rest = contexts([a, b])
    if name in rest:
        return rest.index(name)
    axes = {axis for side in (a, b) for m in side.members for axis in m.arm.axes}
    if name not in axes:
        return None
    ours, theirs = a.values(name), b.values(name)
    if ours == theirs:
        raise DefinitionError(
            f"--by {name}: both sides have only {', '.join(map(str, ours))}; there is nothing to split"
        )
    raise DefinitionError(f"--by {name}: {a.label} and {b.label} have no value of it in common; it is what is compared")


def compare_levels(
    aligned: Sequence[Aligned], rows: Sequence[TaskRow], axis: int | None, options: Options
) -> list[TaskRow]:
    """All tasks together at each value of an axis."""
    if axis is None or len({(p.metric.lower_is_better, p.metric.bounds) for p in aligned}) > 1:
        return []
    whole = pool(aligned)
    found = [context[axis] for context in whole.context]
    withheld = next((r.withheld for r in rows if r.withheld), None)
    labels = np.array([str(v) for v in found], dtype=object)
    return [
        compare_task(subset(whole, labels == str(value)), options, group=str(value), withheld=withheld)
        for value in dict.fromkeys(found)
    ]


def compare_subgroups(
    data: Dataset, pairs: Aligned, options: Options, key: tuple[Any, ...], axes: Sequence[str]
) -> list[TaskRow]:
    """Subgroups by a metadata field.

    Args:
        key: What is compared; what was split for it is remembered.
        axes: What else could have been meant by the field's name.
    """
    field = options.by or ""
    parts = data.remember(("groups", key, pairs.task, field), lambda: _split(data, pairs, field, axes))
    return [compare_task(part, options, group=label) for label, part in parts]


def _split(data: Dataset, pairs: Aligned, field: str, axes: Sequence[str]) -> list[tuple[str, Aligned]]:
    """The questions by their value of a metadata field."""
    values = metadata(data, field)
    own = [values.get(key.split("|")[0].split("#")[0]) for key in pairs.keys]
    if not any(v is not None for v in own):
        known = dict.fromkeys([*axes, *metadata_fields(data, pairs.task)])
        hint = suggest(field, known) or (f" (there are {', '.join(known)})" if known else "")
        raise DefinitionError(
            f"--by {field}: no question of {pairs.task} has this metadata field, and no axis on which the arms of a "
            f"side differ is called so{hint}"
        )
    labels = np.array([v if v is not None else "(none)" for v in own], dtype=object)
    return [(str(label), subset(pairs, labels == label)) for label in sorted(set(labels))]
