"""What a study shows: arms, verdicts for each model, both scopes, and the same through `weigh compare`."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tests.study.kit import make_study
from tests.study.test_study_run import run, trials
from weigh.analyze.spread import spread
from weigh.cli.main import main
from weigh.cli.study_results_text import results_text
from weigh.define.study import StudyCompare, read_study
from weigh.pipeline.compare import compare
from weigh.pipeline.compare_options import Options
from weigh.pipeline.effort import TAKEN
from weigh.pipeline.study import StudyChanges
from weigh.pipeline.study_results import study_results
from weigh.records.errors import DefinitionError
from weigh.store.layout import Store
from weigh.store.reader import read_trials

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("bubblewrap")]

WEAK = """
def answer(request):
    return "I would greet Ada. greet Ada says hello Ada, I think."
"""

MODELS = """models:
  - {{model: "scripted/{folder}/weak.py:answer", name: weak, size: 0.1}}"""


@pytest.fixture
def compared(study: Path, library: Path) -> Path:
    """Two models: one uses the command, which the second revision makes worth while; one only talks."""
    models = MODELS.format(folder=study.parent)
    changes = {"models:": models, "epochs: 2": "epochs: 4\ntasks: [shout, tell]", "[bare, skill]": "[bare]"}
    (study.parent / "weak.py").write_text(WEAK)
    return make_study(study.parent, library, changes)


async def test_results_verdicts_and_the_comparison_say_the_same(
    compared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await run(compared)
    assert result.failed == {}
    store = Store(compared.parent / "store")
    made = study_results(store, store.runs()[0])
    assert [a.arm.axes["model"] for a in made.arms] == ["weak", "weak", "small", "small"]
    by_arm = {a.arm.id: a for a in made.arms}
    first, second = by_arm["small/coder/v1.0.0/bare"], by_arm["small/coder/v1.1.0/bare"]
    assert first.match is not None and second.match is not None
    assert (first.match.mean, second.match.mean, second.match.n, second.trials) == (0.5, 1.0, 2, 8)
    assert (second.taken["turns"].median, second.adoption["cli"].mean) == (2.0, 1.0)
    assert by_arm["weak/coder/v1.1.0/bare"].adoption["cli"].mean == 0.0
    [contrast] = made.contrasts
    assert (contrast.axis, contrast.a, contrast.b) == ("revision", "v1.0.0", "v1.1.0")
    weak, small = contrast.models
    assert (weak.model, weak.given, weak.verdict) == ("weak", "cannot tell", "cannot tell")
    # Two tasks cannot say anything about tasks like these; on these tasks, four epochs each can.
    assert (small.given, small.verdict) == ("helps", "cannot tell")
    assert contrast.interaction is not None
    assert contrast.interaction.axis == "size"
    # The other way round it hurts, and what is within a margin is no difference.
    back = StudyCompare(axis="revision", a="v1.1.0", b="v1.0.0")
    [reverse] = study_results(store, store.runs()[0], [back], Options(margin=0.6)).contrasts
    assert [v.given for v in reverse.models] == ["no difference", "hurts"]
    text = results_text(made, "table")
    assert "revision v1.1.0 against v1.0.0" in text
    assert "helps (p = " in text
    assert "the epochs were asked at temperature 0" in text
    assert "whether the sizes differ: cannot tell" in text
    flat = json.loads(results_text(made, "json"))
    row = {row["arm"]: row for row in flat}["small/coder/v1.1.0/bare"]
    assert row["match"] == 1.0
    known = {name: row[name] for name in TAKEN if row[name] is not None}
    assert known.keys() >= {*TAKEN} - {"cost", "cached", "answer_call"}
    assert (known["tool_calls"], known["recoveries"], known["files_read"], known["help"]) == (1, 0, 1, 0)
    assert 0 < known["tool_seconds"] <= known["seconds"]
    assert csv.DictReader(results_text(made, "csv").splitlines()).fieldnames == list(row)
    # A price is shown where there is one, and whatever there is to show, no line is wider than a page.
    assert "cost" not in text.splitlines()[6]
    priced = [
        msgspec.structs.replace(
            a, taken={**a.taken, "cost": spread([0.0101, 0.0202]), "cached": spread([10234, 99999])}
        )
        for a in made.arms
    ]
    lines = results_text(msgspec.structs.replace(made, arms=tuple(priced), contrasts=()), "table").splitlines()
    assert max(map(len, lines)) <= 118
    heads = [line.split() for line in lines if line.startswith("model")]
    assert heads[0][:5] == ["model", "revision", "tier", "n", "trials"]
    assert [word for head in heads[1:] for word in head[3:]] == [
        "time", "turns", "calls", "errors", "new", "cached", "generated", "cost",
    ]  # fmt: skip
    assert any("$0.0152 [$0.0126-$0.0177]" in line for line in lines)

    [report] = compare(store, ["revision=v1.0.0", "revision=v1.1.0"], Options(by="model"))
    assert [(r.group, r.score.difference if r.score else None) for r in report.levels] == [
        ("weak", 0.0),
        ("small", 0.5),
    ]
    [suite] = report.suites
    assert suite.given is not None and suite.comparison is not None
    assert (suite.given.scope, suite.comparison.difference) == ("these tasks", 0.25)
    assert suite.given.difference == pytest.approx(0.25)
    with pytest.raises(DefinitionError, match=r"--by revision: .* it is what is compared"):
        compare(store, ["revision=v1.0.0", "revision=v1.1.0"], Options(by="revision"))
    with pytest.raises(DefinitionError, match="--by tier: both sides have only bare"):
        compare(store, ["revision=v1.0.0", "revision=v1.1.0"], Options(by="tier"))
    words = ["compare", "revision=v1.0.0", "revision=v1.1.0", "--by", "model", "--store", str(store.path)]
    assert main(words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "all questions, small" in said
    assert "Over all tasks, by model, B is at weak not resolved and at small not resolved" in said


async def test_a_study_is_shown_task_by_task_and_trial_by_trial(
    compared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(compared)

    def shown(*words: str) -> str:
        with ThreadPoolExecutor(1) as pool:  # the command has an event loop of its own
            code = pool.submit(main, ["study", "show", str(compared), *words]).result()
        assert code == 0
        return capsys.readouterr().out

    lines = shown("--by", "task").splitlines()
    assert lines[0].split() == ["model", "revision", "shout", "tell"]
    assert ["small", "v1.0.0", "0.0", "100.0"] in [line.split() for line in lines]
    assert lines[-1] == "match in percent; 4 trials each"
    narrow = shown("--by", "task", "--only", "model=small,revision=v1.0.0").splitlines()
    assert [line.split() for line in narrow[:3]] == [
        ["task", "small/coder/v1.0.0/bare"],
        ["shout", "0.0"],
        ["tell", "100.0"],
    ]
    flat = json.loads(shown("--by", "task", "--format", "json", "-t", "shout"))
    assert {(row["model"], row["revision"]): row["match"] for row in flat if row["task"] == "shout"} == {
        ("weak", "v1.0.0"): 0.0, ("weak", "v1.1.0"): 0.0, ("small", "v1.0.0"): 0.0, ("small", "v1.1.0"): 1.0,
    }  # fmt: skip

    part = ["--trials", "-t", "shout", "--only", "model=small,revision=v1.1.0"]
    listed = json.loads(shown(*part, "--format", "json"))
    wanted = {t.id for t in trials(compared) if t.task == "greet.shout" and t.arm == "small/coder/v1.1.0/bare"}
    assert {row["id"] for row in listed} == wanted
    assert {(row["task"], row["tier"], row["match"], row["turns"]) for row in listed} == {("shout", "bare", 1.0, 2)}
    assert listed[0]["id"] in shown(*part)

    # What is asked for a part is about that part.
    text = shown("-t", "shout", "--only", "model=small")
    assert [line.split()[:4] for line in text.splitlines()[1:3]] == [
        ["small", "v1.0.0", "bare", "1"],
        ["small", "v1.1.0", "bare", "1"],
    ]
    assert "helps" in text and "weak" not in text


async def test_shared_leaves_out_what_only_some_arms_ran(compared: Path) -> None:
    await run(compared, StudyChanges(tasks=("tell",)))
    await run(compared, StudyChanges(tasks=("shout",), only=("model=small",)))
    store = Store(compared.parent / "store")
    words = ["revision=v1.0.0", "revision=v1.1.0"]
    [every] = compare(store, words)
    assert {row.task: row.pairing.paired for row in every.rows} == {"greet.shout": 1, "greet.tell": 2}
    [shared] = compare(store, words, Options(shared=True))
    assert {row.task: row.pairing.paired for row in shared.rows} == {"greet.tell": 2}
    assert [s.comparison.n for s in shared.suites if s.comparison] == [2]
    assert shared.notes == ("--shared leaves out greet.shout: no question of it is in every context",)


async def test_a_recorded_study_is_replayed_without_its_models(compared: Path) -> None:
    recorded = await run(compared, StudyChanges(tasks=("shout",), overrides=("record=true",)))
    assert recorded.executed == 16
    before = {t.cell: t.output.text for t in trials(compared) if t.output}
    for name in ("answers.py", "weak.py"):
        (compared.parent / name).write_text("def answer(request):\n    raise RuntimeError('a model was asked')\n")
    result = await run(compared, StudyChanges(tasks=("shout",), replay=""))
    assert (result.executed, result.failed) == (16, {})
    store = Store(compared.parent / "store-replay")
    again = {t.cell: t.output.text for r in store.runs() for t in read_trials(store.open(r.id)) if t.output}
    assert again == before
    assert len(Store(compared.parent / "store").runs()) == 1


def test_killed_in_the_middle_it_goes_on_with_the_same_matrix(study: Path, library: Path) -> None:
    slow = {"answers.py:answer": "answers.py:answer::latency=0.5", "epochs: 2": "epochs: 4", "[bare, skill]": "[bare]"}
    study = make_study(study.parent, library, slow)
    words = [sys.executable, "-m", "weigh", "study", "run", str(study), "-q", "--concurrency", "2", "-t", "tell,shout"]
    first = subprocess.Popen(words, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and len(_stored(study)) < 4:
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = {t.id for t in trials(study)}
    assert 4 <= len(before) < 16
    study.write_text(study.read_text().replace("latency=0.5", "latency=0"))  # no part of what is asked
    done = subprocess.run([*words, "--format", "json"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{16 - len(before)} run, {len(before)} reused" in done.stderr
    after = trials(study)
    cells = [t.cell for t in after]
    assert len(cells) == len(set(cells)) == 16
    assert before <= {t.id for t in after}
    assert len(Store(study.parent / "store").runs()) == 1


def _stored(file: Path) -> list[str]:
    journals = (file.parent / "store").glob("runs/*/journal/*.jsonl")
    return [line for path in journals for line in path.read_text().splitlines() if "greet." in line]


def test_a_study_is_read_where_it_lies(compared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_study(compared).store == str(compared.parent / "store")


async def test_an_unfinished_study_is_judged_by_the_tasks_that_were_run(compared: Path) -> None:
    for done, task in enumerate(("tell", "shout"), start=1):
        await run(compared, StudyChanges(tasks=(task,)))
        store = Store(compared.parent / "store")
        [contrast] = study_results(store, store.runs()[0]).contrasts
        for one in contrast.models:
            [suite] = one.report.suites
            assert suite.comparison is not None and suite.comparison.n == done
            assert [row.score.n for row in one.report.rows if row.score is not None and row.score.n] == [1] * done


async def test_a_size_that_two_models_share_does_not_stand_for_either(compared: Path) -> None:
    text = compared.read_text()
    (compared.parent / "other.py").write_text(WEAK + "\n# Another model.\n")
    other = f'  - {{model: "scripted/{compared.parent}/other.py:answer", name: other, size: 0.1}}\nrevisions:'
    compared.write_text(text.replace("revisions:", other).replace("epochs: 4", "epochs: 1"))
    # Of the third only one revision has run: it has no verdict, and its trials are in nobody else's.
    await run(compared, StudyChanges(only=("model=weak", "model=small", "model=other,revision=v1.0.0")))
    store = Store(compared.parent / "store")
    [contrast] = study_results(store, store.runs()[0]).contrasts
    assert contrast.interaction is not None
    assert (contrast.interaction.axis, contrast.interaction.levels) == ("model", ("weak", "small"))
