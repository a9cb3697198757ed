"""A Python file of the user's, run for what it defines."""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from weigh.records.errors import DefinitionError, WeighError, placed


def run_file(path: Path, where: str, name: str = "<run_path>") -> dict[str, Any]:
    """What a file defines, by name. Modules beside it can be imported by it.

    Args:
        where: What it is for, for the error: `marker 'cli': predicate`.
        name: The file's `__name__` while it runs.

    Raises:
        DefinitionError: It has a syntax error or raises while it runs: that is the file's mistake, with its line.
    """
    beside = str(path.resolve().parent)
    sys.path.insert(0, beside)
    try:
        return runpy.run_path(str(path), run_name=name)
    except WeighError as error:
        raise placed(error, f"{where}: {path}") from None
    except Exception as error:
        line = last_line(error, path)  # a syntax error has none here: it says it itself
        place = f"{path}, line {line}" if line else str(path)
        raise DefinitionError(f"{where}: {place}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(beside)


def last_line(error: BaseException, file: Path) -> int | None:
    """The last line of a file that led to an error; None where the file was not on the way."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == file]
    return lines[-1] if lines else None
