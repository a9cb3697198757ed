"""One table, four ways to print it: aligned text, Markdown, JSON, CSV. The last two carry the raw numbers."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from weigh.cli.terminal import bold, clean, is_colour, terminal_width

Format = Literal["table", "md", "json", "csv"]
MISSING = "-"
WIDEST = 118
"""Columns that sentences take at most, and a table of many columns where it can go on below."""
LEAST = 12
"""Columns that a cut name keeps."""


def _text(value: Any) -> str:
    return str(value)


class Column(NamedTuple):
    """One column.

    Attributes:
        key: Where the row has the value; also its name in JSON and CSV.
        title: The heading in text and Markdown.
        show: Turns a value that is there into text; a missing one (None) is shown as `-`.
        right: Whether it is aligned to the right, as numbers are.
        spare: Whether it may be left out where a terminal has no room for it.
    """

    key: str
    title: str
    show: Callable[[Any], str] = _text
    right: bool = False
    spare: bool = False


def render(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], format: Format = "table") -> str:
    """The table as one string without a final line end.

    On a terminal that is too narrow, long names are cut in the middle, then spare columns are left out, which is said.
    """
    if format == "json":
        keys = [c.key for c in columns]
        return json.dumps([{k: row.get(k) for k in keys} for row in rows], indent=1, ensure_ascii=False, default=str)
    if format == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([c.key for c in columns])
        writer.writerows([["" if row.get(c.key) is None else row[c.key] for c in columns] for row in rows])
        return out.getvalue().rstrip("\n")
    cells = [[_cell(c, row.get(c.key)) for c in columns] for row in rows]
    if format == "md":
        lines = [[c.title for c in columns], ["---:" if c.right else "---" for c in columns]]
        lines += [[cell.replace("|", "\\|") for cell in line] for line in cells]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    room = terminal_width()
    return _aligned(columns, cells) if room is None else _fitted(columns, cells, room)


def render_below(
    first: Sequence[Column],
    groups: Sequence[Sequence[Column]],
    rows: Sequence[Mapping[str, Any]],
    format: Format = "table",
) -> str:
    """The table, its columns in several tables below each other where they have no room.

    Args:
        first: Begin each of them.
        groups: What belongs together, and is parted only where it alone has no room.
    """
    if format != "table":
        return render([*first, *(column for group in groups for column in group)], rows, format)
    most = min(WIDEST, terminal_width() or WIDEST)

    def size(column: Column) -> int:
        return 2 + max([width(column.title), *(width(_cell(column, row.get(column.key))) for row in rows)])

    # Long names are cut in a terminal; what they name needs room too.
    room = max(most + 2 - sum(map(size, first)), most // 2)
    parts: list[list[Column]] = [[]]
    left = room
    for group in groups:
        if sum(map(size, group)) > left:
            left = 0
        for column in group:
            if size(column) > left and parts[-1]:
                parts.append([])
            if not parts[-1]:
                left = room
            parts[-1].append(column)
            left -= size(column)
    return "\n\n".join(render([*first, *part], rows, format) for part in parts)


def _fitted(columns: Sequence[Column], cells: list[list[str]], room: int) -> str:
    """The table within so many columns of a terminal, as far as it can be."""
    left_out: list[str] = []
    while True:
        sizes = [max([width(c.title), *(width(line[i]) for line in cells)]) for i, c in enumerate(columns)]
        over = sum(sizes) + 2 * (len(sizes) - 1) - room
        give = [
            0 if c.right else max(0, size - max(LEAST, width(c.title))) for c, size in zip(columns, sizes, strict=True)
        ]
        spare = [i for i, c in enumerate(columns) if c.spare]
        if over <= sum(give) or not spare:
            break
        gone = spare[-1]
        left_out.insert(0, columns[gone].title)
        columns = [c for i, c in enumerate(columns) if i != gone]
        cells = [[cell for i, cell in enumerate(line) if i != gone] for line in cells]
    while over > 0 and any(give):
        longest = max(range(len(give)), key=lambda i: sizes[i] if give[i] else 0)
        sizes[longest], give[longest], over = sizes[longest] - 1, give[longest] - 1, over - 1
    cells = [[shortened(cell, size) for cell, size in zip(line, sizes, strict=True)] for line in cells]
    text = _aligned(columns, cells)
    note = f"left out, since the terminal is {room} columns wide: {', '.join(left_out)}"
    return f"{text}\n{note}" if left_out else text


def shortened(text: str, most: int) -> str:
    """A text in so many columns, its middle left out."""
    if width(text) <= most:
        return text
    front = most // 2
    return text[:front] + "…" + text[len(text) - (most - 1 - front) :]


def _cell(column: Column, value: Any) -> str:
    return MISSING if value is None else clean(" ".join(column.show(value).split())) or MISSING


def _aligned(columns: Sequence[Column], cells: list[list[str]]) -> str:
    widths = [max([width(c.title), *(width(line[i]) for line in cells)]) for i, c in enumerate(columns)]

    def join(texts: Sequence[str]) -> str:
        parts = []
        for text, size, column in zip(texts, widths, columns, strict=True):
            space = " " * (size - width(text))
            parts.append(space + text if column.right else text + space)
        return "  ".join(parts).rstrip()

    head = join([c.title for c in columns])
    return "\n".join([bold(head) if is_colour() else head, *(join(line) for line in cells)])


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
