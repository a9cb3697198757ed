"""`weigh power`: plans from measured variances, and a clear line where nothing was measured."""

from __future__ import annotations

import json

import pytest

from tests.pipeline.conftest import Bench
from weigh.analyze.exact_power import mcnemar_questions
from weigh.analyze.power import plan_power
from weigh.cli.main import main
from weigh.cli.power_text import flat_rows, power_text
from weigh.pipeline.compare import compare
from weigh.pipeline.power import Options, PowerReport, power
from weigh.records.errors import DefinitionError
from weigh.store.reader import read_trials

LUCKY = """
import hashlib

def drawn(*parts):
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") / 2**32

def answer(request):
    question = request.messages[-1].content
    right = drawn(question, request.sampling.seed, NAME) < SHARE
    return question if right else "no"
"""


def lucky(bench: Bench, name: str, share: float) -> str:
    """A model that answers each epoch of each question rightly with this probability."""
    (bench.folder / f"{name}.py").write_text(LUCKY.replace("NAME", repr(name)).replace("SHARE", str(share)))
    return f"scripted/{bench.folder / name}.py:answer::label={name}"


def fixed(bench: Bench, name: str, right: set[int]) -> str:
    """A model that answers these questions rightly."""
    answers = {row["q"]: row["a"] if i in right else "no" for i, row in enumerate(bench.data)}
    (bench.folder / f"{name}.json").write_text(json.dumps(answers))
    return f"scripted/{bench.folder / name}.json::label={name}"


def plan(bench: Bench, *words: str, **options: object) -> PowerReport:
    return power(bench.store, words, Options(**options))  # type: ignore[arg-type]


def told(report: PowerReport) -> str:
    return " ".join(power_text(report, "table").split())


def test_two_arms_are_measured(bench: Bench) -> None:
    bench.rows(40)
    models = (fixed(bench, "old", set(range(20))), fixed(bench, "new", set(range(4, 28))))  # 8 won, 4 lost
    bench.run(bench.write(), models=models, name="two")
    report = plan(bench, "two", detect=0.05)
    (row,) = report.rows
    assert row.plan is not None and row.plan.method == "McNemar, exact"
    assert row.plan.questions == int(mcnemar_questions(0.175, 0.125) or 0)
    made = compare(bench.store, ["two"])[0].rows[0].score
    assert made is not None and row.plan.mde80 == pytest.approx(made.mde80)  # one definition of each number
    assert row.plan.resolution == pytest.approx(40 / row.plan.questions)
    text = told(report)
    assert "measured: the paired difference of these two arms" in text
    assert "one epoch: the variance within questions is unknown" in text


def test_one_arm_names_the_correlation_it_assumes(bench: Bench) -> None:
    bench.rows(40)
    bench.run(bench.write(), models=(fixed(bench, "old", set(range(20))),), name="one")
    half, close = plan(bench, "one"), plan(bench, "one", correlation=0.9)
    assert half.rows[0].plan is not None and close.rows[0].plan is not None
    assert "assumed: another arm of equal variances, correlation 0.5" in told(half)
    assert "correlation 0.9" in told(close)
    assert (close.rows[0].plan.questions or 0) < (half.rows[0].plan.questions or 0)
    assert half.rows[0].plan.detect == 0.02 and "--detect asks about another size than 2pp" in told(half)


def test_epochs_split_the_variance(bench: Bench) -> None:
    bench.rows(60)
    models = (lucky(bench, "old", 0.4), lucky(bench, "new", 0.5))
    result = bench.run(bench.write(), models=models, name="two", epochs=4, seed=1)
    report = plan(bench, "two", detect=0.1)
    (row,) = report.rows
    assert row.plan is not None and row.plan.within is not None and row.plan.between is not None
    assert row.plan.epochs == 4 and row.plan.method == "normal"
    # All of it is luck: every question is equally hard.
    assert row.plan.within == pytest.approx(0.4 * 0.6 + 0.5 * 0.5, rel=0.1)
    assert row.plan.between < row.plan.within / 4
    lists: dict[str, dict[str, list[float]]] = {"old": {}, "new": {}}
    for trial in read_trials(bench.store.open(result.run.id)):
        lists[trial.arm].setdefault(trial.instance.id, []).append(trial.scores["exact_match"].value or 0.0)
    ids = sorted(lists["old"])
    by_hand = plan_power([lists["old"][i] for i in ids], [lists["new"][i] for i in ids], detect=0.1)
    assert row.plan.questions == by_hand.questions
    assert row.plan.se == pytest.approx(by_hand.se)
    text = power_text(report, "table")
    assert "trials of each arm" in text and "luck" in text
    more = plan(bench, "two", detect=0.1, epochs=16).rows[0].plan
    assert more is not None and more.epochs == 16 and (more.questions or 0) < (row.plan.questions or 0)


def test_one_epoch_cannot_plan_with_epochs(bench: Bench) -> None:
    bench.rows(10)
    bench.run(bench.write(), models=(fixed(bench, "x", {1, 2}), fixed(bench, "y", {2, 3})), name="two")
    report = plan(bench, "two", epochs=4)
    assert report.rows[0].plan is None
    assert "no plan: one epoch does not tell the variance within questions" in told(report)


def test_no_variance(bench: Bench) -> None:
    bench.rows(10)
    task = bench.write()
    same = (fixed(bench, "x", {1, 2}), fixed(bench, "y", {1, 2}) + ",latency=0.001")
    (bench.folder / "y.json").write_text(json.dumps(json.loads((bench.folder / "y.json").read_text()) | {"zz": "zz"}))
    bench.run(task, models=same, name="same")
    assert "equal scores on every question and epoch: a variance of 0 is no measurement" in told(plan(bench, "same"))
    bench.run(task, models=("scripted/echo",), name="perfect")
    assert "every score is 1: a variance of 0 is no measurement" in told(plan(bench, "perfect"))


def test_too_few_questions(bench: Bench) -> None:
    bench.rows(1)
    bench.run(bench.write(), name="tiny")
    assert "no plan: 1 question is too few to measure a variance" in told(plan(bench, "tiny"))


def test_a_cost_needs_a_size(bench: Bench) -> None:
    bench.rows(10)
    (bench.folder / "talk.json").write_text(json.dumps({f"q{i}": "w " * (i + 1) for i in range(10)}))
    bench.run(bench.write(), models=(f"scripted/{bench.folder / 'talk.json'}",), name="talk")
    assert "say with --detect which difference in tokens is meant" in told(plan(bench, "talk", metric="generated"))
    report = plan(bench, "talk", metric="generated", detect=1.0)
    assert report.rows[0].plan is not None and report.rows[0].plan.method == "normal"
    assert "to see 1 tokens" in told(report)


def test_clusters_are_said(bench: Bench) -> None:
    bench.rows(20)
    for i, row in enumerate(bench.data):
        row["passage"] = f"p{i // 4}"
    task = bench.write()
    path = bench.folder / "bench.py"
    path.write_text(path.read_text().replace('id=row["id"])', 'id=row["id"], cluster=row["passage"])'))
    models = (fixed(bench, "x", set(range(12))), fixed(bench, "y", set(range(4, 20))))
    bench.run(task, models=models, name="two")
    report = plan(bench, "two", detect=0.1)
    (row,) = report.rows
    assert row.plan is not None and row.plan.n_clusters == 5 and row.plan.design_effect > 1
    assert "5 clusters, from the data, multiply the variance by" in told(report)


def test_what_cannot_be_planned_is_refused(bench: Bench) -> None:
    bench.rows(4)
    task = bench.write()
    bench.run(task, models=tuple(fixed(bench, n, {i}) for i, n in enumerate("xyz")), name="three")
    with pytest.raises(DefinitionError, match="one arm or two, and there are 3: x, y, z"):
        plan(bench, "three")
    with pytest.raises(DefinitionError, match="has no task 'nope'"):
        plan(bench, "three:x", tasks=("nope",))
    bench.run(f"{task}:2shot", models=(fixed(bench, "w", {1}),), name="shots")
    with pytest.raises(DefinitionError, match="share no task"):
        plan(bench, "three:x", "shots")


def test_from_the_command_line(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.rows(10)
    bench.run(bench.write(), models=(fixed(bench, "x", {1, 2}), fixed(bench, "y", {2, 3, 4})), name="two")
    store = ["--store", str(bench.store.path)]
    assert main(["power", "two:x", "two:y", "--detect", "5pp", *store]) == 0
    assert "to see 5 points" in capsys.readouterr().out
    assert main(["power", "two", "--detect", "0.05", "--format", "json", *store]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["rows"][0]["plan"]["detect"] == 0.05
    assert main(["power", "two", "--format", "csv", *store]) == 0
    assert capsys.readouterr().out.startswith("task,metric,n,")
    assert main(["power", "two", "--format", "md", *store]) == 0
    assert "| task | metric |" in capsys.readouterr().out
    assert main(["power", "two", "--correlation", "1", *store]) == 2
    assert main(["power", "two", "--epochs", "0", *store]) == 2
    assert flat_rows(plan(bench, "two"))[0]["assumption"].startswith("measured")
