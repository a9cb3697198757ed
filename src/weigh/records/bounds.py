"""Numbers with a bound, checked alike wherever they come from: a file, the command line or Python.

A field says its bound in its type (`turns: Count | None`). What is decoded is checked by msgspec, which names the
place; a struct made in Python checks itself with `check_bounds` in its `__post_init__`.
"""

from __future__ import annotations

import typing
from functools import cache
from typing import Annotated, Any

import msgspec

from weigh.records.errors import DefinitionError

Count = Annotated[int, msgspec.Meta(ge=1)]
"""A whole number from 1."""

Whole = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number from 0."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
"""A number above 0."""

Amount = Annotated[float, msgspec.Meta(ge=0)]
"""A number from 0."""

LAST_PORT = 65_535

Port = Annotated[int, msgspec.Meta(ge=0, le=LAST_PORT)]
"""A port; 0 is any free one."""


@cache
def field_types(cls: Any) -> dict[str, Any]:
    """The fields of a struct with their types, inherited ones included, and with their bounds."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(cls)}


def check_bounds(struct: msgspec.Struct) -> None:
    """Refuse a struct of which a number is out of its bounds.

    Raises:
        DefinitionError: With the struct's name, the field and what it has to be.
    """
    for name, kind in _bounded(type(struct)).items():
        check_bound(getattr(struct, name), kind, f"{type(struct).__name__}: {name}")


def check_bound(value: Any, kind: Any, where: str) -> None:
    """Refuse a number out of its bounds.

    Args:
        kind: `Count`, `Positive | None`, ...
        where: What it is, for the error: `Limits: turns`.

    Raises:
        DefinitionError: It is no such number.
    """
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise DefinitionError(f"{where}: {expected(str(error))}, got {value!r}") from None


def expected(told: str) -> str:
    """What msgspec says of a wrong value, in words: `Expected `int` >= 1` becomes `expected a whole number from 1`."""
    text = told.split(", got")[0].replace("`", "")
    return _WORDS.get(text, text[:1].lower() + text[1:])


_WORDS = {
    "Expected int >= 1": "expected a whole number from 1",
    "Expected int >= 0": "expected a whole number from 0",
    "Expected float > 0.0": "expected a number above 0",
    "Expected float >= 0.0": "expected a number from 0",
    f"Expected int <= {LAST_PORT}": f"expected a port (0 to {LAST_PORT})",
}


@cache
def _bounded(cls: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: kind for name, kind in field_types(cls).items() if _has_bound(kind)}


def _has_bound(kind: Any) -> bool:
    return typing.get_origin(kind) is Annotated or any(_has_bound(inner) for inner in typing.get_args(kind))
