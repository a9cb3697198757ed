"""Numbers on a command line, with their bounds; each is the `type` of an argument."""

from __future__ import annotations

import argparse
import math

from weigh.records.bounds import LAST_PORT


def positive(text: str) -> int:
    """Parse a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)


def natural(text: str) -> int:
    """Parse a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0")
    return int(text)


def above_zero(text: str) -> float:
    """Parse a number above 0."""
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def from_zero(text: str) -> float:
    """Parse a number from 0."""
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0")
    return value


def port(text: str) -> int:
    """Parse a port; 0 is any free one."""
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port (0 to {LAST_PORT})")
    return int(text)


def _number(text: str) -> float:
    """What the text says, infinity left out; no number where it says none."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
