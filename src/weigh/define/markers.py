"""Markers of a task, from what a user wrote to scorers: built-in names, specs, tables, or scorers of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from weigh.define.decode import decode
from weigh.define.metrics import Metric, ScorerLookup
from weigh.records.errors import DefinitionError
from weigh.records.marker import PREFIX, MarkerSpec
from weigh.records.names import repeated_name


def as_markers(values: Any, where: str) -> tuple[Any, ...]:
    """Markers as they were written: tables become specs, and no name may come twice.

    Raises:
        DefinitionError: Something is no marker, or two have one name.
    """
    if isinstance(values, str | MarkerSpec | Mapping):
        values = (values,)
    made: list[Any] = []
    for value in values:
        if isinstance(value, Mapping):
            made.append(decode(value, MarkerSpec, f"{where}: markers"))
        elif isinstance(value, str | MarkerSpec) or str(getattr(value, "name", "")).startswith(PREFIX):
            made.append(value)
        else:
            raise DefinitionError(f"{where}: markers: {value!r} is neither a MarkerSpec nor a built-in marker's name")
    twice = repeated_name(marker_name(m) for m in made)
    if twice is not None:
        raise DefinitionError(f"{where}: two markers are named {twice!r}; rename one")
    return tuple(made)


def marker_name(marker: Any) -> str:
    """The name of a marker, however it is given."""
    return str(marker if isinstance(marker, str) else marker.name).removeprefix(PREFIX)


def scorers_of(metrics: Sequence[Metric], markers: Sequence[Any]) -> tuple[Any, ...]:
    """The scorers of a task, each once: those of its metrics, the primary one first, then its markers."""
    own = {m.scorer_name: m.scorer for m in metrics}
    return (*own.values(), *(m for m in markers if m.name not in own))


def resolve_markers(markers: Iterable[Any], base: str | None, lookup: ScorerLookup) -> tuple[Any, ...]:
    """The scorers of markers.

    Args:
        base: The folder in which the files of predicates lie.

    Raises:
        DefinitionError: A built-in name is unknown, or a predicate cannot be had.
    """
    made: list[Any] = []
    for one in markers:
        if isinstance(one, MarkerSpec):
            made.append(lookup(one.scorer, spec=one, base=base or ""))
        elif isinstance(one, str):
            made.append(lookup(PREFIX + marker_name(one)))
        else:
            made.append(one)
    return tuple(made)
