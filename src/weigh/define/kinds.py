"""Finding one's way in types: which struct, list or table a type allows, and what stands at a place in it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from weigh.records.bounds import field_types

_LISTS = (list, tuple, set, frozenset)


@cache
def options(kind: Any) -> tuple[Any, ...]:
    """The types that a union allows; any other type is its own only option. What is said of a type (`Annotated`) is
    left out."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return tuple(inner for option in typing.get_args(kind) for inner in options(option))
    if typing.get_origin(kind) is typing.Annotated:
        return options(typing.get_args(kind)[0])
    return (kind,)


def struct_in(kind: Any) -> Any:
    """The struct a type holds, e.g. of `DataSource | None`; None when there is none."""
    return next((o for o in options(kind) if isinstance(o, type) and issubclass(o, msgspec.Struct)), None)


def choices_in(kind: Any) -> list[str]:
    """The values that a type lists; none where it lists none."""
    literals = [option for option in options(kind) if typing.get_origin(option) is typing.Literal]
    return [str(value) for literal in literals for value in typing.get_args(literal)]


def entries(value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """What a list or a table holds: its place in it (`[0]`, `.name`), the value, and the type it should be of.

    Nothing of a struct, whose fields are not entries, and nothing where the type does not say.
    """
    for option in options(kind):
        inner = typing.get_args(option)
        if typing.get_origin(option) is dict and isinstance(value, Mapping):
            yield from ((f".{key}", item, inner[1]) for key, item in value.items())
        elif typing.get_origin(option) in _LISTS and isinstance(value, list | tuple):
            alike = typing.get_origin(option) is not tuple or inner[1:] == (...,)
            own = (inner[0] for _ in value) if alike else iter(inner)
            # A tuple of another length than it should have is told when it is converted.
            yield from ((f"[{i}]", item, kind) for i, (item, kind) in enumerate(zip(value, own, strict=False)))


def field_in(kind: Any, name: str) -> Any:
    """The type of a field of the struct that a type holds; `Any` where there is none."""
    struct = struct_in(kind)
    return field_types(struct).get(name, Any) if struct is not None else Any
