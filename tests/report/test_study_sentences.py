"""What a study says in sentences: about what, by which test, from where an effect comes, what changed besides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.report.conftest import Opened
from tests.report.kit import METRIC, _trial, digest, write_run
from tests.report.test_page import rows
from tests.report.test_study_head import Fixed
from weigh.cli.main import main
from weigh.cli.study_results_text import results_text
from weigh.pipeline.compare_rows import points, span
from weigh.pipeline.payload import build_payload
from weigh.pipeline.study_changes import change_together
from weigh.pipeline.study_results import study_results
from weigh.pipeline.study_rows import contrast_told, rough_told, verdict_row, within_rows
from weigh.records.arm import Arm
from weigh.records.run import Invocation, Run, SuiteNode, TaskInfo
from weigh.store.layout import Store

EPOCHS = {"able": 4, "weak": 4, "once": 1}
BODIES = {"3.9": "Run `tool load FILE` first.", "3.38": "Run `tool ask FILE` first."}
SKILLS = {rev: [{"name": "tool", "description": "How.", "body": body, "digest": rev}] for rev, body in BODIES.items()}
TIERS: list[dict[str, Any]] = [
    {"name": "bare", "description": "nothing"},
    {"name": "skill", "description": "a Skill", "skills": SKILLS["3.9"], "varies": True,
     "revisions": [{"revision": rev, "skills": own} for rev, own in SKILLS.items()]},
]  # fmt: skip
FILE = {"name": "crossed", "tasks": ["sum", "find"]}


def crossed(store: Store) -> None:
    """Three models, two revisions, two tiers, two tasks: one model solves them with the Skill of one revision; another
    was asked once instead of four times."""
    arms = tuple(
        Arm(id=f"{model}/{rev}/{tier}", digest=digest(model, rev, tier),
            axes={"model": model, "revision": rev, "tier": tier})
        for model in EPOCHS for rev in BODIES for tier in ("bare", "skill")
    )  # fmt: skip
    tasks = tuple(
        TaskInfo(name=f"tool.{name}", digest=name, metrics=(METRIC,), num_instances=1) for name in ("sum", "find")
    )
    run = Run(
        id="crossed-00000001", name="crossed", created=1.0, arms=arms, tasks=tasks, tags=("study",),
        suites=(SuiteNode(name="crossed", members=("tool.sum", "tool.find"), aggregation="pooled"),),
    )  # fmt: skip
    trials = [
        _trial(run, arm, task, 0, epoch, Fixed(0.5), float(arm.id == "able/3.38/skill"), False)  # type: ignore[arg-type]
        for arm in arms for task in tasks for epoch in range(EPOCHS[str(arm.axes["model"])])
    ]  # fmt: skip
    plans = [{"tool.sum": 4, "tool.find": 4}, {"tool.sum": 1, "tool.find": 1}]
    models = [
        [arm.id for arm in arms if arm.axes["model"] != "once"],
        [a.id for a in arms if a.axes["model"] == "once"],
    ]
    first, second = (
        Invocation(id=f"i{i}", started=1.0 + i, ended=2.0 + i, command=f"weigh study run study.yaml -k {4 - 3 * i}",
                   plan={"cells": cells, "study": {"tiers": TIERS, "file": FILE}},
                   provenance={"models": {arm: {"name": arm.split("/")[0]} for arm in own}})
        for i, (cells, own) in enumerate(zip(plans, models, strict=True))
    )  # fmt: skip
    write_run(store, run, trials, first)
    store.open(run.id).begin(second)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = Store(tmp_path_factory.mktemp("crossed") / "store")
    crossed(made)
    return made


@pytest.fixture(scope="module")
def page(study: Store, opener: Callable[..., Opened], tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder = tmp_path_factory.mktemp("crossed-page") / "page"
    assert main(["report", "--store", str(study.path), "-o", str(folder)]) == 0
    return opener(folder)


def test_a_sentence_names_its_test_and_where_the_effect_lies(study: Store) -> None:
    revision, tier = study_results(study, study.runs()[0]).contrasts
    told = contrast_told(revision)
    assert told.startswith(
        "revision 3.38 against 3.9: helps able on exactly these tasks (from 0.0 % to 50.0 %, p = 0.0"
    )
    assert "; on tasks like these: cannot tell, p = " in told
    assert "), all of it in tier skill (from 0.0 % to 100.0 %);" in told
    # No p of another test where this one is impossible.
    assert "no test on exactly these tasks is possible for once (0.0 % both, 1 trial each)" in told
    assert "the evidence cannot tell for weak (0.0 % both, p = 1.000)" in told
    assert told.endswith(
        "The Skill of tier skill differs between the revisions: Skill and release change together there."
    )
    assert "all of it in revision 3.38 (from 0.0 % to 100.0 %)" in contrast_told(tier)
    assert "change together" not in contrast_told(tier)


def test_within_each_tier_there_is_a_verdict_of_its_own(study: Store) -> None:
    [able] = [one for one in study_results(study, study.runs()[0]).contrasts[0].models if one.model == "able"]
    assert [(r["value"], r["a"], r["b"], r["given"]) for r in within_rows(able)] == [
        ("bare", "0.0", "0.0", "cannot tell (p = 1.000)"),
        ("skill", "0.0", "100.0", "helps (p = 0.0008)"),
    ]


def test_both_intervals_of_a_difference_are_named(study: Store) -> None:
    made = study_results(study, study.runs()[0])
    rows = {one.model: (one, verdict_row(one)) for one in made.contrasts[0].models}
    able, row = rows["able"]
    suite = able.report.suites[0]
    assert suite.given is not None and suite.comparison is not None
    for key, one in (("over_epochs", suite.given), ("over_tasks", suite.comparison)):
        assert row[key] == span(one.low, one.high, points, "~" if one.approximate else "")
    assert row["over_epochs"] != row["over_tasks"]
    assert rows["once"][1]["over_epochs"] is None  # one trial each: nothing to be said about exactly these tasks
    text = results_text(made, "table")
    assert text.index("95 %, over epochs") < text.index("on these tasks") < text.index("95 %, over tasks")
    marked = [r for c in made.contrasts for m in c.models for r in (verdict_row(m), *within_rows(m))]
    assert (rough_told(marked) is not None) == ("~: the interval is approximate" in text)


def test_page_and_terminal_say_the_same_sentences(study: Store, page: Opened) -> None:
    made = study_results(study, study.runs()[0])
    shown = page.go(view="overview").inner_text("#concluded")
    text = " ".join(results_text(made, "table").split())
    for contrast in made.contrasts:
        told = contrast_told(contrast)
        assert told in shown and told in text
    split = rows(page.page, "Where revision 3.38 against 3.9 comes from")
    assert [row[1] for row in split] == ["tier bare", "tier skill"]
    assert all(cell in text for row in split for cell in row[2:] if cell != "-")


def test_the_skill_of_every_revision_is_shown(page: Opened) -> None:
    opened = page.go(view="overview")
    tiers = opened.locator("#tiers")
    assert "release change together" in tiers.locator(".varies").inner_text()
    assert [pre.text_content() for pre in tiers.locator("pre").all()] == list(BODIES.values())
    assert tiers.locator("ins").all_text_contents() == ["ask"]


def test_what_was_not_run_leads_to_why(page: Opened) -> None:
    opened = page.go(view="overview")
    opened.click("#lacking a")
    opened.wait_for_selector("html[data-view=coverage]")
    told = opened.inner_text("#missing")
    assert told.count("missing") == 1 and told.startswith("24 missing: of these tasks and arms only 1 of 4 trials each")
    assert "once/3.9/bare" in told and "every task" in told and "`" not in told
    heads = opened.locator("table.heat thead th").all_inner_texts()
    assert heads == ["sum", "find"] and "tasks: tool." in opened.inner_text("table.heat thead")


def test_only_what_differs_between_the_two_is_told() -> None:
    about: dict[str, Any] = {"tiers": TIERS}
    assert change_together(about, "revision", "3.9", "3.38") is not None
    assert change_together(about, "revision", "3.9", "3.9") is None
    assert change_together(about, "tier", "bare", "skill") is None
    old = {"tiers": [{key: value for key, value in TIERS[1].items() if key != "revisions"}]}
    assert "Skill and release change together" in str(change_together(old, "revision", "3.9", "3.38"))
    other = {"tiers": [{"name": "told", "varies": True, "instructions": "Look."}]}
    assert str(change_together(other, "revision", "1", "2")).startswith("what the agent is given of tier told differs")


def test_the_payload_has_the_sentences_at_every_level(study: Store) -> None:
    value = msgspec.json.decode(build_payload(study).index)
    for key in value["study"]["conclusions"].values():
        assert "on exactly these tasks" in value["blocks"][key][0]["told"]


def test_an_old_store_says_what_it_has_not_kept(study: Store, tmp_path: Path, opener: Callable[..., Opened]) -> None:
    old = {"tiers": [{key: value for key, value in tier.items() if key != "revisions"} for tier in TIERS]}
    study.open("crossed-00000001").begin(Invocation(id="i9", started=9.0, ended=9.5, plan={"study": old}))
    assert main(["report", "--store", str(study.path), "-o", str(tmp_path / "page")]) == 0
    told = opener(tmp_path / "page").go(view="overview").inner_text("#tiers")
    assert "kept only the first one's text" in told


def test_a_matrix_that_can_resolve_nothing_says_so(page: Opened) -> None:
    opened = page.go(view="compare")
    told = opened.inner_text("#reach")
    assert told.startswith("2 questions cannot separate any of the 66 pairs: even if all went one way")
    assert "would be 1.000" in told
    opened.click("#reach a")
    opened.wait_for_selector("#concluded")


@pytest.mark.parametrize("view", ["compare", "questions"])
def test_what_nobody_chose_opens_on_the_largest_difference(page: Opened, view: str) -> None:
    opened = page.go(view=view)
    shown = [opened.locator(f"main select[name={side}] option:checked").inner_text() for side in "AB"]
    assert "able/3.38/skill" in shown
    if view == "questions":
        assert "2 questions" in opened.inner_text("#count")


def test_what_tasks_of_one_question_have_together_has_an_interval(study: Store, page: Opened) -> None:
    results = rows(page.go(view="overview"), "Results")
    [suite] = [row for row in results if row[0] == "crossed" and row[1] == "able/3.38/skill"]
    [arm] = [a for a in study_results(study, study.runs()[0]).arms if a.arm.id == "able/3.38/skill"]
    assert arm.match is not None and arm.match.low is not None and arm.match.high is not None
    assert f"{100 * arm.match.low:.1f} to {100 * arm.match.high:.1f}" in suite


def test_to_run_it_again_a_reader_has_the_fewest_commands_and_the_file(page: Opened) -> None:
    opened = page.go(view="run")
    # The one that was asked once is no part of the first: both are needed.
    assert opened.locator("pre.run-command").all_inner_texts() == [f"weigh study run study.yaml -k {k}" for k in (4, 1)]
    assert opened.locator("a[download]").get_attribute("download") == "study.yaml"
    with opened.expect_download() as saved:
        opened.click("a[download]")
    assert msgspec.json.decode(Path(saved.value.path()).read_bytes()) == FILE
    opened.click("summary:has-text('provenance')")
    assert sorted(row[0] for row in rows(opened, "Provenance") if "models" in row[0]) == [
        f"models {name} name" for name in sorted(EPOCHS)
    ]
