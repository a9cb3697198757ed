"""The examples of docs/statistics.md are run as printed, and its pictures exist."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_examples_print_what_they_say() -> None:
    result = doctest.testfile(str(DOCS / "statistics.md"), module_relative=False)
    assert result.attempted >= 8 and result.failed == 0


def test_every_picture_is_there() -> None:
    page = (DOCS / "statistics.md").read_text(encoding="utf-8")
    pictures = re.findall(r"\]\((images/[^)]+)\)", page)
    assert len(pictures) >= 9 and all((DOCS / name).is_file() for name in pictures)
