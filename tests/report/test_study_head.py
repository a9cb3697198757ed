"""The head of a study's report: its conclusions, what is missing, what its tiers are; questions that all arms have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.report.conftest import Opened
from tests.report.kit import METRIC, _trial, digest, study, write_run
from tests.report.test_page import rows
from weigh.cli.main import main
from weigh.cli.study_results_text import results_text
from weigh.pipeline.payload import build_payload
from weigh.pipeline.study_results import study_results
from weigh.records.arm import Arm
from weigh.records.run import Invocation, Run, TaskInfo
from weigh.store.layout import Store

TIERS = [
    {"name": "bare", "description": "installed, nothing else"},
    {"name": "skill", "description": "a Skill", "skills": [
        {"name": "mylib", "description": "How to use mylib.", "body": "Run `mylib run N`.", "digest": "d"}]},
]  # fmt: skip


class Fixed:
    """Dice that give what is asked for."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


def partly(store: Store) -> None:
    """Three arms: one solved a task, one never did, one was not run at all."""
    arms = tuple(Arm(id=f"m/{tier}", digest=digest(tier), axes={"model": "m", "tier": tier})
                 for tier in ("bare", "clone", "skill"))  # fmt: skip
    task = TaskInfo(name="find", digest="t", metrics=(METRIC,), num_instances=2)
    run = Run(id="partly-00000001", name="partly", created=1.0, arms=arms, tasks=(task,), tags=("study",))
    trials = [
        _trial(run, arm, task, number, 0, Fixed(0.5), skill, False)  # type: ignore[arg-type]
        for arm, skill in ((arms[0], 0.0), (arms[2], 1.0)) for number in range(2)
    ]  # fmt: skip
    plan = {"cells": {"find": 2}, "study": {"tiers": TIERS, "compare": [{"axis": "tier", "a": "skill", "b": "bare"}]}}
    write_run(store, run, trials, Invocation(id="i1", started=1.0, ended=2.0, plan=plan))


def head(payload: Any, key: str = "0.95|exclude") -> Any:
    value = msgspec.json.decode(payload.index)
    return value, value["blocks"][value["study"]["conclusions"][key]]


def test_a_study_begins_with_what_it_concludes(opened: Opened, store: Store) -> None:
    page = opened.go(view="overview")
    told = page.inner_text("#concluded")
    made = study_results(store, store.runs()[0])
    [contrast] = made.contrasts
    text = results_text(made, "table")
    shown = rows(page, "Verdicts on tier skill against bare")
    assert [row[0] for row in shown] == ["small", "large"]
    for row, one in zip(shown, contrast.models, strict=True):
        line = next(
            line for line in text.split("tier skill against bare")[1].splitlines() if line.startswith(f"{row[0]} ")
        )
        assert all(cell in line for cell in row if cell != "-"), (row, line)
        assert (
            f"helps {one.model} on tasks like these (" in told
            if one.verdict == "helps"
            else f"cannot tell for {one.model}" in told
        )
    assert "3 failed" in told and page.is_visible("#tiers") and "usual meanings" in page.inner_text("#tiers")


def test_what_a_study_compares_and_its_tiers_are_those_it_recorded(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    partly(store)
    value, [made] = head(build_payload(store))
    assert made["told"].startswith("tier bare against skill: ") and "m (from 100.0 % to 0.0 %" in made["told"]
    assert [t["recorded"] for t in value["study"]["tiers"]] == [True, False, True]
    assert [t["ways"] for t in value["study"]["tiers"]] == [{}, {}, {"mylib": {"offered": ["m/skill"]}}]
    assert value["study"]["successes"].startswith("Only m/skill (find 2 of 2) ever solved a task")
    assert value["study"]["missing"] == "2 of 6 planned trials were not run, 1 arm has no trial at all."


def test_no_choice_of_shared_questions_where_there_are_none(opener: Callable[..., Opened], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    partly(store)
    assert main(["report", "--store", str(store.path), "-o", str(tmp_path / "page")]) == 0
    page = opener(tmp_path / "page").go(view="overview")
    assert page.inner_text("#not-shared") == "no question has a score of all 3 arms; 1 arm has no trial"
    assert "2 missing" in page.inner_text("#controls")
    assert "Skill mylib (offered): How to use mylib." in page.inner_text("#tiers")
    page.evaluate("location.hash = '#view=overview&shared=1'")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert rows(page, "Results")[0][3] == "2", "an old link asks for what is not there"


def test_arms_that_are_level_have_no_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    study(store)
    value = msgspec.json.decode(build_payload(store).index)
    for row in value["blocks"][value["matrix"][""]["0.95|exclude"]]["rows"]:
        best = max(float(arm["score"]) for arm in row["arms"])
        assert all(float(arm["score"]) == best for arm in row["arms"] if arm["arm"] in row["best"]) and row["best"]


def test_the_smallest_difference_to_be_seen_follows_the_level(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    study(store)
    value = msgspec.json.decode(build_payload(store).index)
    rows = [value["blocks"][value["results"][f"{level}|exclude"]][0] for level in ("0.9", "0.95", "0.99")]
    found = [float(row["shown"]["mde80"].split()[0]) for row in rows]
    assert found == sorted(found) and found[0] < found[2]


def test_why_trials_are_missing_is_told_by_what_was_asked(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    partly(store)
    value = msgspec.json.decode(build_payload(store).index)
    assert value["coverage"][1]["why"] == "2 missing: these were not asked for, or not reached"
    folder = store.open("partly-00000001")
    asked = {"models": {"m/bare": {"name": "m"}}}
    folder.begin(Invocation(id="i2", started=3.0, ended=4.0, plan={"cells": {"find": 3}}, provenance=asked))
    value = msgspec.json.decode(build_payload(store).index)
    assert [entry["why"] for entry in value["coverage"]] == [
        "1 missing: not reached before it ended",
        "3 missing: no execution asked for them (-t and --only choose a part)",
        "1 missing: no execution asked for them (-t and --only choose a part)",
    ]


def test_compare_opens_on_a_pair_with_something_to_show(opener: Callable[..., Opened], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    partly(store)
    assert main(["report", "--store", str(store.path), "-o", str(tmp_path / "page")]) == 0
    page = opener(tmp_path / "page").go(view="compare")
    assert page.inner_text("main").count("m/skill against m/bare") >= 1
    assert rows(page, "The paired comparison")[0][2] == "2"
