"""The gate passes, fails or cannot tell, for the reasons it says, in the forms that CI reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest

from tests.pipeline.conftest import Bench
from weigh.cli.main import main
from weigh.pipeline.gate import Condition, GateReport, Options, gate
from weigh.records.errors import DefinitionError
from weigh.store.layout import Store

DROP = Condition(max_drop=0.02)
Import = Callable[..., None]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(run: str, right: int, n: int = 400, task: str = "quiz", epochs: int = 1) -> None:
    """Import a run: the first `right` of n questions are answered, and every value is 0 or 1."""
    rows = [{"id": i, "score": int(i < right)} for i in range(n)]
    Path(f"{run}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    words = ["import", "table", f"{run}.jsonl", "--id", "id", "--score", "score", "--task", task, "--name", run]
    assert main(words) == 0


def judged(old: int, new: int, *conditions: Condition, n: int = 400, **options: object) -> GateReport:
    load("old", old, n)
    load("new", new, n)
    return gate(Store("weigh-store"), "old", "new", Options(conditions=conditions or (DROP,), **options))  # type: ignore[arg-type]


def test_equal_arms_pass_an_improvement_passes_and_a_drop_fails(place: Path) -> None:
    assert judged(200, 200).outcome == "pass"
    assert judged(200, 260).outcome == "pass"
    worse = judged(200, 150)
    assert worse.outcome == "regression"
    assert worse.checks[0].gate is not None and worse.checks[0].gate.value == -0.125


def test_too_few_questions_cannot_tell_and_say_how_many_would(place: Path) -> None:
    report = judged(10, 9, n=20)
    assert report.outcome == "cannot tell" and report.more_questions is not None
    assert f"{report.more_questions:,} more questions" in report.checks[0].reason


def test_a_task_that_the_candidate_did_not_run_does_not_pass_in_silence(bench: Bench) -> None:
    task = bench.write()
    variant = task + ":2shot"
    old = bench.run(f"{task},{variant}", name="old").run.id
    new = bench.run(task, name="new").run.id
    report = gate(bench.store, old, new, Options(conditions=(Condition(max_drop=0.2),)))
    by_task = {c.task: c for c in report.checks}
    assert by_task[bench.name].outcome == "pass"
    assert by_task[f"{bench.name}:2shot"].outcome == "cannot tell"
    assert report.outcome == "cannot tell"
    named = Options(conditions=(Condition(max_drop=0.2),), tasks=(bench.name + ":2shot",))
    assert gate(bench.store, old, new, named).outcome == "cannot tell"


def test_unequal_failures_cannot_tell(bench: Bench) -> None:
    task = bench.write()
    old = bench.run(task, name="old").run.id
    failing = ("scripted/echo::fail_every=4",)
    new = bench.run(task, name="new", models=failing, overrides=("retries=0",), temperature=0.5).run.id
    report = gate(bench.store, old, new, Options(conditions=(Condition(max_drop=0.5),)))
    assert report.outcome == "cannot tell" and "failed unequally" in report.checks[0].reason
    zero = gate(bench.store, old, new, Options(conditions=(Condition(max_drop=0.01),), errors="zero"))
    assert zero.outcome == "regression", "the user said that failures are wrong answers"


def test_costs_are_held_by_their_ratio(bench: Bench) -> None:
    task = bench.write()
    old = bench.run(task, name="old").run.id
    new = bench.run(task, name="new", temperature=0.5).run.id
    cost = Options(conditions=(Condition(metric="tokens", max_ratio=1.1), Condition(max_drop=0.2)))
    report = gate(bench.store, old, new, cost)
    assert [c.outcome for c in report.checks] == ["pass", "pass"], "every question took as many tokens as before"
    with pytest.raises(DefinitionError, match="hold it with --max-ratio"):
        gate(bench.store, old, new, Options(conditions=(Condition(metric="tokens", max_drop=0.1),)))
    with pytest.raises(DefinitionError, match="did you mean 'exact_match'"):
        gate(bench.store, old, new, Options(conditions=(Condition(metric="exact_mach", max_drop=0.1),)))


def test_a_suite_is_held_by_its_aggregate(bench: Bench) -> None:
    bench.write()
    suite = f"{bench.folder / 'bench.py'}:{bench.name}_suite"
    old = bench.run(suite, name="old").run.id
    bench.rows(20, wrong_from=5)
    bench.write()
    new = bench.run(suite, name="new", temperature=0.5).run.id
    options = Options(conditions=(Condition(max_drop=0.1),), suite=f"{bench.name}_suite")
    report = gate(bench.store, old, new, options)
    assert [c.task for c in report.checks] == [f"{bench.name}_suite"]
    with pytest.raises(DefinitionError, match="neither run was started with a suite"):
        gate(bench.store, old, new, Options(conditions=(DROP,), suite="nothing"))


def test_many_checks_are_corrected(place: Path) -> None:
    borderline = judged(200, 187)
    assert borderline.outcome == "regression"
    p = borderline.checks[0].p_adjusted
    assert p is not None and 0.025 < p < 0.05
    twice = judged(200, 187, DROP, DROP)
    assert twice.outcome == "cannot tell" and "after correction for 2 checks" in twice.checks[0].reason
    assert judged(200, 187, DROP, DROP, correction="none").outcome == "regression"


@pytest.mark.parametrize(("new", "code"), [(400, 0), (300, 1), (395, 3)])
def test_exit_codes_junit_and_markdown(
    place: Path, new: int, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load("old", 400)
    load("new", new)
    summary = place / "summary.md"
    summary.write_text("# Steps before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    words = ["--max-drop", "1pp" if code != 3 else "1.5pp", "--junit", "gate.xml", "--md", str(summary)]
    capsys.readouterr()
    assert main(["gate", "--baseline", "old", "--candidate", "new", *words]) == code
    assert capsys.readouterr().err.splitlines()[-1].startswith({0: "pass", 1: "regression", 3: "cannot tell"}[code])
    root = xml.parse("gate.xml").getroot()
    (one,) = root.iter("testcase")
    assert one.get("classname") == "quiz" and one.get("name") == f"score: drop of at most {words[1][:-2]} pp"
    assert (root.get("failures"), root.get("errors")) == (str(int(code == 1)), str(int(code == 3)))
    assert [e.tag for e in one if e.tag != "system-out"] == {0: [], 1: ["failure"], 3: ["error"]}[code]
    text = summary.read_text()
    assert text.startswith("# Steps before\n") and "| quiz |" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no limit"),
        (["--max-ratio", "1.1"], "--max-ratio holds a cost"),
        (["--metric", "tokens", "--max-drop", "1pp"], "tokens is a cost"),
        (["--max-drop", "1pp", "--max-drop", "2pp"], "--max-drop is given 2 times"),
        (["--max-drop", "much"], "'much' is no drop"),
        (["--max-drop", "1pp", "--metric", "tokens", "--max-ratio", "0"], "'0' is no ratio"),
    ],
)
def test_a_gate_that_cannot_be_is_a_usage_error(
    place: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", "--baseline", "a", "--candidate", "b", *words]) == 2
    assert told in capsys.readouterr().err
