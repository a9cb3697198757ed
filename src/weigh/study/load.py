"""An object of a user's Python file, `FILE.py:NAME`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weigh.define.own_file import last_line, run_file
from weigh.records.errors import DefinitionError, WeighError, suggest


def load_object(ref: str, base: Path, where: str) -> Any:
    """Import a file and give what it calls by that name; a relative file begins at `base`.

    Modules beside the file can be imported by it.

    Raises:
        DefinitionError: There is no such file or name, or the file raises while it is imported.
    """
    file, colon, name = ref.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise DefinitionError(f"{where}: {ref!r} is not FILE.py:NAME")
    path = (base / Path(file).expanduser()).resolve()
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise DefinitionError(f"{where}: {path} does not exist{suggest(path.name, near)}")
    held = run_file(path, where, f"weigh_study_{path.stem}")
    if name not in held:
        own = [n for n, value in held.items() if getattr(value, "__module__", None) == f"weigh_study_{path.stem}"]
        raise DefinitionError(f"{where}: {path} has no {name!r}{suggest(name, own)}")
    return held[name]


@contextmanager
def users_code(file: Path, what: str, *, direct: bool = False) -> Iterator[None]:
    """Tell what a user's code raises as a mistake in their file, with the line, and not as a bug in weigh.

    Args:
        what: What is called, for the error: `tier 'docs'`.
        direct: Nothing runs within but what they wrote. Else only what came through their file is theirs.

    Raises:
        DefinitionError: It raised something else than weigh's own errors.
    """
    try:
        yield
    except WeighError:
        raise
    except Exception as error:
        line = last_line(error, file)
        if line is None and not direct:
            raise
        place = f"{file}:{line}" if line else str(file)
        said = next(iter(str(error).splitlines()), "")
        told = f"{type(error).__name__}: {said}" if said else type(error).__name__
        raise DefinitionError(f"{what}: {place}: {told}; mend it there (--debug shows where it came from)") from error
