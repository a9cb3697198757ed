"""`weigh judge check`: agreement with people, who said what, position bias."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weigh.cli.main import main

Check = Callable[..., tuple[int, str]]

JUDGE = """
def by_length(request):
    "Calls short answers incorrect."
    text = request.messages[1].content
    answer = text.split("<answer>")[1].split("</answer>")[0].strip()
    if answer == "mumble":
        return "hm"
    return '{"grade": "%s"}' % ("correct" if len(answer) > 3 else "incorrect")

def first(request):
    "Prefers what comes first, whatever it is."
    return '{"better": "first"}'
"""


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Write rows to a file and run the command on it."""
    monkeypatch.setenv("WEIGH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "judges.py").write_text(JUDGE)

    def run(rows: list[dict[str, Any]], *flags: str, judge: str | None = None) -> tuple[int, str]:
        (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        asked = [] if judge is None else ["-o", f"helpers.judge=scripted/{tmp_path / 'judges.py'}:{judge}"]
        code = main(["judge", "check", str(tmp_path / "labels.jsonl"), *asked, *flags])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def row(answer: str, human: str) -> dict[str, Any]:
    return {"question": f"q {answer}", "answer": answer, "gold": "long", "human": human}


def test_verdicts_in_the_file_are_compared_and_nobody_is_asked(check: Check) -> None:
    rows = [{"human": h, "judge": j} for h, j, n in (("a", "a", 20), ("a", "b", 5), ("b", "b", 15)) for _ in range(n)]
    code, out = check(rows, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["confusion"] == {"a": {"a": 20, "b": 5}, "b": {"a": 0, "b": 15}}
    assert found["kappa"]["kappa"] == pytest.approx(0.75)  # (0.875 - 0.5) / (1 - 0.5)
    assert found["kappa"]["low"] < 0.75 < found["kappa"]["high"]


def test_a_judge_is_asked_and_a_failure_is_in_no_number(check: Check) -> None:
    rows = [row("long answer", "correct"), row("no", "incorrect"), row("yes", "correct"), row("mumble", "correct")]
    code, out = check(rows, judge="by_length")
    assert code == 1
    assert "4, 1 of them failed" in out and "66.7% of 3" in out
    assert "failed: row 4" in out and "cannot be read" in out


def test_position_bias_of_a_judge_that_takes_the_first(check: Check) -> None:
    rows = [{"question": f"q{i}", "first": "a", "second": "b", "human": "second"} for i in range(8)]
    code, out = check(rows, judge="first")
    assert code == 0
    assert "0 of 8 pairs consistent; 8 pairs lean to the first place" in out
    assert "p = 0.0078: position bias" in out


def test_what_is_missing_is_said(check: Check) -> None:
    assert check([{"question": "q", "answer": "a"}])[0] == 2
    code, out = check([row("a", "correct")])
    assert code == 2 and "helpers.judge=PROVIDER/NAME" in out
    code, out = check([{"question": "q", "human": "x"}], judge="by_length")
    assert code == 2 and "row 1 has no 'answer'" in out
