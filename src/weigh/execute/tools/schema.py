"""From a typed function to what a model is told and back to arguments: one place for schema and implementation.

The signature becomes a struct (types, defaults, `Literal`, nested dataclasses, TypedDicts and structs), the struct
a JSON schema with nothing left to look up, and the same struct checks what a model passes.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from weigh.records.errors import DefinitionError, suggest

CONTEXT = "context"
"""A parameter of this name is not shown to the model; it is given the `ToolContext`."""

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):\s*$")
_PARAMETER = re.compile(r"^(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


class ArgumentError(Exception):
    """What a model passed does not fit; the text tells it why."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a function takes.

    Attributes:
        struct: Its parameters as a struct; None for a tool whose schema comes from elsewhere.
        description: The docstring without its sections.
        parameters: JSON schema of an object.
        wants_context: Whether it takes the `ToolContext`.
    """

    struct: type[msgspec.Struct] | None
    description: str
    parameters: dict[str, Any]
    wants_context: bool


def signature_of(function: Callable[..., Any]) -> Signature:
    """Read a function's signature and docstring.

    Raises:
        DefinitionError: A parameter has no type, or one of which no schema can be made.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DefinitionError(f"tool {name!r}: {error}; its types must be importable where it is defined") from None
    description, told = read_docstring(inspect.getdoc(function) or "")
    fields: list[Any] = []
    wants_context = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == CONTEXT:
            wants_context = True
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise DefinitionError(f"tool {name!r}: parameter {parameter.name!r} cannot be passed by name")
        if parameter.name not in hints:
            raise DefinitionError(f"tool {name!r}: parameter {parameter.name!r} has no type")
        kind = hints[parameter.name]
        if parameter.name in told:
            kind = typing.Annotated[kind, msgspec.Meta(description=told[parameter.name])]
        default = parameter.default
        if default is parameter.empty:
            fields.append((parameter.name, kind))
        elif isinstance(default, list | dict | set):
            fields.append((parameter.name, kind, msgspec.field(default_factory=default.copy)))
        else:
            fields.append((parameter.name, kind, default))
    try:
        struct = msgspec.defstruct(f"{name}_arguments", fields, kw_only=True, forbid_unknown_fields=True)
        schema = schema_of(struct)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"tool {name!r}: no schema can be made of its parameters: {error}") from None
    return Signature(struct=struct, description=description, parameters=schema, wants_context=wants_context)


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type with every reference put in its place (a type that holds itself keeps them)."""
    (top,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    schema: dict[str, Any]
    try:
        schema = _inlined(top, parts, ())
    except RecursionError:
        name = top["$ref"].rsplit("/", 1)[-1]
        schema = {**parts[name], "$defs": parts}
    schema.pop("title", None)
    schema.setdefault("properties", {})
    schema.setdefault("required", [])
    schema["additionalProperties"] = False
    return schema


def _inlined(schema: Any, parts: Mapping[str, Any], above: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, parts, above) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        name = reference.rsplit("/", 1)[-1]
        if name in above:
            raise RecursionError
        rest = {k: v for k, v in schema.items() if k != "$ref"}
        inner = {**_inlined(parts[name], parts, (*above, name)), **rest}
        inner.pop("title", None)
        return inner
    return {key: _inlined(value, parts, above) for key, value in schema.items()}


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description, and what its `Args:` section says of each parameter."""
    said: list[str] = []
    told: dict[str, str] = {}
    section, name = "", ""
    for line in text.splitlines():
        heading = _SECTION.match(line)
        if heading:
            section, name = heading.group(1), ""
        elif not section:
            said.append(line)
        elif section in ("Args", "Arguments", "Parameters") and line.strip():
            entry = _PARAMETER.match(line.strip())
            if entry and (not name or len(line) - len(line.lstrip()) <= 4):
                name = entry.group(1)
                told[name] = entry.group(2).strip()
            elif name:
                told[name] = f"{told[name]} {line.strip()}".strip()
    return re.sub(r"(?<!\n)\n(?!\n)", " ", "\n".join(said).strip()), told


def convert(struct: type[msgspec.Struct], arguments: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Check arguments against a function's parameters. Returns them converted, and whether they had to be repaired
    (a number written as text and the like).

    Raises:
        ArgumentError: They do not fit; says so in words for the model.
    """
    known = [f.name for f in msgspec.structs.fields(struct)]
    for key in arguments:
        if key not in known:
            takes = ", ".join(known) or "nothing"
            raise ArgumentError(f"there is no parameter {key!r}{suggest(key, known)} (it takes {takes})")
    for lax in (False, True):
        try:
            value = msgspec.convert(dict(arguments), struct, strict=not lax)
        except msgspec.ValidationError as error:
            reason = str(error)
            continue
        return {name: getattr(value, name) for name in known}, lax
    raise ArgumentError(reason.replace("$.", "").replace("Object missing required field", "missing parameter"))
