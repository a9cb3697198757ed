"""Specs: how tasks and models are written on one line.

A task is `task[:variant]*[::key=value,...]`, where the task may be a name of a file's own, `./file.py:task`; a model is
`provider/name[::key=value,...]`. Parsing says nothing about whether the names exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from weigh.define.decode import RawText, read_text
from weigh.records.errors import DefinitionError

DEFAULT_PROVIDER = "llamacpp"
"""What a model without a provider in front runs on: the embedded one."""

_FILE = re.compile(r"^(?P<file>.+?\.py)(?::(?P<rest>.*))?$", re.DOTALL)


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it was written.

    Attributes:
        name: The task's or the suite's name or a glob; empty for "all that the file registers".
        variants: In the order they are applied.
        overrides: Keys of the task's configuration with their values as text.
        file: The Python file that registers it, for `./file.py:name`.
    """

    name: str
    variants: tuple[str, ...] = ()
    overrides: dict[str, str] = {}
    file: str | None = None

    @property
    def variant(self) -> str:
        """What follows the name, as `Trial.variant` holds it: `mc:3shot`, `mc::num_fewshot=2`, `::limit=3`."""
        text = ":".join(self.variants)
        if self.overrides:
            text += "::" + ",".join(f"{key}={value}" for key, value in self.overrides.items())
        return text


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model as it was written.

    Attributes:
        text: The whole as written, options included.
        provider: Where tokens come from.
        name: The model's name there, a path or an URL.
        options: For the provider: `base_url`, `slots`, `dtype`, ...
        checkpoint: A name for these weights (`step4000`), where the model is one of several checkpoints.
        step: The training step of the checkpoint; the axis that trends go along.
        size: Number of parameters, where one wants to compare along it.
        label: A short name for tables instead of the model's own.
    """

    text: str
    provider: str
    name: str
    options: dict[str, Any] = {}
    checkpoint: str | None = None
    step: int | float | None = None
    size: int | float | None = None
    label: str | None = None


def split_list(text: str) -> list[str]:
    """Split a comma list of specs; commas between a spec's own overrides, in brackets or in quotes do not split it."""
    specs: list[str] = []
    for piece in _split_commas(text):
        head = piece.split("=", 1)[0]
        if specs and "::" in specs[-1] and "=" in piece and "::" not in head:
            specs[-1] += "," + piece
        else:
            specs.append(piece)
    return [spec.strip() for spec in specs if spec.strip()]


def parse_task(text: str) -> TaskSpec:
    """Take a task's spec apart.

    Raises:
        DefinitionError: An override without `=`, or an empty name or variant.
    """
    head, double, tail = text.strip().partition("::")
    overrides = parse_options(tail, text) if double else {}
    file = None
    match = _FILE.match(head)
    if match:
        file, head = match["file"], match["rest"] or ""
    name, *variants = head.split(":")
    if (not name and file is None) or any(not v for v in variants) or (not name and variants):
        raise DefinitionError(f"task {text!r}: an empty name; write task:variant::key=value, e.g. arc_easy:mc:3shot")
    return TaskSpec(name=name, variants=tuple(variants), overrides=overrides, file=file)


def parse_model(text: str) -> ModelSpec:
    """Take a model's spec apart; `step`, `checkpoint`, `size` and `label` are the model's own, the rest the provider's.

    Raises:
        DefinitionError: An override without `=`, or no name.
    """
    head, double, tail = text.strip().partition("::")
    options = {key: read_text(value) for key, value in (parse_options(tail, text) if double else {}).items()}
    provider, slash, name = head.partition("/")
    if not slash or provider in ("", ".", "..", "~") or provider.endswith(":"):  # a known model, a path, an URL
        provider, name = DEFAULT_PROVIDER, head
    if not name:
        raise DefinitionError(f"model {text!r}: no name; write provider/name, e.g. openai/gpt-oss-20b or scripted/echo")
    own: dict[str, Any] = {}
    for key in ("step", "size"):
        if key in options:
            own[key] = options.pop(key)
            if isinstance(own[key], bool) or not isinstance(own[key], int | float):
                raise DefinitionError(f"model {text!r}: {key}: expected a number, got {own[key]!r}")
    if "size" in own and not own["size"] > 0:
        raise DefinitionError(f"model {text!r}: size: expected a number above 0, got {own['size']!r}")
    for key in ("checkpoint", "label"):
        if key in options:
            own[key] = str(options.pop(key))
    return ModelSpec(text=text.strip(), provider=provider, name=name, options=options, **own)


def parse_options(text: str, where: str) -> dict[str, str]:
    """Parse `key=value,key=value` (values are kept as text); a value with commas is written as JSON or in quotes."""
    options: dict[str, str] = {}
    for piece in _split_commas(text):
        key, equals, value = piece.partition("=")
        if not equals or not key.strip():
            raise DefinitionError(f"{where!r}: {piece!r} after '::' is not key=value")
        options[key.strip()] = RawText(value.strip())
    return options


def join_options(options: dict[str, Any]) -> str:
    """Write options so that `parse_options` reads them back."""
    return ",".join(f"{k}={v if isinstance(v, str) else msgspec.json.encode(v).decode()}" for k, v in options.items())


def split_all(specs: Iterable[str]) -> list[str]:
    """All specs of several comma lists."""
    return [spec for text in specs for spec in split_list(text)]


def _split_commas(text: str) -> Iterator[str]:
    """Split at commas outside brackets and double quotes."""
    depth, quoted, start = 0, False, 0
    for index, char in enumerate(text):
        if char == '"' and (index == 0 or text[index - 1] != "\\"):
            quoted = not quoted
        elif quoted:
            continue
        elif char in "[{(":
            depth += 1
        elif char in "]})":
            depth = max(0, depth - 1)
        elif char == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    yield text[start:]
