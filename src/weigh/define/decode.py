"""One way from plain values to configuration, with the same error text for the command line, TOML, YAML and Python.

A value from a file or from Python is checked as it is. A value from the command line is text: it is read as JSON where
it is JSON (`0.7`, `true`, `["a","b"]`), else it stays text. Then both take the same path.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from weigh.define.kinds import choices_in, entries, field_in, struct_in
from weigh.records.bounds import expected, field_types
from weigh.records.errors import DefinitionError, placed, suggest

T = TypeVar("T")


class RawText(str):
    """Text from a command line, not yet read as anything."""


def decode(value: Any, kind: type[T], where: str) -> T:
    """Convert a plain value to a struct (or any other type); unknown keys and wrong types are told with their place.

    Args:
        value: A mapping, or an instance of `kind`, which is returned as it is.
        kind: What to make of it.
        where: What is being read, for the error: `study.toml`, `-o`, `Harness(...)`.
    """
    _check_keys(value, kind, where)
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
                struct = struct_in(kind)
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
    except DefinitionError as error:  # what a struct says of itself does not know where it was written
        raise placed(error, f"{where}: {path}" if path else where) from None
    except msgspec.ValidationError as error:
        if isinstance(value, RawText):
            try:  # `name=123` for a field that holds text
                return msgspec.convert(str(value), kind)
            except msgspec.ValidationError:
                pass
        raise _wrong(error, value, kind, where, path) from None


def _wrong(error: msgspec.ValidationError, value: Any, kind: Any, where: str, path: str) -> DefinitionError:
    """What msgspec says of a value, with its place and in words."""
    reason, _, at = str(error).partition(" - at `")
    at = at.rstrip("`")
    of_key = at.startswith("key` in `")
    value, place = _plain(value), path
    for step, inner, wanted in _along(value, kind, at.rpartition("$")[2]):
        value, kind, place = inner, wanted, place + step
    place = place.lstrip(".")
    choices = choices_in(kind) if reason.startswith("Invalid enum value") else []
    if of_key and isinstance(value, Mapping):
        key = next((key for key in value if not isinstance(key, str)), None)
        told = f"key {key!r} is no text; write it in quotes"
    elif choices:
        *most, last = choices
        listed = f"{', '.join(most)} or {last}" if most else last
        told = f"expected {listed}, got {value!r}{suggest(str(value), choices)}"
    else:
        told = f"{expected(reason)}, got {value!r}"
    return DefinitionError(f"{where}: {place + ': ' if place else ''}{told}")


def _along(value: Any, kind: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The steps of a path such as `.limits.seconds`, `.tools[0]` or `.env[...]`, as far as it can be followed.

    Each with what stands there and its type. Where msgspec leaves a table's key out (`[...]`), it is that of the first
    entry that is wrong.
    """
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", path):
        if name:
            if not isinstance(value, Mapping) or name not in value:
                return
            step, value, kind = f".{name}", value[name], field_in(kind, name)
        else:
            held = list(entries(value, kind))
            near = [e for e in held if e[0] == f"[{index}]"] or [e for e in held if not _fits(e[1], e[2])]
            if not near:
                return
            step, value, kind = near[0]
        yield step, value, kind


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind, str_keys=True)
    except msgspec.ValidationError:
        return False
    return True


def _check_keys(value: Any, kind: Any, where: str, path: str = "") -> None:
    """Refuse keys a struct does not have, all the way down; msgspec alone would let them pass."""
    for step, inner, wanted in entries(value, kind):
        _check_keys(inner, wanted, where, path + step)
    struct = struct_in(kind)
    if struct is None or not isinstance(value, Mapping):
        return
    known = field_types(struct)
    for key, inner in value.items():
        if key not in known:
            place = f"{path}.{key}".lstrip(".")
            hint = suggest(str(key), known) or "; known: " + ", ".join(known)
            raise DefinitionError(f"{where}: {place + ': ' if path else ''}unknown key {key!r}{hint}")
        _check_keys(inner, known[key], where, f"{path}.{key}")
