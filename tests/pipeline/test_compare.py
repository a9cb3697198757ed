"""Two arms compared from a store: numbers that can be checked by hand, and everything that can be odd about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.pipeline.compare_kit import binary, put
from weigh.analyze.paired import compare_pairs
from weigh.pipeline.compare import compare
from weigh.pipeline.compare_notes import notes
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_report import Report
from weigh.pipeline.compare_rows import cells, flat_rows
from weigh.pipeline.conclusion import conclude
from weigh.pipeline.sides import find_sides
from weigh.records.arm import Arm
from weigh.records.errors import DefinitionError, StoreError
from weigh.records.run import MetricInfo, SuiteNode
from weigh.store.layout import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def two(store: Store, a: Any, b: Any, options: Options | None = None, **fields: Any) -> Report:
    """Write runs `old` and `new` of a task `t` and compare them."""
    put(store, "old", {"t": a}, **fields)
    put(store, "new", {"t": b}, arm="other", created=2000.0, **fields)
    return compare(store, ["old", "new"], options)[0]


def test_a_difference_is_found_and_named(store: Store) -> None:
    row = two(store, binary(10, 40), binary(20, 40)).rows[0]
    assert row.score is not None
    assert (row.score.n, row.score.wins, row.score.losses, row.score.ties) == (40, 10, 0, 30)
    assert row.score.difference == pytest.approx(0.25)
    assert row.score.p == pytest.approx(2 * 0.5**10)
    assert row.verdict == "better"
    assert row.pairing.note is None


def test_swapping_the_arms_turns_everything_round(store: Store) -> None:
    there = two(store, binary(10, 40), binary(20, 40)).rows[0].score
    back = compare(store, ["new", "old"])[0].rows[0].score
    assert there is not None
    assert back is not None
    assert back.difference == -there.difference  # type: ignore[operator]
    assert back.p == there.p
    assert back.verdict == "worse"


def test_an_empty_arm_gives_a_line_and_no_number(store: Store) -> None:
    report = two(store, binary(3, 6), {})
    row = report.rows[0]
    assert row.score is not None
    assert (row.score.n, row.score.difference, row.verdict) == (0, None, "unresolved")
    assert "6 only in A (q0, q1, q2, ...)" in str(row.pairing.note)
    assert "no question in common" in conclude(report)


def test_no_overlap(store: Store) -> None:
    row = two(store, {"q1": 1.0}, {"q2": 1.0}).rows[0]
    assert row.pairing.only_a == ("q1",)
    assert row.pairing.only_b == ("q2",)
    assert row.score is not None
    assert row.score.p is None


def test_no_task_in_common(store: Store) -> None:
    put(store, "old", {"t": binary(1, 2)})
    put(store, "new", {"u": binary(1, 2)}, arm="other")
    with pytest.raises(DefinitionError, match="share no task: t against u"):
        compare(store, ["old", "new"])


def test_the_same_run_twice_is_refused(store: Store) -> None:
    put(store, "old", {"t": binary(1, 2)})
    with pytest.raises(DefinitionError, match="the same arm of the same run"):
        compare(store, ["old", "old"])


def test_a_run_that_is_not_there(store: Store) -> None:
    put(store, "old", {"t": binary(1, 2)})
    with pytest.raises(StoreError, match="nwe"):
        compare(store, ["old", "nwe"])


def test_changed_questions_do_not_pair(store: Store) -> None:
    put(store, "old", {"t": binary(1, 3)})
    put(store, "new", {"t": binary(1, 3)}, arm="other", text=" (edited)")
    row = compare(store, ["old", "new"])[0].rows[0]
    assert row.pairing.changed == ("q0", "q1", "q2")
    assert row.pairing.paired == 0


def test_versions_of_a_task_are_refused_with_what_differs(store: Store) -> None:
    put(store, "old", {"t": binary(1, 3)}, definition={"instruction": "Answer."})
    put(store, "new", {"t": binary(1, 3)}, arm="other", definition={"instruction": "Think."})
    with pytest.raises(DefinitionError, match=r"instruction: 'Answer\.' against 'Think\.'.*variant"):
        compare(store, ["old", "new"])


def test_the_wording_of_a_prompt_is_compared_as_a_variant(store: Store) -> None:
    put(store, "old", {"t": binary(2, 12)}, variant="plain", definition={"instruction": "Answer."})
    put(store, "new", {"t": binary(10, 12)}, variant="think", definition={"instruction": "Think."})
    row = compare(store, ["variant=plain", "variant=think"])[0].rows[0]
    assert row.task == "t"
    assert row.score is not None
    assert (row.score.n, row.verdict) == (12, "better")


def test_all_ties(store: Store) -> None:
    row = two(store, binary(3, 30), binary(3, 30)).rows[0]
    assert row.score is not None
    assert (row.score.p, row.score.difference, row.score.reason) == (1.0, 0.0, "all questions tie")
    assert row.score.low is not None
    assert row.score.low < 0 < row.score.high  # type: ignore[operator]


def test_all_ties_are_equivalent_when_the_margin_and_the_number_allow_it(store: Store) -> None:
    assert two(store, binary(50, 400), binary(50, 400), Options(margin=0.02)).rows[0].verdict == "equivalent"


def test_all_wins(store: Store) -> None:
    row = two(store, binary(0, 12), binary(12, 12)).rows[0]
    assert row.score is not None
    assert row.score.p == pytest.approx(2 * 0.5**12)
    assert row.score.high is not None
    assert row.score.high <= 1.0


def test_one_question_says_that_it_cannot_tell(store: Store) -> None:
    row = two(store, {"q": 0.0}, {"q": 1.0}).rows[0]
    assert row.score is not None
    assert (row.score.p, row.verdict) == (1.0, "unresolved")
    assert "1 contested question cannot reach p = 0.05" in row.score.reason


def test_a_missing_score_is_no_zero(store: Store) -> None:
    a: dict[str, Any] = {**binary(5, 30), "q29": None}
    row = two(store, a, binary(5, 30)).rows[0]
    assert row.score is not None
    assert (row.score.n, row.score.difference) == (29, 0.0)
    assert row.pairing.lost == ("q29",)
    assert "q29" in str(row.pairing.note)


def test_unequal_failures_withhold_the_verdict(store: Store) -> None:
    a: dict[str, Any] = {**binary(0, 30), **{f"q{i}": "error" for i in range(10)}}
    row = two(store, a, binary(30, 30)).rows[0]
    assert row.verdict == "withheld"
    assert "10 of 30 questions failed for a and 0 for b" in str(row.withheld)
    assert row.score is not None
    assert row.score.n == 20
    counted = compare(store, ["old", "new"], Options(errors="zero"))[0].rows[0]
    assert counted.score is not None
    assert (counted.score.n, counted.verdict) == (30, "better")
    with pytest.raises(DefinitionError, match="10 of 30 trials failed"):
        compare(store, ["old", "new"], Options(errors="fail"))


def test_a_timeout_is_an_answer_that_is_wrong(store: Store) -> None:
    a: dict[str, Any] = {**binary(12, 12), **{f"q{i}": "timeout" for i in range(9)}}
    row = two(store, a, binary(12, 12)).rows[0]
    assert row.score is not None
    assert (row.score.n, row.score.wins, row.verdict) == (12, 9, "better")


def test_scores_without_bounds_get_t_and_no_zero_for_failures(store: Store) -> None:
    metric = MetricInfo(name="length", scorer="length", bounds=None)
    a = {f"q{i}": float(i) for i in range(30)}
    b: dict[str, Any] = {f"q{i}": float(i) + 5 + i % 3 for i in range(30)}
    row = two(store, a, b, metric=metric).rows[0]
    assert row.score is not None
    assert row.score.interval_method == "t"
    assert row.verdict == "better"
    put(store, "bad", {"t": {**b, "q0": None}}, metric=metric, arm="third")
    with pytest.raises(DefinitionError, match="no worst value"):
        compare(store, ["old", "bad"], Options(errors="zero"))
    with pytest.raises(DefinitionError, match="McNemar's test needs 0/1 scores"):
        compare(store, ["old", "new"], Options(method="mcnemar"))


def test_clusters_of_one_change_nothing(store: Store) -> None:
    alone = {f"q{i}": f"c{i}" for i in range(30)}
    row = two(store, binary(5, 30), binary(12, 30), clusters=alone).rows[0]
    want = compare_pairs([*binary(5, 30).values()], [*binary(12, 30).values()])
    assert row.score is not None
    assert (row.score.p, row.score.low, row.score.method) == (want.p, want.low, want.method)


def test_one_cluster_allows_no_test(store: Store) -> None:
    row = two(store, binary(0, 30), binary(30, 30), clusters=dict.fromkeys(binary(0, 30), "c")).rows[0]
    assert row.score is not None
    assert (row.score.p, row.score.se, row.verdict) == (None, None, "unresolved")
    assert "too few clusters" in row.score.reason


def test_clusters_by_a_metadata_field(store: Store) -> None:
    passages = {f"q{i}": {"passage": str(i // 10)} for i in range(40)}
    row = two(store, binary(0, 40), binary(40, 40), Options(cluster="passage"), metadata=passages).rows[0]
    assert row.score is not None
    assert (row.score.n_clusters, row.verdict) == (4, "unresolved")
    assert row.cluster_from == "metadata passage"
    with pytest.raises(DefinitionError, match="no question has this metadata field"):
        compare(store, ["old", "new"], Options(cluster="page"))


def test_subgroups(store: Store) -> None:
    kinds = {f"q{i}": {"kind": "odd" if i % 2 else "even"} for i in range(40)}
    b = {f"q{i}": float(i % 2) for i in range(40)}
    report = two(store, binary(0, 40), b, Options(by="kind"), metadata=kinds)
    assert [(g.group, g.score.n, g.verdict) for g in report.groups if g.score] == [
        ("even", 20, "unresolved"),
        ("odd", 20, "better"),
    ]
    with pytest.raises(DefinitionError, match=r"--by kin: no question of t has .*; did you mean 'kind'\?$"):
        compare(store, ["old", "new"], Options(by="kin"))
    with pytest.raises(DefinitionError, match=r"--by qqq: .* \(there are kind\)$"):
        compare(store, ["old", "new"], Options(by="qqq"))


def test_lower_is_better(store: Store) -> None:
    bits = MetricInfo(name="bpb", scorer="bpb", lower_is_better=True, bounds=None)
    a = {f"q{i}": 1.0 + i / 100 for i in range(20)}
    b = {q: v - 0.1 - i / 1000 for i, (q, v) in enumerate(a.items())}
    row = two(store, a, b, metric=bits).rows[0]
    assert row.score is not None
    assert row.score.difference is not None
    assert row.score.difference < 0
    assert (row.score.wins, row.verdict) == (20, "better")


def test_a_metric_that_one_arm_lacks(store: Store) -> None:
    put(store, "old", {"t": binary(1, 4)})
    put(store, "new", {"t": binary(1, 4)}, arm="other", metric=MetricInfo(name="f1", scorer="f1"))
    with pytest.raises(DefinitionError, match=r"only one of the arms has the metric 'accuracy' \(the other has f1\)"):
        compare(store, ["old", "new"])
    with pytest.raises(DefinitionError, match="no metric 'acuracy'; did you mean 'accuracy'"):
        compare(store, ["old", "new"], Options(metric="acuracy"))


def test_what_many_tasks_lack_is_said_once(store: Store) -> None:
    names = [f"t{i}" for i in range(6)]
    for name in ("old", "new"):
        put(store, name, {t: binary(1, 4) for t in names}, arm=name)
    with pytest.raises(DefinitionError) as caught:
        compare(store, ["old", "new"], Options(metric="acuracy"))
    assert str(caught.value) == (
        "nothing can be compared: t0, t1, t2, t3 and 2 more: not compared: no metric 'acuracy'; did you mean "
        "'accuracy'?"
    )
    other = MetricInfo(name="f1", scorer="f1")
    put(store, "more-old", {"u": binary(1, 4)}, arm="old", metric=other)
    put(store, "more-new", {"u": binary(1, 4)}, arm="new", metric=other)
    report = compare(store, ["model=old", "model=new"], Options(metric="f1"))[0]
    assert [row.task for row in report.rows] == ["u"]
    assert report.notes == (
        "t0, t1, t2, t3 and 2 more: not compared: no metric 'f1' (there are accuracy, seconds, tokens, new, cached, "
        "generated, cost, turns, tool_calls, tool_errors, answer_call, files_read, files_written, model_seconds, "
        "tool_seconds)",
    )


def test_what_did_not_pair_is_said_once_for_many_tasks(store: Store) -> None:
    put(store, "old", {t: binary(0, 3) for t in ("s", "t", "u")})
    put(store, "new", {t: binary(0, 2) for t in ("s", "t", "u")}, arm="other")
    report = compare(store, ["old", "new"])[0]
    told = notes(report, flat_rows(report))
    assert [line for line in told if "only in A" in line] == ["s, t, u: not paired: 1 only in A (q2)"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("revision=v1.0", r"'revision=v1\.0'; did you mean 'v1\.1\.0' or 'v1\.0\.0'\?; `weigh ls runs` shows"),
        ("revision=v1.0.0,tier=bar", r"; did you mean 'bare'\?; `weigh"),
        ("tier=qq", r" \(tier is bare, skill\); `weigh"),
        ("revision=v1.0.0,tier=skill", r": none has all of it; `weigh"),
        ("name=olds", r"; did you mean 'old'\?"),
    ],
)
def test_a_filter_that_matches_nothing_gets_the_closest_value(store: Store, word: str, said: str) -> None:
    put(store, "old", {"t": binary(0, 3)}, axes={"revision": "v1.0.0", "tier": "bare"})
    put(store, "new", {"t": binary(0, 3)}, axes={"revision": "v1.1.0", "tier": "skill"})
    with pytest.raises(StoreError, match=said):
        compare(store, ["tier=bare", word])


def test_an_axis_that_is_mistyped_gets_the_closest(store: Store) -> None:
    for revision in ("v1", "v2"):
        for tier in ("bare", "skill"):
            put(store, f"{revision}{tier}", {"t": binary(0, 3)}, axes={"revision": revision, "tier": tier})
    with pytest.raises(DefinitionError, match=r"--by teir: .* is called so; did you mean 'tier'\?"):
        compare(store, ["revision=v1", "revision=v2"], Options(by="teir"))


def test_what_would_have_shown_is_said_where_the_test_could_have_shown_it(store: Store) -> None:
    put(store, "old", {"t": binary(10, 60), "u": binary(3, 60)})
    put(store, "new", {"t": binary(10, 60, start=6), "u": binary(3, 60, start=1)}, arm="other")
    report = compare(store, ["old", "new"])[0]
    t, u = (row.score for row in report.rows)
    assert t is not None and u is not None and t.mde80 is not None
    assert (t.wins, t.losses, u.wins, u.losses, u.mde80) == (6, 6, 1, 1, None)
    assert (
        f"On t and u the evidence cannot tell: what would have shown 4 times in 5, taken alone, is a difference of "
        f"about {100 * t.mde80:.1f} points on t; on u too few questions are contested for any to show."
    ) in conclude(report)
    rows = {row["task"]: cells(row)["mde80"] for row in flat_rows(report)}
    assert (rows["t"], rows["u"]) == (f"{100 * t.mde80:.1f}", None)


def test_costs_are_ratios(store: Store) -> None:
    put(store, "old", {"t": binary(1, 20)}, tokens={f"q{i}": 100 + i for i in range(20)})
    put(store, "new", {"t": binary(1, 20)}, arm="other", tokens={f"q{i}": 2 * (100 + i) for i in range(20)})
    report = compare(store, ["old", "new"], Options(metric="tokens"))[0]
    cost = report.rows[0].cost
    assert cost is not None
    assert cost.ratio == pytest.approx(2.0)
    assert report.rows[0].verdict == "worse"
    assert "2.00 times the tokens" in conclude(report)
    with pytest.raises(DefinitionError, match="--margin is a difference of scores"):
        compare(store, ["old", "new"], Options(metric="tokens", margin=0.01))


def test_a_suite_says_that_its_mean_is_over_tasks(store: Store) -> None:
    """B wins more questions than it loses and is lower: the smaller task counts as much as the larger one."""
    for aggregation, remark in (
        (
            "mean_of_tasks",
            ["both: each task counts the same, however many questions it has; won / lost / tied counts questions"],
        ),
        ("pooled", []),
    ):
        suites = (SuiteNode(name="both", aggregation=aggregation, members=("t", "u")),)
        put(store, f"old-{aggregation}", {"t": binary(0, 60), "u": binary(8, 10)}, suites=suites)
        put(store, f"new-{aggregation}", {"t": binary(9, 60), "u": binary(2, 10)}, arm="other", suites=suites)
        report = compare(store, [f"old-{aggregation}", f"new-{aggregation}"])[0]
        made = report.suites[0].comparison
        assert made is not None and made.difference is not None
        assert (made.wins, made.losses, made.difference < 0) == (9, 6, aggregation == "mean_of_tasks")
        found = [line for line in notes(report, flat_rows(report)) if "counts questions" in line]
        assert found == remark
    # Of equally large tasks the mean is that of the questions.
    even = (SuiteNode(name="even", members=("t", "u")),)
    put(store, "a", {"t": binary(1, 20), "u": binary(2, 20)}, suites=even)
    put(store, "b", {"t": binary(2, 20), "u": binary(3, 20)}, arm="other", suites=even)
    report = compare(store, ["a", "b"])[0]
    assert not any("counts questions" in line for line in notes(report, flat_rows(report)))


def test_a_cost_is_told_by_the_number_that_supports_the_verdict(store: Store) -> None:
    """Most questions got a little cheaper and two ran away: ranks say cheaper, the ratio and the means say dearer."""
    names = [f"q{i}" for i in range(21)]
    put(store, "old", {"t": binary(1, 21)}, tokens=dict.fromkeys(names, 10))
    put(store, "new", {"t": binary(1, 21)}, arm="other", tokens={q: 300 if i < 2 else 8 for i, q in enumerate(names)})
    report = compare(store, ["old", "new"], Options(metric="new"))[0]
    row = report.rows[0]
    assert row.cost is not None and row.cost.ratio is not None and row.cost.ratio > 1
    assert (row.verdict, row.cost.approximate, row.cost.shift) == ("better", True, -2)
    assert "B is cheaper than A on t (typically -2 tokens, though its mean is higher)." in conclude(report)
    flat = flat_rows(report)
    assert str(cells(flat[0])["ratio_interval"]).startswith("~")
    assert any(line.startswith("~: the interval of B / A disagrees") for line in notes(report, flat))
    # Where the ratio agrees it stays, and nothing is marked.
    put(store, "newer", {"t": binary(1, 21)}, arm="third", tokens=dict.fromkeys(names, 8))
    agreed = compare(store, ["old", "newer"], Options(metric="new"))[0]
    assert "B is cheaper than A on t (0.80 times the new tokens)." in conclude(agreed)
    assert not any(line.startswith("~") for line in notes(agreed, flat_rows(agreed)))


def test_costs_that_a_cache_made_cheap_come_with_a_warning(store: Store) -> None:
    tasks = {"t": binary(1, 20), "u": binary(1, 20)}
    put(store, "warm", tasks, cached=90)
    put(store, "cold", tasks, arm="other", cached=0)
    told = "are not like for like: A read 90 % of its prompt tokens from a cache, B 0 %."
    for metric, name in (("seconds", "seconds"), ("new", "new tokens")):
        assert f"On t and u {name} {told}" in conclude(compare(store, ["warm", "cold"], Options(metric=metric))[0])
    assert "like for like" not in conclude(compare(store, ["warm", "cold"], Options(metric="generated"))[0])
    assert "like for like" not in conclude(compare(store, ["warm", "cold"])[0])
    # A little apart, and a provider that does not say what it took from a cache.
    put(store, "near", tasks, arm="third", cached=40, tokens={f"q{i}": 10 for i in range(20)})
    put(store, "silent", tasks, arm="fourth")
    for other in ("near", "silent"):
        assert "like for like" not in conclude(compare(store, ["warm", other], Options(metric="seconds"))[0])


def test_seconds_of_different_hosts_get_no_verdict(store: Store) -> None:
    put(store, "old", {"t": binary(1, 20)}, host="large")
    put(store, "new", {"t": binary(1, 20)}, arm="other", host="small")
    row = compare(store, ["old", "new"], Options(metric="seconds"))[0].rows[0]
    assert row.verdict == "withheld"
    assert "large, concurrency 1 against small, concurrency 1" in str(row.withheld)


def test_both_scopes_are_given_with_four_epochs(store: Store) -> None:
    report = two(store, {"q": [1.0] * 6}, {"q": [0.0] * 6})
    row = report.rows[0]
    assert row.given is not None
    assert row.score is not None
    assert (row.verdict, row.given.verdict, row.given.scope) == ("unresolved", "worse", "these tasks")
    assert row.given.p == pytest.approx(2 / 924)
    assert "On exactly these questions, which is a smaller claim: on t B is worse." in conclude(report)


def test_these_questions_follow_their_test_though_one_arm_was_asked_once(store: Store) -> None:
    suite = (SuiteNode(name="whole", aggregation="pooled", members=("t",)),)
    for tier, value in (("bare", 0.0), ("skill", 1.0)):
        for size, score in (("big", [value] * 6), ("small", [0.0])):
            questions = {f"q{i}": score for i in range(3)}
            put(store, f"{tier}-{size}", {"t": questions}, axes={"tier": tier, "size": size}, arm=size, suites=suite)
    report = compare(store, ["tier=bare", "tier=skill"])[0]
    alone = compare(store, ["tier=bare,size=big", "tier=skill,size=big"])[0].rows[0].given
    row, whole = report.rows[0], report.suites[0]
    assert row.given is not None and whole.given is not None and alone is not None
    assert (row.given.epochs_a, row.given.verdict, whole.given.verdict, alone.verdict) == (1, *["better"] * 3)
    assert row.given.p == pytest.approx(alone.p)
    assert "On exactly these questions, which is a smaller claim: on whole as a whole B is better" in conclude(report)


def test_tasks_are_a_family(store: Store) -> None:
    names = [f"t{i}" for i in range(10)]
    put(store, "old", {t: binary(0, 20) for t in names})
    put(store, "new", {t: binary(6 if t == "t0" else 0, 20) for t in names}, arm="other")
    raw = compare(store, ["old", "new"], Options(correction="none"))[0].rows[0]
    assert raw.verdict == "better"
    report = compare(store, ["old", "new"])[0]
    first = report.rows[0]
    assert first.score is not None
    assert first.score.p == pytest.approx(2 * 0.5**6)
    assert first.score.p_adjusted == pytest.approx(20 * 0.5**6)
    assert first.verdict == "unresolved"


def test_costs_are_a_family_too(store: Store) -> None:
    names = [f"t{i}" for i in range(10)]
    put(store, "old", {t: binary(0, 6) for t in names})
    put(store, "new", {t: binary(0, 6) for t in names}, arm="other", tokens={f"q{i}": 30 + i for i in range(6)})
    row = compare(store, ["old", "new"], Options(metric="tokens"))[0].rows[0]
    assert row.cost is not None
    assert row.cost.p == pytest.approx(2 * 0.5**6)
    assert row.cost.p_adjusted == pytest.approx(20 * 0.5**6)
    assert row.verdict == "unresolved"
    whole = compare(store, ["old", "new"], Options(metric="tokens"))[0].total
    assert whole is not None
    assert whole.cost is not None
    assert (whole.cost.n, whole.verdict) == (60, "worse")


def test_a_suite_has_its_own_aggregate(store: Store) -> None:
    suite = SuiteNode(name="both", members=("large", "small"))
    put(store, "old", {"large": binary(0, 100), "small": binary(10, 10)}, suites=(suite,))
    put(store, "new", {"large": binary(20, 100), "small": binary(0, 10)}, arm="other", suites=(suite,))
    made = compare(store, ["old", "new"])[0].suites[0].comparison
    assert made is not None
    assert made.difference == pytest.approx((0.2 - 1.0) / 2)  # pooled, the sign would be another
    assert (made.wins, made.losses, made.ties, made.verdict) == (20, 10, 80, "worse")
    only = compare(store, ["old", "new"], Options(tasks=("large",)))[0]
    assert only.suites == ()
    put(store, "half", {"large": binary(20, 100)}, arm="third", suites=(suite,))
    assert compare(store, ["old", "half"])[0].suites[0].missing == "no paired questions for small"
    with pytest.raises(DefinitionError, match="suite 'bth'"):
        compare(store, ["old", "new"], Options(suite="bth"))


def test_sign_wald_is_labelled(store: Store) -> None:
    report = two(store, binary(0, 20), binary(6, 20), Options(method="sign-wald"))
    assert report.rows[0].score is not None
    assert report.rows[0].score.method == "Wald sign test"
    assert "do not rely on it" in conclude(report)


def test_a_million_questions() -> None:
    rng = np.random.default_rng(5)
    a = (rng.random(1_000_000) < 0.5).astype(float)
    b = np.where(rng.random(1_000_000) < 0.01, 1.0, a)
    made = compare_pairs(a, b)
    assert made.n == 1_000_000
    assert made.losses == 0
    assert made.difference == pytest.approx(float((b - a).mean()), abs=1e-12)
    assert made.verdict == "better"


def test_a_filter_that_matches_arms_which_cannot_be_told_apart(store: Store) -> None:
    for model in ("a1", "a2"):
        put(store, model, {"t": binary(1, 4)}, arm=model, axes={"side": "a"})
    put(store, "b1", {"t": binary(1, 4)}, arm="b1", axes={"side": "b"})
    with pytest.raises(DefinitionError, match=r"'side=a' matches a. of run .* and a. of run .*; narrow it"):
        compare(store, ["side=a", "side=b"])


def test_a_plain_task_is_compared_with_its_variant(store: Store) -> None:
    put(store, "old", {"t": binary(2, 12)})
    put(store, "new", {"t": binary(10, 12)}, variant="think")
    row = compare(store, ["variant=", "variant=th*"])[0].rows[0]
    assert row.score is not None
    assert (row.task, row.score.wins) == ("t", 8)


def test_two_variants_on_one_side_are_ambiguous(store: Store) -> None:
    run = put(store, "both", {"t": binary(2, 12)})
    task = run.tasks[0]
    variants = (task, msgspec.structs.replace(task, variant="think"))
    store.create(msgspec.structs.replace(run, id="wide-00000001", name="wide", tasks=variants))
    put(store, "new", {"t": binary(10, 12)}, variant="terse", arm="other")
    with pytest.raises(DefinitionError, match="has t and t:think, and it is not clear which one is meant"):
        compare(store, ["wide", "variant=terse"])


def test_what_a_failed_trial_cost_is_left_out(store: Store) -> None:
    failing: dict[str, Any] = {**binary(1, 20), "q0": "error", "q1": "error"}
    report = two(store, failing, failing, Options(metric="seconds"))
    cost = report.rows[0].cost
    assert cost is not None
    assert cost.n == 18
    assert report.rows[0].pairing.lost == ("q0", "q1")


def test_a_run_of_several_arms_says_which_filters_tell_them_apart(store: Store) -> None:
    for name in ("one", "two"):
        run = put(store, name, {"t": binary(3, 6)}, arm="x")
        arms = tuple(
            Arm(id=f"{model}/{version}", digest=f"{name}{model}{version}", axes={"model": model, "revision": version})
            for model in ("small", "large")
            for version in ("1.0.7", "2.0.0")
        )
        store.create(msgspec.structs.replace(run, id=f"wide-{name}-00000001", name=f"wide-{name}", arms=arms))
    words = []
    for name in ("one", "two"):
        with pytest.raises(DefinitionError) as caught:
            find_sides(store, [f"wide-{name}", "old"])
        said = str(caught.value)
        assert f"has 4 arms (revision is 1.0.7, 2.0.0; model is small, large): say which, e.g. run=wide-{name}," in said
        words.append(said.split("e.g. ")[1].split()[0])
    assert words[0] == "run=wide-one,revision=1.0.7"
    assert [len(side.members) for side in find_sides(store, words)] == [2, 2]
    put(store, "wide-one-more", {"t": binary(3, 6)}, arm="x")  # the name is the beginning of two ids now
    with pytest.raises(DefinitionError, match="run=wide-one-00000001,revision"):
        find_sides(store, ["wide-one", "old"])
