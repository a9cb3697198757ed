"""`weigh results` of many arms: the suites, and what else there is; and tables that fit a page."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.pipeline.compare_kit import put
from tests.report.kit import study

from weigh.cli.effort_text import effort_text
from weigh.cli.main import main
from weigh.cli.summary import summary_text
from weigh.pipeline.effort import efforts
from weigh.pipeline.results import summarize
from weigh.records.arm import Arm
from weigh.records.run import SuiteNode
from weigh.store.layout import Store

SUITE = SuiteNode(name="both", members=("sums", "words"), aggregation="pooled")


@pytest.fixture
def many(tmp_path: Path) -> Store:
    """Seven runs of one arm, four epochs; of the first a trial failed, of the second one was late."""
    store = Store(tmp_path / "store")
    for number in range(7):
        odd = {0: "error", 1: "timeout"}.get(number, 1.0)
        scores = {task: {f"q{i}": [float(i < number), 1.0, 0.0, odd] for i in range(5)} for task in SUITE.members}
        put(store, f"run{number}", scores, arm=f"arm{number}", suites=(SUITE,), created=1000.0 + number)
    return store


def told(capsys: pytest.CaptureFixture[str], store: Store, *words: str) -> str:
    assert main(["results", *words, "--store", str(store.path)]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_of_many_arms_suites_are_shown_and_the_rest_is_named(many: Store, capsys: pytest.CaptureFixture[str]) -> None:
    every = [f"run{number}" for number in range(7)]
    text = told(capsys, many, *every)
    rows = [line.split() for line in text.splitlines() if line.startswith("run")]
    assert [row[1] for row in rows[1:]] == [f"arm{number}" for number in range(7)]
    assert text.startswith("both (pooled)") and "sums" not in text and "words" not in text
    assert "epochs" in text and all(row[3] == "4" for row in rows[2:]), "what the questions have, not 1"
    assert "failed: 10 provider" in text and "no answer: 10 timeout" in text
    assert "more: weigh results RUN -t TASK for tasks" in text and "MDE80" not in text.splitlines()[2]
    assert max(map(len, text.splitlines())) <= 120
    six = told(capsys, many, *every[:6])
    assert "sums" in six and "more:" not in six
    named = told(capsys, many, *every, "-t", "sums")
    assert named.count("sums") >= 7 and "-t TASK" not in named and "more: weigh compare" in named
    assert len(json.loads(told(capsys, many, *every, "--format", "json"))) == 21, "files have everything"


def test_where_no_suite_has_a_number_the_tasks_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "store")
    for number in range(7):
        put(store, f"run{number}", {"sums": {"q": 1.0}}, arm=f"arm{number}", suites=(SUITE,))
    text = told(capsys, store, *[f"run{number}" for number in range(7)])
    assert sum("sums" in line and "100.0 %" in line for line in text.splitlines()) == 7
    assert text.count("on both: no aggregate: no number for words") == 1, "arms for which it is the same, together"


def test_what_agents_took_stands_below_each_other_where_it_has_no_room(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    run = study(store, questions=4)
    text = effort_text([efforts(store, run)], "table")
    assert max(map(len, text.splitlines())) <= 120
    for arm in run.arms:
        assert sum(arm.id in line for line in text.splitlines()) == len(run.tasks)
    assert len(effort_text([efforts(store, run)], "md").split("| label |")) == 2, "a file has one table a task"


def test_a_crowd_of_agents_is_told_how_to_see_what_they_took(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    run = study(store, questions=4)
    more = tuple(Arm(id=f"idle{i}", digest=f"{i}", axes={"model": f"idle{i}"}) for i in range(3))
    made = summarize(store, run)
    made = msgspec.structs.replace(
        made, run=msgspec.structs.replace(run, arms=(*run.arms, *more), harness={"scaffold": "tool_loop"})
    )
    text = summary_text([made], "table")
    assert f"weigh results {run.id} -t TASK for tasks ('*' for all 3), --effort for what trials took" in text
    assert "--markers" in text and "label" not in text.replace("'label", "")
