"""Reading a configuration file: TOML, YAML or JSON, told from its name, into plain values.

A key that stands twice in one table is refused in all three, since only one of the two could count.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weigh.define.yaml_text import read_yaml
from weigh.records.errors import DefinitionError, suggest
from weigh.records.names import repeated_name


def read_config(file: Path) -> dict[str, Any]:
    """Read a table of plain values.

    Raises:
        DefinitionError: As `read_values`, or it holds something else.
    """
    value = read_values(file)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DefinitionError(f"{file}: expected keys with values, got {type(value).__name__}")
    return value


def read_values(file: Path) -> Any:
    """Read whatever a file holds: a table, a list, a single value; None where it is empty.

    Raises:
        DefinitionError: The file is not there or no text, has no known ending, a syntax error or a key twice (with its
            line).
    """
    if not file.is_file():
        near = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        raise DefinitionError(f"{file} does not exist{suggest(file.name, near)}")
    read = _READ.get(file.suffix)
    if read is None:
        raise DefinitionError(f"{file}: a configuration file ends in .toml, .yaml or .json")
    try:
        return read(file.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DefinitionError(f"{file}: it is not UTF-8 text (line {line}); save it as UTF-8") from None
    except OSError as error:
        raise DefinitionError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:  # whichever of the three it is, a syntax error is one
        raise DefinitionError(f"{file}: {error}") from None


def _json(text: str) -> Any:
    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = repeated_name(key for key, _ in pairs)
        if twice is not None:
            found = re.finditer(rf"{re.escape(json.dumps(twice, ensure_ascii=False))}\s*:", text)
            lines = ", ".join(dict.fromkeys(str(text.count("\n", 0, match.start()) + 1) for match in found))
            raise ValueError(f"key {twice!r} is there twice{f' (lines {lines})' if lines else ''}; keep one")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=table)


_READ: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": read_yaml,
    ".yml": read_yaml,
    ".json": _json,
}
"""How each kind of file is read; what is no such file raises a `ValueError`."""
