"""Reading a configuration file: TOML, YAML or JSON, told from its name, into plain values."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from weigh.records.errors import DefinitionError, suggest


def read_config(file: Path) -> dict[str, Any]:
    """Read a table of plain values.

    Raises:
        DefinitionError: The file is not there, has no known ending, or a syntax error (with its line).
    """
    if not file.is_file():
        near = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        raise DefinitionError(f"{file} does not exist{suggest(file.name, near)}")
    text = file.read_text(encoding="utf-8")
    try:
        if file.suffix == ".toml":
            value: Any = tomllib.loads(text)
        elif file.suffix in (".yaml", ".yml"):
            value = _yaml(text)
        elif file.suffix == ".json":
            value = msgspec.json.decode(text)
        else:
            raise DefinitionError(f"{file}: a configuration file ends in .toml, .yaml or .json")
    except (tomllib.TOMLDecodeError, msgspec.DecodeError) as error:
        raise DefinitionError(f"{file}: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DefinitionError(f"{file}: expected keys with values, got {type(value).__name__}")
    return value


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise msgspec.DecodeError(f"{getattr(error, 'problem', None) or error}{line}") from None
