"""Many arms, an effect along an axis, and trials by the path they took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.compare_kit import ACCURACY, binary, put
from weigh.pipeline.compare import compare
from weigh.pipeline.compare_options import Options
from weigh.pipeline.interaction import InteractionReport, compare_along
from weigh.pipeline.interaction_rows import interaction_notes
from weigh.pipeline.matrix import MatrixReport, compare_many, pair_name
from weigh.pipeline.paths import PathReport, compare_paths
from weigh.pipeline.sides import find_sides, open_sides
from weigh.records.errors import DefinitionError
from weigh.records.run import Invocation, MetricInfo, SuiteNode
from weigh.store.layout import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def many(store: Store, words: Sequence[str], options: Options | None = None, **more: Any) -> MatrixReport:
    sides = find_sides(store, words)
    with open_sides(store, sides) as data:
        return compare_many(data, sides, options or Options(), **more)


def along(store: Store, words: Sequence[str], axis: str, options: Options | None = None) -> InteractionReport:
    sides = find_sides(store, words)
    with open_sides(store, sides) as data:
        return compare_along(data, sides[0], sides[1], axis, options or Options())


def paths(store: Store, words: Sequence[str], marker: str, options: Options | None = None) -> PathReport:
    sides = find_sides(store, words)
    with open_sides(store, sides) as data:
        return compare_paths(data, sides, marker, options or Options())


def three(store: Store, **fields: Any) -> None:
    put(store, "weak", {"t": binary(5, 40)}, arm="weak", **fields)
    put(store, "middle", {"t": binary(25, 40)}, arm="middle", **fields)
    put(store, "strong", {"t": binary(27, 40)}, arm="strong", **fields)


def test_pairs_and_tiers(store: Store) -> None:
    three(store)
    row = many(store, ["weak", "middle", "strong"]).rows[0]
    assert row.matrix is not None
    assert row.matrix.tiers == (("strong", "middle"), ("weak",))
    assert [(p.a, p.b, p.verdict) for p in row.matrix.pairs] == [
        ("weak", "middle", "better"),
        ("weak", "strong", "better"),
        ("middle", "strong", "unresolved"),
    ]
    two = compare(store, ["weak", "middle"])[0].rows[0].score
    assert two is not None
    assert row.matrix.pairs[0].p == two.p
    assert row.matrix.pairs[0].low == pytest.approx(two.low)


def test_pairs_of_all_tasks_are_one_family(store: Store) -> None:
    tasks = [f"t{i}" for i in range(4)]
    for name in ("one", "two", "three"):
        put(store, name, {t: binary(8 if (name, t) == ("three", "t0") else 0, 20) for t in tasks}, arm=name)
    row = many(store, ["one", "two", "three"]).rows[0]
    assert row.matrix is not None
    pair = row.matrix.pairs[1]
    assert pair.p == pytest.approx(2 * 0.5**8)
    assert pair.p_adjusted == pytest.approx(12 * 2 * 0.5**8)
    assert pair.verdict == "unresolved"


def test_each_pair_has_its_own_overlap_unless_shared(store: Store) -> None:
    full = binary(20, 30)
    put(store, "one", {"t": full}, arm="one")
    put(store, "two", {"t": {q: v for q, v in full.items() if q != "q0"}}, arm="two")
    put(store, "three", {"t": {q: v for q, v in full.items() if q not in ("q1", "q2")}}, arm="three")
    words = ["one", "two", "three"]
    own = many(store, words).rows[0]
    assert own.matrix is not None
    assert [p.n for p in own.matrix.pairs] == [29, 28, 27]
    assert own.unpaired == {"two": 1, "three": 2}
    shared = many(store, words, shared=True).rows[0]
    assert shared.matrix is not None
    assert [p.n for p in shared.matrix.pairs] == [27, 27, 27]
    assert shared.unpaired == {}


def test_one_arm_without_trials_leaves_the_others_comparable(store: Store) -> None:
    three(store)
    put(store, "none", {"t": {}}, arm="none")
    row = many(store, ["weak", "strong", "none"]).rows[0]
    assert row.matrix is not None
    assert row.matrix.means[2] is None
    assert row.matrix.tiers == (("strong",), ("weak",))
    assert row.matrix.pairs[1].p is None


def test_pairs_that_failed_unequally_get_no_verdict(store: Store) -> None:
    three(store)
    put(store, "broken", {"t": {**binary(40, 40), **{f"q{i}": "error" for i in range(20)}}}, arm="broken")
    row = many(store, ["weak", "strong", "broken"]).rows[0]
    assert set(row.withheld) == {pair_name("weak", "broken"), pair_name("strong", "broken")}
    assert row.matrix is not None
    assert [p.verdict for p in row.matrix.pairs] == ["better", "unresolved", "unresolved"]


def test_costs_of_many_arms(store: Store) -> None:
    for name, tokens in (("dear", 300), ("cheap", 100), ("same", 100)):
        put(store, name, {"t": binary(1, 20)}, arm=name, tokens={f"q{i}": tokens + i for i in range(20)})
    row = many(store, ["dear", "cheap", "same"], Options(metric="tokens")).rows[0]
    assert row.costs is not None
    assert row.costs.tiers == (("cheap", "same"), ("dear",))
    assert row.costs.pairs["cheap against dear"].verdict == "better"
    assert row.costs.pairs["cheap against dear"].p_adjusted == pytest.approx(3 * 2 * 0.5**20)


def test_conditions_of_seconds_are_those_at_the_time_of_opening(store: Store) -> None:
    three(store)
    folders = [store.open(run.id) for run in store.runs()]
    sides = find_sides(store, ["weak", "middle", "strong"])
    with open_sides(store, sides) as data:
        before = compare_many(data, sides, Options(metric="seconds"))
        for folder in folders[:1]:
            plan = {"host_class": "another", "concurrency": 8}
            folder.begin(Invocation(id="i2", started=2000.0, ended=2001.0, plan=plan, summary={"executed": 1}))
        assert compare_many(data, sides, Options(metric="seconds")) == before and not before.rows[0].withheld
    later = many(store, ["weak", "middle", "strong"], Options(metric="seconds"))
    assert len(later.rows[0].withheld) == 2


def test_suites_and_ranking(store: Store) -> None:
    suite = SuiteNode(name="all", members=("t", "u"))
    for name, right in (("weak", 3), ("middle", 25), ("strong", 39)):
        put(store, name, {"t": binary(right, 40), "u": binary(right, 40)}, arm=name, suites=(suite,))
    report = many(store, ["weak", "middle", "strong"], rank=True)
    row = report.rows[-1]
    assert row.is_suite
    assert row.matrix is not None
    assert row.matrix.tiers == (("strong",), ("middle",), ("weak",))
    assert row.matrix.means == pytest.approx((3 / 40, 25 / 40, 39 / 40))
    assert report.ranking is not None
    assert report.ranking.names == ("strong", "middle", "weak")
    assert report.ranking.contested == 2 * (22 + 36 + 14)


def test_what_takes_two_arms_says_so(store: Store) -> None:
    three(store)
    with pytest.raises(DefinitionError, match="compare two arms, not more"):
        many(store, ["weak", "middle", "strong"], Options(margin=0.01))


def crossed(store: Store, gains: dict[str, int], *, n: int = 40, same: bool = True, **fields: Any) -> None:
    """For each size an old and a new arm; the new one answers so many questions more (or fewer)."""
    for size, gain in gains.items():
        text = "" if same else f" for {size}"
        for version, right in (("old", 20), ("new", 20 + gain)):
            put(store, f"{version}-{size}", {"t": binary(right, n)}, arm=f"{version}-{size}", text=text,
                axes={"size": size, "version": version}, created=len(store.runs()), **fields)  # fmt: skip


def test_the_large_gain_what_the_small_lose(store: Store) -> None:
    crossed(store, {"1.5B": 10, "135M": -10})
    report = along(
        store,
        ["version=old", "version=new"],
        "size",
    )
    row = report.rows[0]
    assert (report.levels, report.ordered) == (("135M", "1.5B"), True)
    assert row.made.contrast == pytest.approx(0.5)
    assert row.made.paired
    assert row.made.p == pytest.approx(2 * 0.5**20)
    assert row.verdict == "grows"
    whole = compare(store, ["version=old", "version=new"])[0].rows[0]
    assert whole.score is not None
    assert whole.score.difference == 0.0
    assert whole.verdict == "unresolved"


def test_two_verdicts_that_differ_are_no_interaction(store: Store) -> None:
    crossed(store, {"1": 5, "2": 7})
    row = along(store, ["version=old", "version=new"], "size").rows[0]
    assert [e.verdict for e in row.made.effects] == ["unresolved", "better"]
    assert row.verdict == "unresolved"
    assert "does not show that the effect differs" in row.made.reason


def test_levels_with_different_questions_are_independent(store: Store) -> None:
    crossed(store, {"1": -15, "2": 15}, same=False)
    row = along(store, ["version=old", "version=new"], "size").rows[0]
    assert (row.made.paired, row.made.method, row.verdict) == (False, "Welch t", "grows")


def test_the_slope_over_three_levels(store: Store) -> None:
    crossed(store, {"1": -10, "2": 0, "3": 10})
    row = along(store, ["version=old", "version=new"], "size").rows[0]
    assert row.made.contrast == pytest.approx(0.25)
    assert row.verdict == "grows"


def test_clusters_count_in_an_interaction(store: Store) -> None:
    crossed(store, {"1": -10, "2": 10}, clusters={f"q{i}": f"c{i // 20}" for i in range(40)})
    row = along(store, ["version=old", "version=new"], "size").rows[0]
    assert row.verdict == "unresolved"
    assert row.made.p == pytest.approx(0.5)


def test_an_axis_needs_two_values_on_both_sides(store: Store) -> None:
    crossed(store, {"1": 1})
    with pytest.raises(DefinitionError, match="two values or more that both sides have; version=old has 1"):
        along(store, ["version=old", "version=new"], "size")
    with pytest.raises(DefinitionError, match="no arm has this axis; did you mean 'size'"):
        along(store, ["version=old", "version=new"], "sizes")


def test_what_a_path_scored_and_cost(store: Store) -> None:
    took = {f"q{i}": float(i < 10) for i in range(40)}
    tokens = {f"q{i}": 100 if i < 10 else 300 for i in range(40)}
    put(store, "old", {"t": binary(20, 40)}, tokens=tokens, markers={"used_cli": took})
    put(store, "new", {"t": binary(8, 40)}, arm="other", tokens=tokens,
        markers={"used_cli": dict.fromkeys(took, 1.0)})  # fmt: skip
    yes, no, other = paths(store, ["old", "new"], "marker:used_cli").rows
    assert (yes.side, yes.taken, yes.trials, yes.share) == ("old", True, 10, 0.25)
    assert (yes.score.mean, yes.costs["tokens"].mean) == (1.0, 100.0)
    assert (no.trials, no.score.mean, no.costs["tokens"].mean) == (30, pytest.approx(1 / 3), 300.0)
    assert (other.side, other.share, other.score.n) == ("new", 1.0, 40)
    with pytest.raises(DefinitionError, match=r"did you mean 'marker:used_cli'\? \(there are marker:used_cli\)"):
        paths(store, ["old", "new"], "marker:use_cli")


def test_a_path_of_trials_with_epochs_counts_questions_once(store: Store) -> None:
    scores = {f"q{i}": [1.0, 0.0] for i in range(6)}
    put(store, "old", {"t": scores}, markers={"m": dict.fromkeys(scores, 1.0)})
    put(store, "new", {"t": scores}, arm="other", markers={"m": dict.fromkeys(scores, 0.0)})
    row = paths(store, ["old", "new"], "marker:m").rows[0]
    assert (row.trials, row.score.n, row.score.mean) == (12, 6, 0.5)


def test_many_arms_where_lower_is_better(store: Store) -> None:
    bits = MetricInfo(name="bpb", scorer="bpb", lower_is_better=True, bounds=None)
    assert ACCURACY.name != bits.name
    for i, name in enumerate(("one", "two", "three")):
        put(store, name, {"t": {f"q{q}": 1 + q / 100 + i + q * i / 500 for q in range(20)}}, arm=name, metric=bits)
    row = many(store, ["three", "two", "one"]).rows[0]
    assert row.matrix is not None
    assert row.matrix.tiers == (("one",), ("two",), ("three",))


def test_levels_that_are_names_differ_and_do_not_grow(store: Store) -> None:
    crossed(store, {"large": 10, "base": -10})
    report = along(store, ["version=old", "version=new"], "size")
    assert (report.levels, report.ordered, report.rows[0].verdict) == (("large", "base"), False, "differs")


def test_a_level_that_has_not_run_is_left_out_and_named(store: Store) -> None:
    crossed(store, {"1": -10, "2": 10})
    for version in ("old", "new"):
        put(store, f"{version}-3", {"t": {}}, arm=f"{version}-3", axes={"size": "3", "version": version})
    report = along(store, ["version=old", "version=new"], "size")
    assert (report.levels, report.left_out, report.rows[0].verdict) == (("1", "2"), ("3",), "grows")
    assert "No question is paired at size 3." in interaction_notes(report)


def test_versions_are_levels_in_their_order(store: Store) -> None:
    for revision, gain in (("3.38", 10), ("3.9", 0)):
        for tier, right in (("bare", 20), ("skill", 20 + gain)):
            axes = {"revision": revision, "tier": tier}
            put(store, f"{tier}-{revision}", {"t": binary(right, 40)}, arm=f"{tier}-{revision}", axes=axes)
    report = along(store, ["tier=bare", "tier=skill"], "revision")
    assert (report.levels, report.ordered) == (("3.9", "3.38"), True)
    assert report.rows[0].made.contrast == pytest.approx(0.25)
