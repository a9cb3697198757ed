"""What the terminal can do, and the few words in which numbers are shown everywhere.

What a model, a data set or a server says may hold codes that a terminal obeys. None gets there: everything on stdout
passes `guarded`, which lets through the styles of this module only and makes the rest visible.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

_OURS = secrets.token_hex(6)
"""Stands in our own codes until they are printed; nobody else can know it."""
# Control characters but for tab and line end; the second set of them; what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_STYLE = re.compile(f"\x1b{_OURS}(\\[[0-9;]*m)")


def is_colour() -> bool:
    """Whether stdout takes colour: a terminal, and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_live() -> bool:
    """Whether stderr can be redrawn in place."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int | None:
    """How wide stdout is; None where it is no terminal, and has no width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def style(code: int) -> str:
    """A code of ours: 0 ends, 1 is bold, 31 red, 32 green. Only for text that goes to stdout."""
    return f"\x1b{_OURS}[{code}m"


def bold(text: str) -> str:
    """The text in bold."""
    return f"{style(1)}{text}{style(0)}"


def clean(text: str) -> str:
    """The text with everything visible that a terminal would obey: an escape becomes `␛`, others `\\u009b`."""
    return _CONTROL.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else f"\\u{code:04x}"


class Guarded:
    """A stream that cleans what is written, and lets the codes of `style` through."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; returns its length."""
        parts = _STYLE.split(text)
        self._stream.write("".join(f"\x1b{part}" if i % 2 else clean(part) for i, part in enumerate(parts)))
        return len(text)


@contextmanager
def guarded() -> Iterator[None]:
    """Everything printed to stdout in this context is cleaned."""
    with redirect_stdout(Guarded(sys.stdout)):
        yield


def say(text: str = "") -> None:
    """A line about what goes on; on stderr, so that stdout carries results only."""
    print(clean(text), file=sys.stderr, flush=True)


def filled(text: str) -> str:
    """A message broken between words where stderr is a terminal; its own line ends stay."""
    if not sys.stderr.isatty():
        return text
    size = max(40, shutil.get_terminal_size().columns - 1)
    wrap = textwrap.TextWrapper(size, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrap.fill(line) if len(line) > size else line for line in text.split("\n"))


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
