"""The table: the same rows as text, Markdown, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import sys
from itertools import pairwise

import pytest

from weigh.cli.table import Column, render, render_below
from weigh.cli.terminal import count, seconds

COLUMNS = [Column("task", "task"), Column("score", "score", lambda v: f"{100 * v:.1f}", right=True)]
ROWS = [{"task": "sciq", "score": 0.5}, {"task": "数学|b", "score": None}]


def test_text_is_aligned_and_missing_is_a_dash() -> None:
    assert render(COLUMNS, ROWS).splitlines() == ["task    score", "sciq     50.0", "数学|b      -"]


def test_markdown_escapes_bars() -> None:
    assert render(COLUMNS, ROWS, "md").splitlines()[-1] == "| 数学\\|b | - |"


def test_json_and_csv_carry_raw_values() -> None:
    assert json.loads(render(COLUMNS, ROWS, "json")) == ROWS
    assert list(csv.DictReader(io.StringIO(render(COLUMNS, ROWS, "csv")))) == [
        {"task": "sciq", "score": "0.5"},
        {"task": "数学|b", "score": ""},
    ]


def test_short_numbers() -> None:
    assert [count(n) for n in (0, 950, 12_340, 4_100_000)] == ["0", "950", "12.3k", "4.1M"]
    assert [seconds(s) for s in (0.123, 8.46, 125, 11_220)] == ["0.12 s", "8.5 s", "2m 05s", "3h 07m"]


def test_columns_without_room_go_on_below(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [Column("task", "task")]
    columns = [Column(str(i), f"measure {i}", right=True) for i in range(8)]
    rows = [{"task": "a_task", **{str(i): "12.3 [10.1-15.2]" for i in range(8)}}]

    def heads(*sizes: int) -> list[int]:
        """How many measures each table has, of groups of so many columns."""
        ends = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        groups = [columns[a:b] for a, b in pairwise(ends)]
        lines = render_below(first, groups, rows).splitlines()
        assert max(map(len, lines)) <= 118
        return [line.count("measure") for line in lines if line.startswith("task")]

    assert heads(*[1] * 8) == heads(8) == heads(0, 8, 0) == [6, 2]
    assert (heads(5, 3), heads(2, 4, 2), heads(1, 7)) == ([5, 3], [6, 2], [1, 6, 1])
    assert len(render_below(first, [columns], rows, "md").splitlines()) == 3
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    rows[0]["task"] = "a_task_with_a_name_that_alone_would_take_nearly_all_of_the_terminal"
    lines = render_below(first, [columns], rows).splitlines()
    assert (len(lines), max(map(len, lines)) <= 80) == (11, True)
    assert all(f"measure {i}" in "".join(lines) for i in range(8))


def test_a_narrow_terminal_cuts_names_and_leaves_spare_columns_out(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [Column("task", "task"), Column("score", "score", right=True), Column("spare", "seconds", spare=True)]
    rows = [{"task": "a_task_with_a_rather_long_name", "score": "12.3 ± 4.5 %", "spare": "1.0 s"}]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")

    def shown(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        return render(columns, rows).splitlines()

    assert shown(200)[1] == "a_task_with_a_rather_long_name  12.3 ± 4.5 %  1.0 s"
    assert shown(45)[1] == "a_task_with…_long_name  12.3 ± 4.5 %  1.0 s" and len(shown(45)[1]) <= 45
    assert shown(30)[1:] == [
        "a_task_w…ng_name  12.3 ± 4.5 %", "left out, since the terminal is 30 columns wide: seconds"
    ]  # fmt: skip
    assert shown(5)[1].startswith("a_task…_name"), "no less than this"
