"""`weigh diff`: exactly the questions that `compare` counts as won and lost, with what both arms said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipeline.conftest import Bench
from weigh.cli.main import main
from weigh.cli.side_by_side import diff_markdown, diff_text, marked
from weigh.cli.terminal import style
from weigh.pipeline.answers import choices
from weigh.pipeline.compare import compare
from weigh.pipeline.diff import Diff, Options, diff, likeness, natural
from weigh.records.errors import DefinitionError
from weigh.records.instance import Instance
from weigh.records.request import Continuation, LoglikelihoodRequest, Output
from weigh.records.run import MetricInfo
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Timing, Trial


def script(bench: Bench, name: str, wrong: dict[str, str]) -> str:
    """A model that answers every question rightly except some; returns its spec."""
    answers = {row["q"]: row["a"] for row in bench.data} | wrong
    # Longest key first, so that q1 does not answer for q10.
    (bench.folder / f"{name}.json").write_text(json.dumps(answers))
    return f"scripted/{bench.folder / name}.json::label={name}"


@pytest.fixture
def two(bench: Bench) -> Bench:
    """Old is wrong on q1, q2 and q3; new on q3 (another answer) and q4."""
    bench.rows(6)
    old = script(bench, "old", {"q1": "this is no", "q2": "this is bad", "q3": "never this"})
    new = script(bench, "new", {"q3": "never that", "q4": "this is worse"})
    bench.run(bench.write(), models=(old, new), name="two")
    return bench


def show(bench: Bench, **options: object) -> Diff:
    return diff(bench.store, ["two"], Options(**options))  # type: ignore[arg-type]


def test_flips_are_what_compare_counts(two: Bench) -> None:
    made = show(two)
    row = compare(two.store, ["two"])[0].rows[0]
    assert row.score is not None
    assert (made.won, made.lost, made.tied) == (row.score.wins, row.score.losses, row.score.ties) == (2, 1, 3)
    assert [(q.id, q.change) for q in made.questions] == [("i4", "lost"), ("i1", "won"), ("i2", "won")]
    first = made.questions[0]
    assert (first.a[0].text, first.b[0].text, first.target) == ("q4", "this is worse", "q4")
    assert first.a[0].prompt is not None and "q4" in first.a[0].prompt


@pytest.mark.parametrize(
    ("which", "ids"),
    [
        ("won", ["i1", "i2"]),
        ("lost", ["i4"]),
        ("changed", ["i1", "i2", "i3", "i4"]),
        ("all", [f"i{i}" for i in range(6)]),
    ],
)
def test_which_questions(two: Bench, which: str, ids: list[str]) -> None:
    made = show(two, show=which, sort="id")
    assert [q.id for q in made.questions] == ids
    assert made.changed == (4 if which == "changed" else None)


def test_order_and_limit(two: Bench) -> None:
    made = show(two, show="all", sort="similarity", limit=2)
    assert made.matching == 6 and len(made.questions) == 2
    assert {q.id for q in made.questions} <= {"i1", "i2", "i4"}  # q3: "never this" and "never that" share a word
    assert "4 more; --limit 0 shows all 6" in diff_text(made)
    tokens = show(two, show="all", sort="tokens")
    assert tokens.questions[0].id == "i4"  # the one on which the new model talks
    assert [q.id for q in show(two, show="all", sort="id", limit=None).questions] == [f"i{i}" for i in range(6)]


def test_one_question_by_name(two: Bench) -> None:
    made = show(two, instance="i5")
    assert [(q.id, q.change, q.same_output) for q in made.questions] == [("i5", "tied", True)]
    assert "(the same output)" in diff_text(made)
    with pytest.raises(DefinitionError, match=r"has no question 'i55' .* did you mean 'i5'"):
        show(two, instance="i55")


def test_no_flips_is_a_line(bench: Bench) -> None:
    bench.rows(3)
    models = (script(bench, "one", {"q1": "no"}), script(bench, "other", {"q1": "nope"}))
    bench.run(bench.write(), models=models, name="two")
    made = show(bench)
    assert made.questions == ()
    assert "no flips: both arms have the same score on all 3 questions; --changed" in diff_text(made)
    assert [q.id for q in show(bench, show="changed").questions] == ["i1"]
    assert "B won no question (0 lost, 3 tied)" in diff_text(show(bench, show="won"))


def test_a_question_only_one_run_has_is_named(bench: Bench) -> None:
    bench.rows(5)
    task = bench.write()
    first = bench.run(task, models=(script(bench, "old", {}),), name="first")
    second = bench.run(task, models=(script(bench, "new", {"q1": "no"}),), name="second", limit=3)
    words = [first.run.id, second.run.id]
    made = diff(bench.store, words)
    assert made.paired == 3 and len(made.unpaired["only in A"]) == 2
    assert "2 questions only in A" in diff_text(made)
    alone = made.unpaired["only in A"][0]
    with pytest.raises(DefinitionError, match="cannot be laid side by side: it is only in A"):
        diff(bench.store, words, Options(instance=alone))


def test_every_epoch_is_scored_and_one_that_differs_is_shown(bench: Bench) -> None:
    bench.rows(2)
    (bench.folder / "turns.json").write_text(json.dumps(["q0", "q1", "q0", "no", "q0", "q1"]))
    steady = script(bench, "steady", {})
    flaky = f"scripted/{bench.folder / 'turns.json'}::label=flaky"
    bench.run(bench.write(), models=(steady, flaky), name="two", epochs=3, concurrency=1)
    made = show(bench, show="all")
    assert all(len(q.a) == len(q.b) == 3 for q in made.questions)
    flips = show(bench)
    assert flips.lost == len(flips.questions) >= 1
    worst = flips.questions[0]
    assert worst.value_b == pytest.approx(sum(x.value or 0 for x in worst.b) / 3)
    text = diff_text(flips)
    assert "A scores  1 1 1" in text and "B scores  " in text
    assert text.count("(weigh trial ") == 2 * len(flips.questions)
    assert diff_text(flips, full=True).count("(weigh trial ") == 6 * len(flips.questions)


def test_a_failed_epoch_says_so(bench: Bench) -> None:
    bench.rows(4)
    good = script(bench, "good", {})
    bad = script(bench, "bad", {"q1": "no"}) + ",refuse_every=4"
    bench.run(bench.write(), models=(good, bad), name="two", concurrency=1, allow_errors=9)
    made = show(bench, show="all")
    assert made.paired == 3
    lost = made.unpaired["without an answer, since trials failed"]
    assert len(lost) == 1
    with pytest.raises(DefinitionError, match="since trials failed"):
        show(bench, instance=lost[0])


def test_several_shared_tasks_want_a_name(bench: Bench) -> None:
    bench.rows(3)
    spec = bench.write()
    models = (script(bench, "old", {}), script(bench, "new", {"q1": "no"}))
    bench.run(f"{spec}:2shot,{spec}", models=models, name="two")
    with pytest.raises(DefinitionError, match="share 2 tasks; name one with --task"):
        show(bench)
    assert show(bench, task=bench.name).task == bench.name
    assert show(bench, task=f"{bench.name}:2shot").task == f"{bench.name}:2shot"


def test_three_arms_are_refused(bench: Bench) -> None:
    bench.rows(2)
    models = tuple(script(bench, name, {"q1": name}) for name in ("x", "y", "z"))
    bench.run(bench.write(), models=models, name="three")
    with pytest.raises(DefinitionError, match="takes two arms, and there are 3: x, y, z"):
        diff(bench.store, ["three"])


def ranked(logprobs: list[float], picked: int | None) -> Trial:
    request = LoglikelihoodRequest(context="Q?", continuations=(" a", " b"))
    output = Output(continuations=tuple(Continuation(logprob=p, num_tokens=1) for p in logprobs))
    score = Score(value=1.0, metadata={} if picked is None else {"picked": picked})
    return Trial(
        id="t", run="r", key="k", arm="a", task="t", instance=Instance(gold_answer=1, choices=("a", "b")),
        instance_digest="d", status="ok", trajectory=Trajectory(request=request, output=output),
        scores={"choice": score}, timing=Timing(started=0, total=0),
    )  # fmt: skip


def test_choices_carry_both_rankings() -> None:
    metric = MetricInfo(name="choice", scorer="choice")
    made = choices(ranked([-1.0, -2.0], 0), ranked([-3.0, -4.0], 1), metric)  # B's pick is by a length-normalised score
    assert [(c.text, c.target, c.picked_a, c.picked_b) for c in made] == [
        (" a", False, True, False),
        (" b", True, False, True),
    ]
    assert (made[1].logprob_a, made[1].logprob_b) == (-2.0, -4.0)
    assert choices(ranked([-1.0, -2.0], None), ranked([-3.0, -1.0], None), metric)[1].picked_b


def test_marks() -> None:
    assert marked("It is Paris.", "It is Rome.", False) == ("It is [-Paris-].", "It is {+Rome+}.")
    assert marked("a b\nc", "a\nc", False) == ("a[- b-]\nc", "a\nc")
    assert marked("one", "two", False) == ("one", "two")  # nothing in common: no marks
    assert marked("It is x", "It is y", True) == (f"It is {style(31)}x{style(0)}", f"It is {style(32)}y{style(0)}")
    long = " ".join(f"w{i}" for i in range(3000))
    assert marked(long, long + " end", False) == (long, long + " end")  # too long for words, and one line


def test_helpers() -> None:
    assert sorted(["q10", "q2", "q1", "a", "7"], key=natural) == ["7", "a", "q1", "q2", "q10"]
    assert likeness("x", "x") == 1 and likeness("x", "y") == 0 and 0 < likeness("a b", "a c") < 1


def test_from_the_command_line(two: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = ["--store", str(two.store.path)]
    assert main(["diff", "two", "--lost", *store]) == 0
    out = capsys.readouterr().out
    assert "i4  lost: B is worse  1 -> 0" in out and "| q4" in out and "this is worse" in out
    assert main(["diff", "two", "--format", "json", "-o", str(tmp_path / "d.json"), *store]) == 0
    assert json.loads((tmp_path / "d.json").read_text())["matching"] == 3
    assert main(["diff", "two", "--format", "md", *store]) == 0
    assert capsys.readouterr().out.strip() == diff_markdown(show(two)).strip()
    assert main(["diff", "two", "--won", "--lost", *store]) == 2
    assert main(["diff", "two", "--limit", "x", *store]) == 2
