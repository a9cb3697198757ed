"""What the terminal can do, and the few words in which numbers are shown everywhere."""

from __future__ import annotations

import os
import sys
import time


def is_colour() -> bool:
    """Whether stdout takes colour: a terminal, and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_live() -> bool:
    """Whether stderr can be redrawn in place."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def bold(text: str) -> str:
    """The text in bold."""
    return f"\x1b[1m{text}\x1b[0m"


def say(text: str = "") -> None:
    """A line about what goes on; on stderr, so that stdout carries results only."""
    print(text, file=sys.stderr, flush=True)


def count(number: float) -> str:
    """A count, short: 950, 12.3k, 4.1M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= limit:
            scale = {"G": 1e9, "M": 1e6, "k": 1e3}[unit]
            return f"{number / scale:.1f}{unit}"
    return f"{number:.0f}"


def seconds(value: float) -> str:
    """A duration: 0.12 s, 8.5 s, 2m 05s, 3h 07m."""
    if value < 1:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def dollars(value: float) -> str:
    """An amount of US dollars."""
    return f"${value:.4f}" if value < 0.1 else f"${value:.2f}"


def size(value: float) -> str:
    """A number of bytes: 98.4 MB."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}"
    return f"{value:.0f} B"


def when(unix: float) -> str:
    """A moment in local time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix))
