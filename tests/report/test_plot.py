"""Pictures for paper: their rows are the numbers of the tables, and every kind is drawn by the real renderer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.pipeline.compare_kit import put
from weigh.analyze.front import beaten_by, pareto_front
from weigh.cli.commands.plot import specification
from weigh.cli.main import main
from weigh.pipeline.compare import compare
from weigh.pipeline.compare_options import Options as CompareOptions
from weigh.pipeline.plot import KINDS, draw
from weigh.pipeline.plot_rows import Options
from weigh.pipeline.results import summarize
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo, SuiteNode
from weigh.report.paper import render, styled
from weigh.store.layout import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three arms on two tasks of one suite, with costs, markers and steps."""
    made = Store(tmp_path_factory.mktemp("store"))
    chance = random.Random(1)
    ids = [f"q{i}" for i in range(40)]
    suite = SuiteNode(name="both", members=("sums", "words"))
    for number, (arm, right, cost) in enumerate((("small", 0.3, 100), ("middle", 0.35, 400), ("large", 0.8, 900))):
        put(
            made, arm, {t: {q: float(chance.random() < right) for q in ids} for t in ("sums", "words")}, arm=arm,
            axes={"step": 100 * (number + 1) ** 2}, suites=(suite,), created=1000.0 + number,
            markers={
                "cli": dict.fromkeys(ids, float(number > 0)),
                "python": {q: float(i % 4 == 0) for i, q in enumerate(ids)},
            },
            tokens={q: cost + chance.randrange(50) for q in ids},
        )  # fmt: skip
    return made


def test_scores_are_those_of_the_table(store: Store) -> None:
    drawing = draw(store, "scores", ["small", "large"], Options())
    rows = {(r["series"], r["row"]): (r["value"], r["low"], r["high"]) for r in drawing.rows}
    for name in ("small", "large"):
        for row in summarize(store, store.find(name)).rows:
            assert row.estimate is not None
            assert rows[name, row.task] == (row.estimate.mean, row.estimate.low, row.estimate.high)
    assert len(rows) == 6 and {r for _, r in rows} == {"sums", "words", "both"}
    only = draw(store, "scores", ["small"], Options(tasks=("sums",), level=0.8))
    assert [r["row"] for r in only.rows] == ["sums"] and only.rows[0]["low"] > rows["small", "sums"][1]


@pytest.mark.parametrize("kind", ["scores", "markers"])
def test_along_an_axis_are_the_same_numbers(store: Store, kind: str) -> None:
    names = ["large", "middle", "small"]
    plain, made = (draw(store, kind, names, Options(over=over)) for over in (None, "step"))
    step = {"small": "100", "middle": "400", "large": "900"}
    assert {(r["panel"], r["x"], r["value"], r["low"], r["high"], r["label"]) for r in made.rows} == {
        (r["row"], step[r["series"]], r["value"], r["low"], r["high"], r["label"]) for r in plain.rows
    }
    assert made.chart == "line" and [r["x"] for r in made.rows[:3]] == ["100", "400", "900"]
    assert {r["series"] for r in made.rows} == {"all"}, "model and step split the arms alike"
    assert made.settings["x_title"] == "step" and made.settings["percent"]


def test_lines_of_an_axis_are_what_differs_besides(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    made = Store(tmp_path)
    for number, (size, tier) in enumerate(
        ((1.5, "skill"), (1.5, "bare"), (0.5, "skill"), (0.5, "bare"), (None, "bare"))
    ):
        axes = {"model": f"m{size}", "tier": tier} | ({"size": size} if size else {})
        put(made, f"r{number}", {"a": {"q": number / 10}}, arm=f"arm{number}", axes=axes, created=1000.0 + number)
    names = [f"r{number}" for number in range(5)]
    drawing = draw(made, "scores", names, Options(over="size"))
    assert [(r["x"], r["series"], r["value"]) for r in drawing.rows] == [
        ("0.5", "m0.5 · skill", 0.2), ("0.5", "m0.5 · bare", 0.3),
        ("1.5", "m1.5 · skill", 0.0), ("1.5", "m1.5 · bare", 0.1),
    ]  # fmt: skip
    assert "left out, since they have no size: arm4" in drawing.notes
    by_tier = draw(made, "scores", names[:4], Options(over="tier"))
    assert {r["series"] for r in by_tier.rows} == {"m0.5", "m1.5"}
    assert render(specification(by_tier), ".svg").startswith(b"<svg")
    put(
        made,
        "again",
        {"a": {"q": 1.0}},
        arm="arm0",
        axes={"model": "m1.5", "tier": "skill", "size": 1.5},
        created=5000.0,
    )
    with pytest.raises(DefinitionError, match="r0 and again are both at skill; name one of them"):
        draw(made, "scores", [*names[:4], "again"], Options(over="tier"))


def test_differences_are_those_of_compare(store: Store) -> None:
    drawing = draw(store, "differences", ["small", "large"], Options())
    (report,) = compare(store, ["small", "large"], CompareOptions())
    assert [r["row"] for r in drawing.rows] == ["sums", "words", "both"]
    for row, made in zip(drawing.rows, report.rows, strict=False):
        assert made.score is not None
        assert (row["value"], row["low"], row["high"]) == (made.score.difference, made.score.low, made.score.high)
        assert row["band_high"] == made.score.mde80 == -row["band_low"] and row["verdict"] == made.verdict == "better"
    three = draw(store, "differences", ["small", "middle", "large"], Options(tasks=("sums",)))
    assert [r["row"] for r in three.rows] == ["sums: middle", "sums: large"]
    ratios = draw(store, "differences", ["small", "large"], Options(metric="tokens", tasks=("sums",)))
    assert ratios.settings["null"] == 1.0 and 7 < ratios.rows[0]["value"] < 9 and ratios.rows[0]["verdict"] == "worse"


def test_cost_shows_the_arms_that_none_beats(store: Store) -> None:
    drawing = draw(store, "cost", ["small", "middle", "large"], Options(tasks=("sums",)))
    costs = {r["series"]: r["x"] for r in drawing.rows}
    assert 100 <= costs["small"] < 150 and 900 <= costs["large"] < 950
    assert drawing.more is not None and drawing.more[-1]["x"] == costs["large"]
    suite = draw(store, "cost", ["small", "large"], Options())
    assert suite.settings["y_title"] == "both, score", "a suite with an aggregate needs no -t"


def test_the_front() -> None:
    assert pareto_front([3, 1, 2, 2], [0.9, 0.5, 0.4, 0.7]) == [1, 3, 0]
    assert pareto_front([1, 2], [0.3, 0.5], lower_is_better=True) == [0]
    assert pareto_front([1, 1], [0.5, 0.5]) == [0] and pareto_front([], []) == []
    assert beaten_by([3, 1, 2, 2], [0.9, 0.5, 0.4, 0.7]) == [[], [], [1, 3], []]
    dice = random.Random(1)
    for lower in (False, True):
        for _ in range(200):
            costs, scores = ([dice.randrange(5) for _ in range(6)] for _ in range(2))
            some = sorted(dice.sample(range(6), 4))
            front = pareto_front([costs[i] for i in some], [scores[i] for i in some], lower_is_better=lower)
            beaten = beaten_by(costs, scores, lower_is_better=lower)
            unbeaten = [place for place, i in enumerate(some) if not set(beaten[i]) & set(some)]
            assert unbeaten == sorted(front), "of any part of them"
    with pytest.raises(ValueError, match="1 costs and 2 scores"):
        pareto_front([1], [1, 2])


def test_trials_and_boxes(store: Store) -> None:
    drawing = draw(store, "trials", ["small", "large"], Options(tasks=("sums",)))
    assert len(drawing.rows) == 80 and drawing.more is not None
    small = sorted(r["value"] for r in drawing.rows if r["row"] == "small")
    assert drawing.more[0]["median"] == pytest.approx((small[19] + small[20]) / 2)
    assert drawing == draw(store, "trials", ["small", "large"], Options(tasks=("sums",))), "the same picture again"


def test_markers_are_shares_of_trials(store: Store) -> None:
    drawing = draw(store, "markers", ["small", "large"], Options())
    found = {(r["row"], r["series"]): r["value"] for r in drawing.rows}
    assert found == {("cli", "small"): 0, ("cli", "large"): 1, ("python", "small"): 0.25, ("python", "large"): 0.25}
    assert drawing.rows[0]["label"].endswith("n 80")


@pytest.mark.parametrize("kind", ["markers", "trials"])
def test_a_suite_stands_for_its_tasks(store: Store, kind: str) -> None:
    whole = draw(store, kind, ["small"], Options())
    assert draw(store, kind, ["small"], Options(tasks=("both",))).rows == whole.rows
    assert draw(store, kind, ["small"], Options(tasks=("words",))).rows != whole.rows


def test_units_are_not_mixed(tmp_path: Path) -> None:
    made = Store(tmp_path)
    bits = MetricInfo(name="bpb", scorer="bpb", lower_is_better=True, bounds=None, unit="bits/byte")
    put(made, "one", {"a": {"q1": 1.0, "q2": 0.0}}, arm="x")
    put(made, "two", {"b": {"q1": 1.5, "q2": 0.7}}, arm="x", metric=bits, created=2000.0)
    drawing = draw(made, "scores", ["one", "two"], Options())
    assert [r["row"] for r in drawing.rows] == ["a"] and drawing.notes == ("left out, since it has another unit: b",)


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("scores", Options(tasks=("sum",)), "no run has the task 'sum'.*did you mean 'sums'"),
        ("scores", Options(metric="accuracie"), "did you mean 'accuracy'"),
        ("trials", Options(cost="second"), "did you mean 'seconds'"),
        ("trials", Options(cost="cost"), "no trial of these runs has cost"),
        ("markers", Options(tasks=("wods",)), "no run has the task 'wods'; did you mean 'words'"),
        ("score", Options(), "did you mean 'scores'"),
        ("scores", Options(over="stop"), "did you mean 'step'"),
        ("cost", Options(over="step"), "--over is for scores and markers"),
    ],
)
def test_mistakes_are_named(store: Store, kind: str, options: Options, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        draw(store, kind, ["small", "large"], options)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_is_drawn(store: Store, kind: str) -> None:
    pytest.importorskip("vl_convert")
    drawing = draw(store, kind, ["small", "middle", "large"], Options(axis="step", tasks=("sums",)))
    spec = styled(specification(drawing, width=300, theme="dark"), title="A title", font="Serif", font_size=9)
    svg = render(spec, ".svg").decode()
    assert svg.startswith("<svg") and "A title" in svg and "NaN" not in svg and 'font-family="Serif"' in svg


def test_from_the_command_line(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("vl_convert")
    place = ["--store", str(store.path)]
    for name, starts in (("f.png", b"\x89PNG"), ("f.pdf", b"%PDF"), ("f.svg", b"<svg")):
        target = tmp_path / name
        assert main(["plot", "trials", "small", "large", "-o", str(target), "--log", *place]) == 0
        assert target.read_bytes().startswith(starts)
    assert main(["plot", "scores", "small", "-o", str(tmp_path / "f.jpg"), *place]) == 2
    assert main(["plot", "scores", "small", "-o", str(tmp_path / "f.svg"), "--log", *place]) == 2
    said = capsys.readouterr().err
    assert "ends in .svg, .png, .pdf" in said and "scores has a linear scale" in said
