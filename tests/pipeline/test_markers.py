"""Markers and the status gave-up through a real run: a scripted model with real tools, stored, rescored, compared."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Bench
from weigh.cli.main import main
from weigh.define.registry import default
from weigh.pipeline.compare import compare
from weigh.pipeline.compare_options import Options
from weigh.pipeline.effort import efforts
from weigh.pipeline.request import RunResult
from weigh.pipeline.rescore import rescore
from weigh.records.errors import DefinitionError
from weigh.records.trial import Trial
from weigh.store.dataset import open_dataset

MODEL = '''
import json
from weigh import Output, Usage
from weigh.records.request import ToolCall


def call(name, **arguments):
    return Output(tool_calls=(ToolCall(id=name, name=name, arguments=arguments),), finish_reason="tool_calls",
                  usage=Usage(new=100, generated=10))


def said(text):
    return Output(text=text, usage=Usage(new=50, generated=5))


def answer(request):
    """q0: by the tool, rightly; q1: by a tool that is not there, then gives up; q2: gives up though it is right;
    q3: calls for ever; q4: a wrong answer."""
    question = next(m.content for m in request.messages if m.role == "user")
    called = sum(len(m.tool_calls) for m in request.messages)
    name = question.split()[-1]
    if name == "q0":
        return said("q0") if called else call("bash", command="%(command)s")
    if name == "q1":
        return said("I cannot complete this task.") if called else call("classify", text="q1")
    if name == "q2":
        return said("q2") if called else call("bash", command="ls nowhere")
    if name == "q3":
        return call("bash", command="echo again")
    return said("something else")
'''
EXTRA = """
from weigh import MarkerSpec
"""


def bench_of(bench: Bench, name: str, command: str, markers: str = "") -> RunResult:
    """Run the five questions on the scripted model, five tool calls at most."""
    bench.rows(5)
    spec = bench.write(extra=EXTRA)
    file = bench.folder / "bench.py"
    marking = markers or 'MarkerSpec(name="cli", description="said echo", scope="commands", pattern=r"^echo \\w+"),'
    file.write_text(file.read_text().replace("    metrics = ", f"    markers = ({marking})\n    metrics = "))
    (bench.folder / f"{name}.py").write_text(MODEL % {"command": command})
    return bench.run(
        spec, models=(f"scripted/{bench.folder / name}.py:answer",), harness="coder",
        overrides=("sandbox=local", "limits.turns=4"), name=name,
    )  # fmt: skip


def by_id(bench: Bench, result: RunResult) -> dict[str, Trial]:
    return {t.instance.id: t for t in bench.trials(result)}


def fired(trial: Trial) -> set[str]:
    return {name.removeprefix("marker:") for name, s in trial.scores.items() if name.startswith("marker:") and s.value}


def test_markers_and_giving_up_in_a_run(bench: Bench) -> None:
    trials = by_id(bench, bench_of(bench, "one", "echo q0"))
    assert {name: t.status for name, t in trials.items()} == {
        "i0": "ok", "i1": "gave-up", "i2": "ok", "i3": "limit:turns", "i4": "ok",
    }  # fmt: skip
    assert {name: fired(t) for name, t in trials.items()} == {
        "i0": {"cli"}, "i1": {"unregistered-call", "gave-up"}, "i2": set(), "i3": {"cli", "repeated-call"}, "i4": set(),
    }  # fmt: skip
    assert [trials[f"i{i}"].scores["exact_match"].value for i in range(5)] == [1, 0, 1, 0, 0]
    assert all(s.digest for t in trials.values() for s in t.scores.values())


def test_what_a_run_took_is_in_the_store(bench: Bench) -> None:
    result = bench_of(bench, "one", "echo q0")
    with open_dataset(bench.store, [result.run.id]) as data:
        rows = data.sql("select * from trials order by instance_id")
    assert [r["tool_errors"] for r in rows] == [0, 1, 1, 0, 0]
    assert [r["answer_call"] for r in rows] == [1, None, None, None, None]
    assert [r["turns"] for r in rows] == [2, 2, 2, 4, 1]
    assert rows[0]["tool_seconds"] > 0 and rows[0]["model_seconds"] is not None
    made = efforts(bench.store, result.run)
    assert made.efforts[0].taken["turns"].median == 2
    adoption = {a.marker: (a.fired, a.trials) for a in made.adoption}
    assert adoption["cli"] == (2, 5) and adoption["gave-up"] == (1, 5)
    cli = next(a for a in made.adoption if a.marker == "cli")
    assert cli.description == "said echo" and cli.share.mean == pytest.approx(0.4) and cli.share.low is not None


def test_an_edited_marker_scores_outcomes_anew_and_asks_no_model(bench: Bench) -> None:
    result = bench_of(bench, "one", "echo q0")
    file = bench.folder / "bench.py"
    file.write_text(file.read_text().replace(r"^echo \w+", "^ls"))
    default.load_file(file)
    done = asyncio.run(rescore(bench.store, result.run))
    assert (done.trials, done.failed) == (5, 0)
    trials = by_id(bench, result)
    assert {name for name, t in trials.items() if "cli" in fired(t)} == {"i2"}
    assert trials["i3"].status == "limit:turns" and trials["i3"].scores["marker:cli"].value == 0
    assert trials["i1"].status == "gave-up"


def test_ones_own_words_for_giving_up_change_the_status_of_stored_trials(bench: Bench) -> None:
    result = bench_of(bench, "one", "echo q0")
    file = bench.folder / "bench.py"
    own = 'markers = (MarkerSpec(name="gave-up", pattern="^something else$"), '
    file.write_text(file.read_text().replace("markers = (", own))
    default.load_file(file)
    asyncio.run(rescore(bench.store, result.run))
    trials = by_id(bench, result)
    assert {name: t.status for name, t in trials.items()} == {
        "i0": "ok", "i1": "gave-up", "i2": "ok", "i3": "limit:turns", "i4": "gave-up",
    }  # fmt: skip
    assert [name for name, t in trials.items() if "gave-up" in fired(t)] == ["i1", "i4"]


def test_a_scorer_that_now_finds_the_answer_takes_giving_up_back(bench: Bench) -> None:
    result = bench_of(bench, "one", "echo q0")
    file = bench.folder / "bench.py"
    text = file.read_text().replace("scorer=ExactMatchScorer", "scorer=ScorerOfNothing").replace(
        EXTRA,
        EXTRA + "from weigh.score.answer import TextScorer\nfrom weigh import Score\n\n\n"
        "class ScorerOfNothing(TextScorer, frozen=True, kw_only=True):\n    name: str = 'exact_match'\n\n"
        "    def judge(self, answer, golds, context):\n        return Score(value=1.0)\n",
    )  # fmt: skip
    file.write_text(text)
    default.load_file(file)
    asyncio.run(rescore(bench.store, result.run))
    trials = by_id(bench, result)
    assert trials["i1"].status == "ok" and trials["i1"].scores["exact_match"].value == 1
    assert trials["i3"].status == "limit:turns" and trials["i3"].scores["exact_match"].value == 0


def test_adoption_is_compared_like_a_score(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench_of(bench, "one", "true")
    bench_of(bench, "two", "echo q0")
    (report,) = compare(bench.store, ["one", "two"], Options(metric="marker:cli"))
    row = report.rows[0]
    assert row.metric.name == "marker:cli" and row.score is not None
    assert (row.score.n, row.score.mean_a, row.score.mean_b) == (5, pytest.approx(0.2), pytest.approx(0.4))
    assert row.score.low is not None and row.verdict == "unresolved"
    (report,) = compare(bench.store, ["one", "two"], Options(metric="marker:unregistered-call"))
    assert report.rows[0].metric.lower_is_better
    with pytest.raises(DefinitionError, match=r"marker:cly.*did you mean 'marker:cli'"):
        compare(bench.store, ["one", "two"], Options(metric="marker:cly"))
    store = ["--store", str(bench.store.path)]
    assert main(["compare", "one", "two", "--by", "marker:cli", *store]) == 0
    shown = capsys.readouterr().out
    assert "turns, median" in shown and "no effect of the path" in " ".join(shown.split())


def test_a_trial_is_shown_command_by_command(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    result = bench_of(bench, "one", "echo q0")
    trials = by_id(bench, result)
    store = ["--store", str(bench.store.path)]
    assert main(["trial", trials["i0"].id, *store]) == 0
    shown = capsys.readouterr().out
    assert "  $ echo q0\n  ** cli: echo q0\n  <- ok" in shown
    assert "first in the result of call 1" in shown and "did not fire: unregistered-call" in shown
    assert main(["trial", trials["i1"].id, *store]) == 0
    shown = capsys.readouterr().out
    assert "status    gave-up" in shown and '-> classify {"text": "q1"}  (no such tool)' in shown
    assert "1 with an error (none recovered from)" in shown
    assert main(["results", "one", *store]) == 0
    shown = capsys.readouterr().out
    assert "tool calls" in shown and "2 of 5" in shown and "said echo" in shown


@pytest.mark.parametrize(
    ("markers", "message"),
    [
        (
            'MarkerSpec(name="cli", scope="files-read", pattern="x"),',
            "there is no scope 'files-read'; did you mean 'files'",
        ),
        ('"gave-upp",', "there is no marker 'gave-upp'; did you mean 'gave-up'"),
    ],
)
def test_a_wrong_marker_is_found_before_anything_runs(bench: Bench, markers: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        bench_of(bench, "one", "true", markers)
    assert not Path(bench.store.path).exists() or not bench.store.runs()


def test_a_run_finished_before_a_measure_was_thought_of_can_be_read(bench: Bench) -> None:
    import duckdb

    old = bench_of(bench, "one", "echo q0").run.id
    path = bench.store.open(old).parquet
    duckdb.sql(f"copy (select * exclude (tool_errors, help) from '{path}') to '{path}.new' (format parquet)")
    Path(f"{path}.new").replace(path)
    with open_dataset(bench.store, [old]) as data:
        assert data.sql("select count(*) as n, count(tool_errors) as known from trials") == [{"n": 5, "known": 0}]
