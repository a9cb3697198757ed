"""`weigh ls harnesses` and `weigh show harness`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weigh.cli.main import main


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "harnesses"]) == 0
    out = capsys.readouterr().out
    assert "search_agent" in out and "bash, read, write, edit, submit" in out


def test_a_harness_is_shown_with_its_tools_and_its_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "harness", "search_agent"]) == 1
    out = capsys.readouterr().out
    assert "query: string  A few words." in out and "tool_options.search.endpoint" in out
    endpoint = "tool_options.search.endpoint=https://search.example/search"
    assert main(["show", "harness", "search_agent", "-o", endpoint, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["problems"] == [] and [t["name"] for t in shown["offered"]] == ["search", "fetch"]


def test_a_file_is_shown_and_secrets_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text('extends = "tools"\ntools = ["submit"]\n[provider]\napi_key = "s3cret"\n')
    assert main(["show", "harness", str(tmp_path / "mine.toml")]) == 0
    out = capsys.readouterr().out
    assert "tool submit" in out and "s3cret" not in out


def test_one_task_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "long_arithmetic", "arithmetic"]) == 2
    assert "one task at a time" in capsys.readouterr().err
