"""The three real programs: their wrappers, and, where they are installed, a small run of each."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from weigh.benchmarks.external_inspect import InspectArithmetic
from weigh.benchmarks.external_lm_eval import LmEvalArcEasy, LmEvalTask
from weigh.benchmarks.external_reasoning_gym import ReasoningGymMix
from weigh.define.external import ExternalEval, ExternalJob
from weigh.execute.venvs import find_venv, venv_path
from weigh.pipeline.request import RunRequest
from weigh.pipeline.run import run
from weigh.records.errors import DefinitionError
from weigh.records.instance import Instance
from weigh.records.trial import Trial
from weigh.store.layout import Store
from weigh.store.reader import read_trials

QUESTION = Instance(id="a-1", question="Which?", choices=("this", "that"), gold_answer=1)


def job(*questions: Instance, shots: int = 0) -> ExternalJob:
    return ExternalJob(
        questions=questions, epoch=0, python="python", url="http://127.0.0.1:1/v1", model="scripted/echo", shots=shots
    )


def lm_eval(tmp_path: Path, text: str) -> LmEvalTask:
    (tmp_path / "task.yaml").write_text(text)

    class Mine(LmEvalTask):
        task_file = tmp_path / "task.yaml"

    return Mine()


def test_lm_eval_gets_the_questions_in_place_of_its_data(tmp_path: Path) -> None:
    task = LmEvalArcEasy(LmEvalArcEasy.default_config("lm_eval_arc_easy"))
    files = task.inputs(job(QUESTION))
    given = json.loads(files["questions.jsonl"])
    assert given == {"id": "a-1", "question": "Which?", "choices": ["this", "that"], "answer": 1}
    settings = json.loads(files["weigh_task.yaml"])
    assert settings["dataset_kwargs"] == {"data_files": {"test": "questions.jsonl"}}
    assert settings["doc_to_choice"] == "{{choices}}"
    with pytest.raises(DefinitionError, match="fewshot_file"):
        task.inputs(job(QUESTION, shots=2))


@pytest.mark.parametrize(
    "text",
    [
        "output_type: loglikelihood_rolling",
        "output_type: loglikelihood",
        "output_type: multiple_choice\nmetric_list: [{metric: acc}, {metric: exact_match}]",
        "output_type: generate_until\ndoc_to_text: !function utils.text",
    ],
)
def test_what_would_be_scored_wrongly_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DefinitionError, match=r"task\.yaml"):
        lm_eval(tmp_path, text).settings()


def test_a_task_file_says_what_it_asks_of_a_model(tmp_path: Path) -> None:
    assert lm_eval(tmp_path, "output_type: multiple_choice").asks == "loglikelihood"
    assert lm_eval(tmp_path, "doc_to_text: x").asks == "completion"


def test_an_edited_task_file_is_another_identity(tmp_path: Path) -> None:
    one = lm_eval(tmp_path, "doc_to_text: x").identity()
    assert one != lm_eval(tmp_path, "doc_to_text: y").identity()


def test_samples_of_lm_eval_are_read(tmp_path: Path) -> None:
    row = {"doc": {"id": "a-1"}, "metrics": ["acc"], "acc": 1.0, "filtered_resps": ["text"], "target": "x"}
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "samples_weigh_task_now.jsonl").write_text(json.dumps(row) + "\n")
    (found,) = LmEvalArcEasy().read(job(QUESTION), tmp_path)
    assert (found.id, found.scores, found.answer) == ("a-1", {"acc": 1.0}, "text")


def test_samples_of_inspect_are_read(tmp_path: Path) -> None:
    log = {
        "eval": {},
        "samples": [
            {"id": "i1", "scores": {"match": {"value": "C", "answer": "7"}}, "total_time": 1.5},
            {"id": "i2", "scores": {}, "error": {"message": "broke"}},
            {"id": "i3", "scores": {"match": {"value": 0.25}}},
        ],
    }
    (tmp_path / "log.json").write_text(json.dumps(log))
    (tmp_path / "other.json").write_text("[]")
    one, two, three = InspectArithmetic().read(job(), tmp_path)
    assert (one.scores, one.answer, one.seconds) == ({"match": 1.0}, "7", 1.5)
    assert (two.scores, two.error) == ({}, "broke")
    assert three.scores == {"match": 0.25}


def test_reasoning_gym_names_the_same_question_the_same_whatever_the_limit() -> None:
    found = list(ReasoningGymMix().instances)
    assert len(found) == 120
    assert len({i.id for i in found[:6]} | {i.metadata["kind"] for i in found[:6]}) == 12
    assert found[7].inputs == {"dataset": "leg_counting", "seed": 42, "index": 1}


def test_another_pin_is_another_environment() -> None:
    assert venv_path(("x==1",)) != venv_path(("x==2",))
    assert venv_path(("x[api]==1", "y==1")) == venv_path(("x[api]==1", "y==1"))
    assert venv_path(("x[api]==1",)).name.startswith("x-")
    assert find_venv(("x==0.0.0",)) is None


def installed(task: type[ExternalEval]) -> None:
    if find_venv(task.packages) is None:
        pytest.skip(f"needs {', '.join(task.packages)}: weigh external install")
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")


def trials_of(store: Path, model: str, task: str, limit: int) -> list[Trial]:
    result = asyncio.run(run(RunRequest(models=(model,), tasks=(task,), limit=limit, store=str(store))))
    assert result.failed == {}
    return list(read_trials(Store(store).open(result.run.id)))


@pytest.mark.slow
@pytest.mark.sandbox
def test_lm_eval_runs(tmp_path: Path) -> None:
    installed(LmEvalArcEasy)
    rows = [{"id": f"q{i}", "question": f"Which is {i}?", "choices": [str(i), "none"], "answer": 0} for i in range(3)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in rows))
    task = f"lm_eval_arc_easy::data_source.path={data},data_source.subset=null"
    trials = trials_of(tmp_path / "store", "scripted/echo", task, 2)
    assert [t.status for t in trials] == ["ok", "ok"]
    for trial in trials:
        assert trial.output is not None
        likely = [c.logprob for c in trial.output.continuations]
        assert trial.scores["acc"].value == float(likely[0] == max(likely))


@pytest.mark.slow
@pytest.mark.sandbox
def test_inspect_runs(tmp_path: Path) -> None:
    installed(InspectArithmetic)
    trials = trials_of(tmp_path / "store", "scripted/constant::answer=7", "inspect_arithmetic", 4)
    assert len(trials) == 4
    for trial in trials:
        assert trial.output is not None and trial.output.text == "7"
        assert trial.scores["match"].value == float(trial.instance.gold_answer == "7")


@pytest.mark.slow
@pytest.mark.sandbox
def test_reasoning_gym_runs(tmp_path: Path) -> None:
    installed(ReasoningGymMix)
    trials = trials_of(tmp_path / "store", "scripted/constant::answer=7", "reasoning_gym", 6)
    assert [t.usage.calls for t in trials] == [1] * 6
    assert all(t.scores["score"].value is not None for t in trials)
