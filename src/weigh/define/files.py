"""Importing a file of tasks that is in no package, and saying in one line what is wrong with it when it cannot be."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from pathlib import Path

from weigh.define.own_file import last_line
from weigh.records.digest import digest, digest_bytes
from weigh.records.errors import DefinitionError, WeighError, suggest


def load_file(file: Path) -> None:
    """Import a Python file; modules beside it can be imported by it. Each call imports what the file says now.

    Raises:
        DefinitionError: It does not exist, has a syntax error, or raises while it is imported.
    """
    source = read_source(file)
    name = f"weigh_file_{digest([str(file), digest_bytes(source)], size=6)}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None:
        raise DefinitionError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(file.parent))
    linecache.checkcache(str(file))
    try:
        # Not by the loader: it may take bytecode of an older text of the same second and size.
        exec(compile(source, str(file), "exec"), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, WeighError):
            raise DefinitionError(f"{file}{_line(error, file)}: {error}") from error
        if isinstance(error, SyntaxError):
            raise DefinitionError(f"{error.filename}:{error.lineno}: {error.msg}") from error
        if isinstance(error, Exception | SystemExit):
            raise DefinitionError(f"{file}{_line(error, file)}: {type(error).__name__}: {error}") from error
        raise
    finally:
        sys.path.remove(str(file.parent))


def read_source(file: Path) -> bytes:
    """The file's text. Raises `DefinitionError` with the closest names when it is not there."""
    if not file.is_file():
        near = [p.name for p in file.parent.glob("*.py")] if file.parent.is_dir() else []
        raise DefinitionError(f"{file} does not exist{suggest(file.name, near)}")
    return file.read_bytes()


def _line(error: BaseException, file: Path) -> str:
    line = last_line(error, file)
    return f":{line}" if line else ""
