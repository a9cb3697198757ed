"""The table: the same rows as text, Markdown, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import sys

import pytest

from weigh.cli.table import Column, render
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
