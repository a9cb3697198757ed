"""Writing a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weigh.cli.flags import UsageError
from weigh.cli.terminal import say
from weigh.report.paper import render


def write_picture(spec: dict[str, Any], target: str, scale: float = 2.0) -> None:
    """Draw a specification into a file, whose ending says how, and say so."""
    data = render(spec, Path(target).suffix, scale=scale)
    try:
        Path(target).write_bytes(data)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    say(f"written to {target}")
