"""Questions to the person at the terminal; where there is none, the answer is no."""

from __future__ import annotations

import sys


def confirm(question: str) -> bool:
    """Ask a yes-or-no question. Nobody there to answer means no."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
