"""`weigh trend`: points in the right order, steps tested on shared questions and corrected, honest at the edges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipeline.conftest import Bench
from weigh.analyze.paired import compare_pairs
from weigh.cli.main import main
from weigh.cli.trend_plot import scale
from weigh.cli.trend_text import flat_rows, trend_text
from weigh.pipeline.axis import order_axis
from weigh.pipeline.plot_scores import trend_drawing
from weigh.pipeline.sides import Member
from weigh.pipeline.trend import Options, TrendReport, trend
from weigh.records.arm import Arm, Axis
from weigh.records.errors import DefinitionError
from weigh.records.run import Run


def script(bench: Bench, name: str, right: int, options: str) -> str:
    """A model that answers the first `right` questions rightly; returns its spec."""
    answers = {row["q"]: row["a"] if i < right else f"no, {name}" for i, row in enumerate(bench.data)}
    (bench.folder / f"{name}.json").write_text(json.dumps(answers))
    return f"scripted/{bench.folder / name}.json::{options}"


def train(bench: Bench, steps: dict[int, int], label: str = "toy", **options: object) -> None:
    """One run a step, the newest first, so that the order of runs is not the order of steps."""
    task = bench.write()
    for step, right in sorted(steps.items(), reverse=True):
        spec = script(bench, f"{label}{step}", right, f"label={label},step={step}")
        bench.run(task, models=(spec,), name=f"{label}-{step}", **options)


def follow(bench: Bench, *words: str, **options: object) -> TrendReport:
    return trend(bench.store, words, Options(**options))  # type: ignore[arg-type]


def test_steps_are_paired_comparisons_corrected_for_their_number(bench: Bench) -> None:
    bench.rows(30)
    train(bench, {900: 6, 1000: 7, 2000: 22})
    report = follow(bench)
    assert (report.axis, report.ordered_by) == ("step", "by number")
    (line,) = report.lines
    assert [p.label for p in line.points] == ["900", "1000", "2000"]
    assert [p.estimate.mean for p in line.points] == pytest.approx([6 / 30, 7 / 30, 22 / 30])
    assert [s.verdict for s in line.steps] == ["unresolved", "better"]
    expected = compare_pairs([1] * 7 + [0] * 23, [1] * 22 + [0] * 8)
    made = line.steps[1].comparison
    assert (made.p, made.low, made.mde80) == (expected.p, expected.low, expected.mde80)
    assert expected.p is not None and made.p_adjusted == pytest.approx(2 * expected.p)
    assert line.overall is not None and line.overall.comparison.difference == pytest.approx(16 / 30)
    # On one question that changed no step can be seen, so that step has no part in it.
    assert [s.comparison.mde80 is None for s in line.steps] == [True, False]
    assert line.smallest_visible == made.mde80


def test_a_point_leaves_its_band_when_its_step_is_shown(bench: Bench) -> None:
    bench.rows(30)
    train(bench, {1: 6, 2: 7, 3: 22})
    (line,) = follow(bench, correction="none").lines
    for point, step in zip(line.points[1:], line.steps, strict=True):
        assert step.band_low is not None and step.band_high is not None and point.estimate.mean is not None
        outside = not step.band_low <= point.estimate.mean <= step.band_high
        assert outside == (step.verdict != "unresolved")


def test_one_point_only(bench: Bench) -> None:
    bench.rows(10)
    train(bench, {5: 6})
    report = follow(bench)
    text = trend_text(report, "table")
    assert "One point only on step (5): there is nothing to compare it with." in text
    assert "assuming another arm of equal variance and correlation 0.5" in " ".join(text.split())
    assert report.lines[0].steps == ()


def test_nothing_changed_anywhere(bench: Bench) -> None:
    bench.rows(10)
    train(bench, {1: 6, 2: 6})
    report = follow(bench)
    text = " ".join(trend_text(report, "table").split())
    assert "The step is not shown." in text
    assert "No question changed its score, so the smallest step it could have shown cannot be measured." in text


def test_no_shared_task(bench: Bench) -> None:
    bench.rows(5)
    task = bench.write()
    bench.run(task, models=(script(bench, "x", 3, "label=toy,step=1"),), name="x")
    bench.run(f"{task}:2shot", models=(script(bench, "y", 3, "label=toy,step=2"),), name="y")
    with pytest.raises(DefinitionError, match=r"share no task \(1 has .*; 2 has .*\)"):
        follow(bench)
    third = script(bench, "z", 2, "label=toy,step=3")
    bench.run(task, models=(third,), name="z")
    report = follow(bench)
    assert [one.task for one in report.lines] == [bench.name]
    assert any("left out, since they have one point only" in note for note in report.notes)


def test_two_models_are_two_lines(bench: Bench) -> None:
    bench.rows(12)
    train(bench, {1: 3, 2: 4}, label="small")
    train(bench, {1: 6, 2: 12}, label="large")
    report = follow(bench)
    assert [(one.series["model"], [p.estimate.mean for p in one.points]) for one in report.lines] == [
        ("large", [0.5, 1.0]),
        ("small", [0.25, pytest.approx(1 / 3)]),
    ]
    # One family: the corrected p counts the steps of both lines.
    assert sum(s.comparison.p_adjusted is not None for one in report.lines for s in one.steps) == 2
    large = report.lines[0].steps[0].comparison
    assert large.p is not None and large.p_adjusted == pytest.approx(2 * large.p)


def test_repeating_a_checkpoint_is_no_second_point(bench: Bench) -> None:
    bench.rows(8)
    train(bench, {1: 3, 2: 4})
    spec = script(bench, "toy2", 4, "label=toy,step=2")
    bench.run(bench.write(), models=(spec,), name="again", limit=6)
    (line,) = follow(bench).lines
    assert [p.label for p in line.points] == ["1", "2"]
    assert line.steps[0].comparison.n == 6  # the newest run of a checkpoint counts, on what both have


def test_two_arms_that_nothing_tells_apart_are_refused(bench: Bench) -> None:
    bench.rows(8)
    train(bench, {1: 3, 2: 4})
    other = script(bench, "other", 5, "label=toy,step=2")
    bench.run(bench.write(), models=(other,), name="other")
    with pytest.raises(DefinitionError, match="narrow it"):
        follow(bench)


def test_unequal_failures_withhold_the_step(bench: Bench) -> None:
    bench.rows(20)
    task = bench.write()
    bench.run(task, models=(script(bench, "one", 9, "label=toy,step=1"),), name="one")
    failing = script(bench, "two", 18, "label=toy,step=2,refuse_every=2")
    bench.run(task, models=(failing,), name="two", concurrency=1)
    report = follow(bench)
    step = report.lines[0].steps[0]
    assert step.verdict == "withheld" and step.comparison.p_adjusted is None
    assert "no verdict: the arms failed unequally" in " ".join(trend_text(report, "table").split())


def test_another_version_of_the_task_is_refused(bench: Bench) -> None:
    bench.rows(4)
    bench.run(bench.write(), models=(script(bench, "one", 2, "label=toy,step=1"),), name="one")
    task = bench.write(instruction="Be brief.")
    bench.run(task, models=(script(bench, "two", 2, "label=toy,step=2"),), name="two")
    with pytest.raises(DefinitionError, match="was not the same in the two runs"):
        follow(bench)


def test_wrong_names(bench: Bench) -> None:
    bench.rows(4)
    bench.run(bench.write(), name="plain")
    with pytest.raises(DefinitionError, match="no arm has a step, checkpoint or revision"):
        follow(bench)
    with pytest.raises(DefinitionError, match="no arm has an axis 'stop'"):
        follow(bench, axis="stop")
    with pytest.raises(DefinitionError, match="no run has the task 'nope'"):
        follow(bench, axis="run", tasks=("nope",))
    assert [p.label for p in follow(bench, axis="run").lines[0].points] == ["plain"]


def member(axis: Axis, created: float) -> Member:
    run = Run(id=f"r{created}", name=f"n{created}", created=created)
    return Member(run=run, arm=Arm(id="a", digest=str(axis), axes={"x": axis}))


@pytest.mark.parametrize(
    ("values", "order", "by"),
    [
        ([1000, 200.5, 30], ["30", "200.5", "1000"], "by number"),
        (["step1000", "step900"], ["step900", "step1000"], "by the numbers in its names"),
        (["v5.10", "v5.9.1", "v4"], ["v4", "v5.9.1", "v5.10"], "by version"),
        (["main", "fix", "7f3a"], ["7f3a", "fix", "main"], "by when their runs began"),
    ],
)
def test_order_of_the_axis(values: list[Axis], order: list[str], by: str) -> None:
    members = [member(v, 100.0 - i) for i, v in enumerate(values)]
    made = order_axis(members, "x")
    assert ([p.label for p in made.places], made.by) == (order, by)


def test_an_order_that_is_given() -> None:
    members = [member(v, 1.0) for v in ("base", "sft", "dpo")]
    made = order_axis(members, "x", ("base", "sft"))
    assert [p.label for p in made.places] == ["base", "sft"]
    assert made.notes == ("left out, since --order does not name them: dpo",)
    with pytest.raises(DefinitionError, match="--order: no arm has x='rl'"):
        order_axis(members, "x", ("base", "rl"))
    assert "1 arms have no x and are left out" in order_axis([*members, member(None, 2.0)], "x").notes[0]


def test_the_picture_shows_what_the_table_says(bench: Bench) -> None:
    bench.rows(30)
    train(bench, {1: 6, 2: 7, 3: 22})
    report = follow(bench)
    drawing = trend_drawing(report)
    flat = flat_rows(report, report.lines[0])
    assert [r["x"] for r in drawing.rows] == [1, 2, 3], "steps that are numbers lie as far apart as they are"
    for name, column in (("value", "score"), ("low", "low"), ("high", "high"), ("band_low", "band_low")):
        assert [r[name] for r in drawing.rows] == [r[column] for r in flat]
    assert [r["verdict"] for r in drawing.rows] == ["first", "unresolved", "better"]
    assert drawing.rows[2]["label"].startswith("3: 73.3 (") and "+50.0 since 2, better" in drawing.rows[2]["label"]
    plot = [line for line in trend_text(report, "table").split("\n") if "●" in line]
    assert len(plot) == 3 and plot[0].index("●") < plot[2].index("●")


def test_the_scale_of_the_small_plot() -> None:
    low, high = scale([0.31, 0.28, 0.34, None])
    assert low == pytest.approx(0.28) and high == pytest.approx(0.34)
    assert scale([None]) == (0.0, 1.0)
    assert scale([0.0])[0] < 0 < scale([0.0])[1]


def test_from_the_command_line(bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bench.rows(10)
    train(bench, {1: 2, 2: 9})
    store = ["--store", str(bench.store.path)]
    assert main(["trend", "model=toy", "--axis", "step", "-o", str(tmp_path / "t.svg"), *store]) == 0
    assert "+70.0" in capsys.readouterr().out and (tmp_path / "t.svg").read_text().startswith("<svg")
    assert main(["trend", "--format", "json", *store]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["lines"][0]["steps"][0]["comparison"]["difference"] == pytest.approx(0.7)
    assert main(["trend", "--format", "csv", *store]) == 0
    assert capsys.readouterr().out.count("\n") == 3
    assert main(["trend", "--format", "md", *store]) == 0
    assert "| 2 | 10 | 90.0" in capsys.readouterr().out
