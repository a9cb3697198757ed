"""One way from plain values to configuration, with the same error text for the command line, TOML, YAML and Python.

A value from a file or from Python is checked as it is. A value from the command line is text: it is read as JSON where
it is JSON (`0.7`, `true`, `["a","b"]`), else it stays text. Then both take the same path.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from weigh.records.errors import DefinitionError, suggest

T = TypeVar("T")


class RawText(str):
    """Text from a command line, not yet read as anything."""


@cache
def field_types(cls: Any) -> dict[str, Any]:
    """The fields of a struct with their types, inherited ones included."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(cls)}


def decode(value: Any, kind: type[T], where: str) -> T:
    """Convert a plain value to a struct (or any other type); unknown keys and wrong types are told with their place.

    Args:
        value: A mapping, or an instance of `kind`, which is returned as it is.
        kind: What to make of it.
        where: What is being read, for the error: `study.toml`, `-o`, `Harness(...)`.
    """
    _check_keys(value, kind, where, "")
    return typing.cast(T, _convert(value, kind, where, ""))


def replace(value: T, changes: Mapping[str, Any], where: str) -> T:
    """A copy of a frozen struct with some fields changed; a key may be a path: `sampling_params.temperature`."""
    for path, new in changes.items():
        value = _replace_one(value, path.split("."), new, where, path)
    return value


def read_text(text: str) -> Any:
    """Read a value written on a command line: JSON where it is JSON, else the text itself."""
    try:
        return msgspec.json.decode(str.__str__(text))
    except msgspec.DecodeError:
        return {"True": True, "False": False, "None": None}.get(text, str(text))


def _replace_one(value: Any, keys: list[str], new: Any, where: str, path: str) -> Any:
    key, rest = keys[0], keys[1:]
    if isinstance(value, msgspec.Struct):
        known = field_types(value.__class__)
        if key not in known:
            raise DefinitionError(f"{where}: {_unknown(path, key, value)}")
        current, kind = getattr(value, key), known[key]
        if rest:
            if current is None:
                struct = _struct_in(kind)
                nested = {".".join(rest): _plain(new)}
                replaced = decode(nested, struct, where) if struct and len(rest) == 1 else None
                if replaced is None:
                    raise DefinitionError(f"{where}: {path}: {key} is not set, so nothing in it can be changed")
            else:
                replaced = _replace_one(current, rest, new, where, path)
        else:
            replaced = _convert(new, kind, where, path)
        return msgspec.structs.replace(value, **{key: replaced})
    if isinstance(value, Mapping):
        if rest:
            return {**value, key: _replace_one(value.get(key, {}), rest, new, where, path)}
        return {**value, key: _plain(new)}
    raise DefinitionError(f"{where}: {path}: {type(value).__name__} has no field {key!r}")


def _unknown(path: str, key: str, value: Any) -> str:
    """Say that a key is unknown, with the closest names, also those one level down (`temperature`)."""
    known = field_types(value.__class__)
    names = list(known)
    for name in known:
        inner = getattr(value, name)
        if isinstance(inner, msgspec.Struct):
            names += [f"{name}.{field}" for field in field_types(type(inner)) if field == key]
    exact = [name for name in names if name.endswith("." + key)]
    hint = f"; did you mean {exact[0]!r}?" if exact else suggest(key, names)
    shown = f"{path}: " if path != key else ""
    return f"{shown}unknown key {key!r}{hint or '; known: ' + ', '.join(known)}"


def _plain(value: Any) -> Any:
    return read_text(value) if isinstance(value, RawText) else value


def _convert(value: Any, kind: Any, where: str, path: str) -> Any:
    if kind is Any:
        return _plain(value)
    if isinstance(kind, type) and isinstance(value, kind) and not isinstance(value, RawText):
        return value
    try:
        return msgspec.convert(_plain(value), kind, str_keys=True)
    except msgspec.ValidationError as error:
        if isinstance(value, RawText):
            try:  # `name=123` for a field that holds text
                return msgspec.convert(str(value), kind)
            except msgspec.ValidationError:
                pass
        reason, _, at = str(error).partition(" - at `$")
        at = at.rstrip("`")
        place = (path + at).lstrip(".")
        got = _at(value, at)
        choices = _choices(kind, at) if reason.startswith("Invalid enum value") else []
        if choices:
            *most, last = choices
            listed = f"{', '.join(most)} or {last}" if most else last
            expected = f"expected {listed}, got {got!r}{suggest(str(got), choices)}"
        else:
            expected = f"{_reason(reason)}, got {got!r}"
        raise DefinitionError(f"{where}: {place + ': ' if place else ''}{expected}") from None


def _at(value: Any, path: str) -> Any:
    """What stands at a path such as `.limits.seconds` or `.tools[0]`, as far as it can be followed."""
    for key, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif index and isinstance(value, list | tuple) and int(index) < len(value):
            value = value[int(index)]
        else:
            break
    return str(value) if isinstance(value, RawText) else value


def _choices(kind: Any, path: str) -> list[str]:
    """The values that are allowed at a path such as `.sandbox`, where its type lists them; else none."""
    for key in re.findall(r"\.([^.\[]+)", path):
        struct = _struct_in(kind)
        if struct is None or key not in field_types(struct):
            return []
        kind = field_types(struct)[key]
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) or typing.get_origin(kind) else (kind,)
    found = [options] if typing.get_origin(kind) is typing.Literal else []
    found += [typing.get_args(option) for option in options if typing.get_origin(option) is typing.Literal]
    return [str(value) for values in found for value in values]


def _reason(text: str) -> str:
    """`Expected `float`, got `str`` becomes `expected float`."""
    expected = text.split(", got")[0].replace("`", "")
    return expected[:1].lower() + expected[1:]


def _struct_in(kind: Any) -> Any:
    """The struct a type holds, e.g. of `DataSource | None`; None when there is none."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) or typing.get_origin(kind) else (kind,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, msgspec.Struct)), None)


def _check_keys(value: Any, kind: Any, where: str, path: str) -> None:
    """Refuse keys a struct does not have, all the way down; msgspec alone would name only the first, without a hint."""
    if typing.get_origin(kind) is dict:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                _check_keys(inner, typing.get_args(kind)[1], where, f"{path}.{key}")
        return
    struct = _struct_in(kind)
    if struct is None or not isinstance(value, Mapping):
        return
    known = field_types(struct)
    for key, inner in value.items():
        if key not in known:
            place = f"{path}.{key}".lstrip(".")
            hint = suggest(str(key), known) or "; known: " + ", ".join(known)
            raise DefinitionError(f"{where}: {place + ': ' if path else ''}unknown key {key!r}{hint}")
        _check_keys(inner, known[key], where, f"{path}.{key}")
