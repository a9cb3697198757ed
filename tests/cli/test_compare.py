"""`weigh compare` as a user types it: the table, its other formats, and the messages."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.compare_kit import binary, put

from weigh.cli.commands.compare import margin
from weigh.cli.main import main
from weigh.records.run import SuiteNode
from weigh.store.layout import Store


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with two runs of a suite of two tasks, in the current folder."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "weigh-store")
    suite = SuiteNode(name="both", members=("t", "u"))
    kinds = {f"q{i}": {"kind": "odd" if i % 2 else "even"} for i in range(60)}
    put(store, "old", {"t": binary(20, 60), "u": binary(30, 60)}, suites=(suite,), metadata=kinds)
    put(store, "new", {"t": binary(40, 60), "u": binary(28, 60)}, arm="other", suites=(suite,), metadata=kinds)
    return store


def weigh(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["compare", *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["compare", *words]) == 2
    done = capsys.readouterr()
    assert done.out == ""
    return done.err


def test_the_table_the_notes_and_the_conclusion(place: Store, capsys: pytest.CaptureFixture[str]) -> None:
    text = weigh(capsys, "old", "new")
    assert "A  old" in text
    header, row = (re.split(r"\s{2,}", line) for line in text.splitlines()[3:5])
    assert header == [
        "task", "metric", "n", "A", "B", "B - A", "95 % interval", "p", "p Holm", "won / lost / tied", "MDE80", "q",
        "B is",
    ]  # fmt: skip
    assert row[:6] == ["t", "accuracy", "60", "33.3", "66.7", "+33.3"]
    assert row[-1] == "better"
    assert "20 / 0 / 40" in row
    assert "B is better than A on t (+33.3 points)." in text
    assert (
        "On u the evidence cannot tell: too few questions are contested for any difference to show. Over both"
        in " ".join(text.split())
    )
    assert "Over both as a whole B is better" in " ".join(text.split())
    assert "The chance that any claim about a single task is false is 5% or less" in " ".join(text.split())


def test_every_format_has_the_same_numbers(place: Store, capsys: pytest.CaptureFixture[str]) -> None:
    data: dict[str, Any] = json.loads(weigh(capsys, "old", "new", "--format", "json"))
    rows = list(csv.DictReader(io.StringIO(weigh(capsys, "old", "new", "--format", "csv"))))
    text, marked = weigh(capsys, "old", "new"), weigh(capsys, "old", "new", "--format", "md")
    assert [r["task"] for r in rows] == [r["task"] for r in data["table"]] == ["t", "u", "both"]
    for one, other in zip(rows, data["table"], strict=True):
        assert list(one) == list(other)
        for name, value in other.items():
            assert one[name] == ("" if value is None else str(value))
        shown = f"{100 * other['difference']:+.1f}"
        assert any(line.startswith(one["task"]) and shown in line for line in text.splitlines())
        assert any(line.startswith(f"| {one['task']} ") and shown in line for line in marked.splitlines())
    assert data["conclusion"] in marked
    details = data["details"]["rows"][0]
    assert details["score"]["p"] == data["table"][0]["p"]
    assert details["pairing"]["paired"] == 60


def test_subgroups_and_one_task(place: Store, capsys: pytest.CaptureFixture[str]) -> None:
    text = weigh(capsys, "old", "new", "-t", "t", "--by", "kind")
    assert "\n- even " in text
    assert "\nu " not in text
    assert "both" not in text


def test_a_margin_shows_what_is_equivalent(place: Store, capsys: pytest.CaptureFixture[str]) -> None:
    text = weigh(capsys, "old", "new", "-t", "u", "--margin", "20pp")
    assert "On u the two are equivalent: a difference of 20.0 points or more is ruled out." in text


def test_more_arms_are_a_matrix(place: Store, capsys: pytest.CaptureFixture[str]) -> None:
    put(place, "third", {"t": binary(60, 60), "u": binary(29, 60)}, arm="third")
    text = weigh(capsys, "old", "new", "third", "--rank")
    assert "C  third" in text
    assert "tier  arm" in text
    assert "+66.7*" in text
    assert "Bradley-Terry over" in text
    rows = list(csv.DictReader(io.StringIO(weigh(capsys, "old", "new", "third", "--format", "csv"))))
    assert [(r["task"], r["a"], r["b"]) for r in rows if r["task"] == "t"] == [
        ("t", "old", "new"), ("t", "old", "third"), ("t", "new", "third"),
    ]  # fmt: skip
    assert "--interaction compares two sides" in refused(capsys, "old", "new", "third", "--interaction", "model")


def test_one_run_stands_for_its_arms_and_costs_are_ratios(place: Store, capsys: pytest.CaptureFixture[str]) -> None:
    text = weigh(capsys, "old", "new", "--metric", "tokens")
    assert "B / A" in text
    assert "tokens: lower is better" in text
    assert "is one arm" in refused(capsys, "old")


def test_an_interaction_and_paths(tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "weigh-store")
    for size, gain in (("1B", -10), ("7B", 10)):
        for version, right in (("old", 20), ("new", 20 + gain)):
            put(store, f"{version}{size}", {"t": binary(right, 40)}, arm=f"{version}{size}",
                axes={"size": size, "version": version}, markers={"m": binary(20, 40)})  # fmt: skip
    text = weigh(capsys, "version=old", "version=new", "--interaction", "size")
    assert "the effect grows from 1B to 7B" in text
    assert re.search(r"change\s+40\s+-\s+-\s+\+50\.0", text)
    text = weigh(capsys, "version=old", "version=new", "--by", "marker:m")
    assert re.search(r"t\s+version=old\s+yes\s+40\s+50 %\s+40\s+100\.0", text)
    assert (
        "no effect of the path" in " ".join(text.replace("paths is no", "path is no").split()) or "is no effect" in text
    )


def test_it_is_written_to_a_file(place: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert weigh(capsys, "old", "new", "--format", "md", "-o", "report.md") == ""
    assert Path("report.md").read_text().startswith("- A  old")
    assert "cannot write no/such/file" in refused(capsys, "old", "new", "-o", "no/such/file")


def test_mistakes_are_told(place: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'tokens'" in refused(capsys, "old", "new", "--metric", "tokns")
    assert "no run has the task 'v'" in refused(capsys, "old", "new", "-t", "v")
    assert "write 1pp for a percentage point" in refused(capsys, "old", "new", "--margin", "much")
    assert "--margin: 5 is 500 percentage points" in refused(capsys, "old", "new", "-t", "u", "--margin", "5")
    assert "not a number between 0 and 1" in refused(capsys, "old", "new", "--alpha", "5")


@pytest.mark.parametrize(("text", "value"), [("1pp", 0.01), ("0.01", 0.01), ("2.5pp", 0.025), ("3", 3.0)])
def test_margins(text: str, value: float) -> None:
    assert margin(text) == pytest.approx(value)
