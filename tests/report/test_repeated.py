"""The page of questions asked several times: the smaller claim, points that are left out, walks through traces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.conftest import Opened
from tests.report.kit import study
from tests.report.test_odd_stores import report
from tests.report.test_page import OPTIONS, rows
from weigh.pipeline.compare import compare
from weigh.pipeline.compare_options import Options as CompareOptions
from weigh.pipeline.plot import draw
from weigh.pipeline.plot_rows import Options
from weigh.store.layout import Store


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four arms, fourteen questions a task, each asked four times: 168 trials an arm."""
    store = Store(tmp_path_factory.mktemp("repeated") / "store")
    study(store, questions=14, epochs=4)
    return store


@pytest.fixture(scope="module")
def shown(repeated: Store, opener: Callable[..., Opened]) -> Opened:
    return opener(report(repeated, Path(repeated.path).parent / "page"))


def test_the_smaller_claim_is_drawn_below_its_task(shown: Opened, repeated: Store) -> None:
    page = shown.go(view="compare", a=0, b=3)
    page.wait_for_selector(".chart[data-chart=forest][data-drawn]")
    names = ".chart[data-chart=forest] .role-axis-label text"
    drawn = [name for name in page.eval_on_selector_all(names, "all => all.map(t => t.textContent)") if "label" in name]
    assert drawn == ["label", "- these questions, label"]
    words = ["study:small/bare", "study:large/skill"]
    (made,) = compare(repeated, words, CompareOptions())
    given = {row.task: row.given for row in made.rows}
    plotted = {row["row"]: row for row in draw(repeated, "differences", words, Options()).rows}
    assert list(plotted)[:2] == ["label", "- these questions, label"]
    for task, one in given.items():
        assert one is not None
        row = plotted[f"- these questions, {task}"]
        assert (row["value"], row["low"], row["high"], row["verdict"]) == (
            one.difference, one.low, one.high, one.verdict,
        )  # fmt: skip


def test_a_part_of_many_points_says_that_it_is_one(shown: Opened) -> None:
    assert "(here 168) 160 are drawn, the box is of all" in shown.go(view="overview").inner_text("main")
    assert "are drawn, the box" not in shown.go(view="overview", of=0).inner_text("main")


def test_trials_without_an_answer_have_a_measure(shown: Opened) -> None:
    page = shown.go(view="overview")
    options = page.eval_on_selector_all("label:has-text('show') option", OPTIONS)
    assert ["mean:unanswered", "trials with no answer"] in options
    page = shown.go(view="overview", measure="mean:unanswered")
    assert page.inner_text("main h2 >> nth=0").startswith("Trials with no answer by")


def test_what_is_over_all_tasks_says_so_where_tasks_are_left_out(shown: Opened) -> None:
    page = shown.go(view="overview", tasks="0")
    told = page.eval_on_selector_all(".unfiltered", "all => all.map(e => e.textContent)")
    assert "Computed over all tasks of a suite in its rows, whatever is filtered." in told
    assert "Computed over all tasks, whatever is filtered." in told
    assert not shown.go(view="overview").query_selector(".unfiltered")


def test_a_walk_through_traces_keeps_the_trial_beside(shown: Opened) -> None:
    page = shown.go(view="questions", a=0, b=3, task=1, show="all")
    page.keyboard.press("t")
    page.wait_for_selector("html[data-view=trace]")
    chosen = "all => all.map(s => s.selectedOptions[0].textContent)"
    arms = [one.split(" · ")[:2] for one in page.eval_on_selector_all("main select", chosen)]
    question = page.inner_text("main .row b")
    page.keyboard.press("j")
    page.wait_for_function("was => document.querySelector('main .row b').innerText !== was", arg=question)
    again = page.eval_on_selector_all("main select", chosen)
    assert [one.split(" · ")[:2] for one in again] == arms
    assert all(one.split(" · ")[2].startswith(("match: ", "error", "timeout")) for one in again)
    page = shown.go(view="trace", trial=page.evaluate("document.querySelector('main select').value"))
    assert not page.is_disabled("[aria-label='Next question']")


def test_arrows_end_where_the_questions_do(shown: Opened) -> None:
    page = shown.go(view="tasks", task=1)
    assert page.is_disabled("[aria-label='Previous question']")
    page.click("[aria-label='Next question']")
    assert page.is_enabled("[aria-label='Previous question']")


def test_a_long_error_is_shown_to_its_end(shown: Opened) -> None:
    shown.go(view="trace").wait_for_selector("pre.observation")
    shown.page.evaluate(
        "() => { const box = document.querySelector('pre.observation'); box.classList.add('error');"
        " box.textContent = 'line\\n'.repeat(90); }"
    )
    cut = "box => box.scrollHeight > box.clientHeight + 1"
    assert shown.page.eval_on_selector("pre.observation.error", cut) is False


def test_a_key_of_many_values_leaves_the_others_to_choose_by(opened: Opened) -> None:
    page = opened.go(view="questions")
    options = page.eval_on_selector_all("label:has-text('metadata') option", OPTIONS)
    assert [value for value, _ in options] == ["", "kind=even", "kind=odd"]


def test_failures_of_many_arms_are_told_with_their_suites(opener: Callable[..., Opened], tmp_path: Path) -> None:
    # More than six arms: the table has suites only.
    store = Store(tmp_path / "store")
    study(store, questions=5)
    study(store, questions=5, name="again")
    page = opener(report(store, tmp_path / "page", "study", "again")).go(view="overview")
    found = rows(page, "Results")
    assert {row[0] for row in found} == {"all"} and len(found) == 8
    assert sum("3 provider" in row for row in found) == 2 and sum("3 timeout" in row for row in found) == 2
