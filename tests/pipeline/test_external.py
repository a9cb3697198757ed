"""Tasks that bring their own program: a tiny one of the test's own against the scripted model."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weigh.execute.gateway.session import Call
from weigh.execute.stop import StopSignal
from weigh.pipeline.external_calls import attribute
from weigh.pipeline.request import Notice, RunRequest, RunResult
from weigh.pipeline.run import run
from weigh.records.errors import CapabilityError, Error
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Message, Output
from weigh.records.trial import Trial
from weigh.records.usage import Usage
from weigh.store.layout import Store
from weigh.store.reader import read_trials

PROGRAM = """
import json, os, sys, time, urllib.error, urllib.request


def ask(text):
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    head = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"}
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    try:
        answer = json.load(urllib.request.urlopen(urllib.request.Request(url, body, head)))
        return answer["choices"][0]["message"]["content"]
    except urllib.error.HTTPError:
        return ""  # as bad programs do: a failure becomes an empty answer


with open(sys.argv[2] + "/results.jsonl", "w") as out:
    for line in open(sys.argv[1]):
        row = json.loads(line)
        {body}
        found = {"id": row["id"], "scores": {"acc": text == row["answer"]}, "answer": text}
        print(json.dumps(found), file=out, flush=True)
"""
BENCH = """
from weigh import AccuracyMetric, DataSource, ExternalEval, ReportedScorer, SandboxedExternalEval, register


@register("{name}")
class Own({base}):
    data_source = DataSource(path="q.jsonl")
    files = ("prog.py",)
    program = ("{{python}}", "prog.py", "{{questions}}", "{{out}}")
    metrics = (AccuracyMetric(ReportedScorer(name="{score}")),)
    {extra}
"""
ASK = 'text = ask("Q: " + row["question"])'


class Own:
    """A benchmark with a program, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder / "store")
        self.name = f"own_{os.urandom(3).hex()}"
        self.events: list[Any] = []
        rows = [
            {"id": f"i{i}", "question": f"what is {i}?", "answer": f"Q: what is {i}?" if i < 4 else "no"}
            for i in range(6)
        ]
        (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write(self, body: str = ASK, *, base: str = "ExternalEval", score: str = "acc", extra: str = "") -> None:
        (self.folder / "prog.py").write_text(PROGRAM.replace("{body}", body))
        text = BENCH.format(name=self.name, base=base, score=score, extra=extra)
        (self.folder / "bench.py").write_text(text)

    def run(
        self, model: str = "scripted/echo", stop: StopSignal | None = None, **options: Any
    ) -> tuple[RunResult, dict[str, Trial]]:
        spec = f"{self.folder / 'bench.py'}:{self.name}"
        request = RunRequest(models=(model,), tasks=(spec,), store=str(self.store.path), **options)
        result = asyncio.run(run(request, self.events.append, stop))
        return result, {t.instance.id: t for t in read_trials(self.store.open(result.run.id))}


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


def statuses(trials: dict[str, Trial]) -> dict[str, str]:
    return {name: trial.status for name, trial in sorted(trials.items())}


def test_what_a_program_reports_becomes_trials(own: Own) -> None:
    own.write()
    result, trials = own.run()
    assert (result.executed, result.failed, result.missing) == (6, {}, 0)
    assert {n: t.scores["acc"].value for n, t in sorted(trials.items())} == {
        "i0": 1.0, "i1": 1.0, "i2": 1.0, "i3": 1.0, "i4": 0.0, "i5": 0.0,
    }  # fmt: skip
    trial = trials["i2"]
    assert trial.output is not None and trial.output.text == "Q: what is 2?"
    assert trial.trajectory is not None
    assert trial.trajectory.request == ChatRequest(
        messages=(Message(role="user", content="Q: what is 2?"),),
        sampling=trial.trajectory.request.sampling,  # type: ignore[union-attr]
    )
    assert trial.usage == Usage(new=4, generated=4, calls=1)
    assert result.usage.calls == 6
    log = own.store.open(result.run.id).artifacts / trial.metadata["program"]
    assert len((log / "out" / "results.jsonl").read_text().splitlines()) == 6
    again, _ = own.run()
    assert (again.executed, again.reused) == (0, 6)


def test_only_what_is_missing_is_given_to_the_program(own: Own) -> None:
    own.write()
    own.run(limit=2)
    result, _trials = own.run(epochs=2)
    assert (result.executed, result.reused) == (10, 2)
    folder = own.store.open(result.run.id).artifacts
    starts = sorted(len((p / "out" / "results.jsonl").read_text().splitlines()) for p in folder.iterdir())
    assert starts == [2, 4, 6]  # the limit; the rest of epoch 0; epoch 1


def test_a_changed_program_is_another_task(own: Own) -> None:
    own.write()
    first, _ = own.run()
    own.write(ASK + "  # another")
    second, _ = own.run()
    assert second.executed == 6
    assert first.run.id != second.run.id


def test_what_the_command_line_says_reaches_the_requests(own: Own) -> None:
    own.write()
    _, trials = own.run(temperature=0.7, max_tokens=3)
    sampling = trials["i0"].trajectory.request.sampling  # type: ignore[union-attr]
    assert (sampling.temperature, sampling.max_tokens) == (0.7, 3)


def test_a_failed_call_is_no_score_although_the_program_gave_one(own: Own) -> None:
    own.write()
    result, trials = own.run("scripted/echo::refuse_every=3")
    assert statuses(trials) == {"i0": "ok", "i1": "ok", "i2": "error", "i3": "ok", "i4": "ok", "i5": "error"}
    assert result.failed == {"provider": 2}
    assert trials["i2"].scores == {}


def test_a_call_that_was_repeated_with_success_is_forgiven(own: Own) -> None:
    own.write(ASK + " or ask('Q: ' + row['question'])")
    result, trials = own.run("scripted/echo::refuse_every=3")
    assert result.failed == {}
    assert set(statuses(trials).values()) == {"ok"}


def test_empty_answers_are_failures(own: Own) -> None:
    own.write()
    result, trials = own.run("scripted/echo::empty_every=2")
    assert statuses(trials) == {"i0": "ok", "i1": "empty", "i2": "ok", "i3": "empty", "i4": "ok", "i5": "empty"}
    assert result.failed == {"empty": 3}


def test_a_program_that_never_asks_has_measured_nothing(own: Own) -> None:
    own.write("text = row['answer']")
    result, trials = own.run()
    assert result.failed == {"empty": 6}
    assert "never asked the model" in trials["i0"].error.message  # type: ignore[union-attr]


def test_a_program_that_breaks_keeps_what_it_has_reported(own: Own) -> None:
    own.write(ASK + "\n        if row['id'] == 'i2': sys.exit('out of luck')")
    result, trials = own.run()
    assert statuses(trials) == {"i0": "ok", "i1": "ok", **{f"i{i}": "error" for i in range(2, 6)}}
    assert result.failed == {"task": 4}
    assert "ended with exit code 1: out of luck" in trials["i3"].error.message  # type: ignore[union-attr]


def test_a_deadline_covers_the_tree_and_is_an_outcome(tmp_path: Path) -> None:
    sleep = "import subprocess; subprocess.Popen(['sleep', '6000'], start_new_session=True); time.sleep(6000)"
    for seconds in (2.0, 20.0, 60.0):  # a busy machine may need longer until two are done
        folder = tmp_path / f"{seconds:g}"
        folder.mkdir()
        own = Own(folder)
        own.write(ASK + f"\n        if row['id'] == 'i2': {sleep}", extra=f"seconds = {seconds}")
        result, trials = own.run()
        if trials["i1"].status == "ok":
            break
    assert statuses(trials) == {"i0": "ok", "i1": "ok", **{f"i{i}": "timeout" for i in range(2, 6)}}
    assert trials["i3"].scores["acc"].value == 0.0
    assert result.seconds < 600


def test_a_budget_of_calls_is_an_outcome_of_those_left_out(own: Own) -> None:
    own.write(extra="max_calls = 4")
    result, trials = own.run()
    assert statuses(trials) == {**{f"i{i}": "ok" for i in range(4)}, "i4": "limit:calls", "i5": "limit:calls"}
    assert result.outcomes == {"limit:calls": 2}


def test_a_run_whose_budget_is_spent_leaves_the_rest_for_later(own: Own) -> None:
    own.write()
    result, trials = own.run(max_tokens_total=20)
    assert 0 < len(trials) < 6 and set(statuses(trials).values()) == {"ok"}
    assert result.missing == 6 - len(trials)
    assert "budget" in str(result.stopped)
    again, trials = own.run()
    assert (again.missing, len(trials)) == (0, 6)


def test_a_score_that_is_missing_is_a_failed_score(own: Own) -> None:
    own.write(score="f1")
    result, trials = own.run()
    assert result.failed == {"scorer": 6}
    assert "reported no score 'f1' (it reported: acc)" in trials["i0"].error.message  # type: ignore[union-attr]


def test_a_result_that_cannot_be_read_fails_its_trials(own: Own) -> None:
    own.write(ASK + "; print('{', file=out)")
    result, trials = own.run()
    assert result.failed == {"task": 6}
    assert "cannot be read" in trials["i0"].error.message  # type: ignore[union-attr]


def test_the_program_sees_nothing_of_the_user(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-users-own")
    monkeypatch.setenv("MY_SECRET", "hidden")
    own.write(ASK + "\n        open('out/env.json', 'w').write(json.dumps(dict(os.environ)))")
    result, trials = own.run()
    seen = json.loads(
        (own.store.open(result.run.id).artifacts / trials["i0"].metadata["program"] / "out/env.json").read_text()
    )
    assert "MY_SECRET" not in seen
    assert seen["OPENAI_API_KEY"].startswith("weigh-")
    assert seen["HOME"] != os.environ.get("HOME")


def test_stopping_ends_the_program_and_resumes(own: Own) -> None:
    own.write(ASK + "\n        if row['id'] == 'i3': time.sleep(600)")
    stop = StopSignal()

    def soon() -> None:
        asyncio.get_running_loop().call_later(1.5, stop.request, "interrupted")

    own.events = type(
        "Events", (list,), {"append": lambda self, e: soon() if type(e).__name__ == "ArmStarted" else None}
    )()
    result, trials = own.run(stop=stop)
    assert result.missing == 6 and not trials
    own.write()
    assert own.run()[0].executed == 6


def test_packages_that_are_not_there_are_said_before_the_first_token(own: Own) -> None:
    own.write(extra="packages = ('no-such-thing==0.0.0',)")
    with pytest.raises(CapabilityError, match="weigh external install"):
        own.run()


def test_a_harness_that_cannot_reach_into_the_program_is_refused(own: Own) -> None:
    own.write()
    with pytest.raises(CapabilityError, match="a program of its own, which harness"):
        own.run(overrides=("limits.turns=3",))


@pytest.mark.sandbox
def test_in_a_sandbox_nothing_but_the_gateway_is_reached(own: Own) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    look = """
        try:
            import socket; socket.create_connection(("127.0.0.1", 22), 1); net = True
        except OSError: net = False
        json.dump({"secret": os.path.exists(SECRET), "net": net}, open("out/look.json", "w"))"""
    secret = own.folder / "secret"
    secret.write_text("x")
    own.write(ASK + look.replace("SECRET", repr(str(secret))), base="SandboxedExternalEval")
    result, trials = own.run()
    assert result.failed == {}
    assert trials["i0"].scores["acc"].value == 1.0
    log = own.store.open(result.run.id).artifacts / trials["i0"].metadata["program"] / "out" / "look.json"
    assert json.loads(log.read_text()) == {"secret": False, "net": False}


def call(text: str, error: Error | None = None) -> Call:
    request = ChatRequest(messages=(Message(role="user", content=text),))
    output = None if error else Output(text="x", usage=Usage(new=1, generated=1, calls=1))
    return Call(0.0, 0.0, request, output, error)


def test_calls_go_to_the_question_asked_last() -> None:
    questions = [
        Instance(id="a", question="two plus\n two"),
        Instance(id="b", question="plus two"),
        Instance(id="c", question="q"),
    ]
    found = attribute([call("plus two? 3. Now: two plus two"), call("q plus two"), call("nothing known")], questions)
    assert {name: len(calls) for name, calls in found.by_question.items()} == {"a": 1, "b": 1}
    assert found.rest == Usage(new=1, generated=1, calls=1)


def test_a_lost_call_that_nobody_owns_is_everybodys() -> None:
    error = Error(kind="provider", message="gone")
    found = attribute([call("unknown", error), call("q", error), call("q")], [Instance(id="c", question="q")])
    assert found.lost == {}
    assert found.lost_by_all == error


def test_two_questions_with_one_text_own_nothing() -> None:
    found = attribute([call("q")], [Instance(id="a", question="q"), Instance(id="b", question="q")])
    assert found.by_question == {}
    assert found.rest.calls == 1


def test_unknown_questions_are_told(own: Own) -> None:
    own.write(ASK + "; row['id'] = row['id'] if row['id'] != 'i5' else 'stranger'")
    _result, trials = own.run()
    assert trials["i5"].status == "error"
    assert any(isinstance(e, Notice) and "'stranger'" in e.text for e in own.events)


def test_a_call_that_names_its_question_needs_no_guess() -> None:
    request = ChatRequest(messages=(Message(role="user", content="about b"),))
    output = Output(text="x", usage=Usage(new=1, generated=1, calls=1))
    questions = [Instance(id="1", question="a"), Instance(id="2", question="b")]
    named = attribute([Call(0.0, 0.0, request, output, None, "1")], questions)
    assert list(named.by_question) == ["1"]
    stranger = attribute([Call(0.0, 0.0, request, output, None, "somebody")], questions)
    assert list(stranger.by_question) == ["2"]


def test_only_tasks_with_a_program_can_be_installed(own: Own) -> None:
    own.write()
    command = [sys.executable, "-m", "weigh", "external", "install"]
    refused = subprocess.run([*command, "arithmetic"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "has no program of its own" in refused.stderr
    spec = f"{own.folder / 'bench.py'}:{own.name}"
    nothing = subprocess.run([*command, spec], capture_output=True, text=True, check=False)
    assert (nothing.returncode, nothing.stdout) == (0, "")
