"""Finding one's way in the page: from a number to its trials, lists that close, keys, sorting, trials of a question."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import Opened
from tests.report.kit import study
from tests.report.test_page import rows
from weigh.cli.main import main
from weigh.store.layout import Store

ACTIVE = "document.activeElement.tagName"
SELECTS, BOXES = "main select, .controls > label select", "main input[type=checkbox], .controls > label input"


def listed(page: Any) -> list[str]:
    """Task and id of every question in the list."""
    return [b.inner_text().split("\n")[-1] for b in page.query_selector_all("#questions button")]


@pytest.fixture(scope="module")
def repeated(opener: Callable[..., Opened], tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """The study with three trials a question."""
    folder = tmp_path_factory.mktemp("repeated")
    store = Store(folder / "store")
    study(store, questions=6, epochs=3)
    assert main(["report", "--store", str(store.path), "-o", str(folder / "site")]) == 0
    return opener(folder / "site")


@pytest.mark.parametrize("view", ["overview", "compare", "questions"])
def test_controls_keep_the_keyboard(opened: Opened, view: str) -> None:
    for kind, key in ((SELECTS, "ArrowDown"), (BOXES, "Space")):
        page = opened.go(view=view)
        for place in range(len(page.query_selector_all(kind))):
            # A choice may take others away.
            if place < len(found := page.query_selector_all(kind)):
                found[place].focus()
                page.keyboard.press(key)
                assert page.evaluate(ACTIVE) == ("SELECT" if kind is SELECTS else "INPUT"), (view, place)


def test_lists_close_and_narrow_to_one(opened: Opened) -> None:
    page = opened.go(view="overview")
    is_open = "document.querySelectorAll('details.choose[open]').length"
    page.click("summary:has-text('arms: all')")
    page.click("[aria-label='only tier skill']")
    page.click("[aria-label='only model large']")
    assert page.evaluate(is_open) == 1 and "open" not in page.evaluate("location.hash")
    assert {row[1] for row in rows(page, "Results")} == {"large/skill"}
    page.keyboard.press("Escape")
    assert page.evaluate(is_open) == 0
    assert page.evaluate("document.activeElement.textContent") == "arms: 1 of 4"
    page.click("summary:has-text('arms: 1 of 4')")
    page.click("button:has-text('all of them') >> visible=true")
    assert "arms=" not in page.evaluate("location.hash")
    page.evaluate("document.querySelectorAll('details.choose')[1].open = true")
    page.wait_for_selector("details.choose[open] summary:has-text('tasks')")
    page.wait_for_selector("details.choose:not([open]) summary:has-text('arms')")
    page.click("h1")
    assert page.evaluate(is_open) == 0


def test_keys_are_shown(opened: Opened) -> None:
    page = opened.go(view="overview")
    assert page.evaluate("getComputedStyle(document.querySelectorAll('#views a')[2], '::before').content") == '"3"'
    page.keyboard.press("?")
    assert "next and previous question" in page.inner_text("dialog[open]")
    page.keyboard.press("3")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert "questions" not in page.evaluate("location.hash")


def test_numbers_of_the_overview_lead_to_their_trials(opened: Opened) -> None:
    page = opened.go(view="overview")
    page.click("[aria-label='Results'] tr:has-text('label'):has-text('small/skill') a:has-text('1 timeout')")
    page.wait_for_selector("html[data-view='questions']")
    assert listed(page) == ["label · q4"]
    assert "timeout" in page.inner_text("section .facts a")
    page = opened.go(view="overview")
    link = page.query_selector("[aria-label='Markers by arm'] tr:has-text('small/skill') a")
    share = float(link.inner_text().split()[0])
    number = next(int(row[2]) for row in rows(page, "Markers by arm") if row[1] == "small/skill")
    link.click()
    page.wait_for_selector("html[data-view='questions']")
    assert share == pytest.approx(100 * len(listed(page)) / number, abs=0.06)
    assert page.input_value("label:has-text('marker') select") == "marker:cli"


def test_points_say_what_they_are_and_lead_to_their_trials(opened: Opened) -> None:
    page = opened.go(view="overview", over="task")
    point = page.wait_for_selector(".chart[data-drawn][data-chart='dots'] .mark-symbol path")
    point.hover()
    told = page.inner_text("#tip")
    found = re.match(r"(\S+) on (\S+): [\d.]+", told)
    assert found and "click" in told
    point.click()
    page.wait_for_selector("html[data-view='questions']")
    assert not page.is_visible("#tip")
    assert page.inner_text("section h3") == found[1]
    assert all(name.startswith(found[2]) for name in listed(page)) and len(listed(page)) == 24


def test_coverage_and_failures_lead_to_their_trials(opened: Opened) -> None:
    page = opened.go(view="coverage")
    page.click("[aria-label='Coverage by task and arm'] a:has-text('1 failed')")
    page.wait_for_selector("html[data-view='questions']")
    assert len(listed(page)) == 1 and listed(page)[0].endswith("q3")
    page = opened.go(view="run")
    page.click("[aria-label='Failures by reason'] a:has-text('3')")
    page.wait_for_selector("html[data-view='questions']")
    assert [name.split(" · ")[1] for name in listed(page)] == ["q3"] * 3


def test_questions_are_chosen_by_arm_marker_and_status(opened: Opened) -> None:
    page = opened.go(view="questions", a="all", b="none", marker="!marker:cli", status="timeout")
    assert {name.split(" · ")[1] for name in listed(page)} <= {"q4"}
    whole = len(listed(opened.go(view="questions", a=1, b="none")))
    fired, silent = (
        len(listed(opened.go(view="questions", a=1, b="none", marker=f"{no}marker:cli"))) for no in ("", "!")
    )
    assert 0 < fired < whole and fired + silent == whole
    page = opened.go(view="questions", a="all", b="none", arms="0.1", task=0)
    names = page.eval_on_selector_all("select[aria-label='Trial of A'] option", "all => all.map(o => o.textContent)")
    assert [name.split(" · ")[0] for name in names] == ["small/bare", "small/skill"]


def test_nothing_found_says_by_what(opened: Opened) -> None:
    page = opened.go(view="questions", a=0, b=3, show="all", q="no such words")
    assert "No question is shown by the search" in page.inner_text("#main")
    page.click("button:has-text('Show all questions')")
    assert len(listed(page)) == 72 and "q=" not in page.evaluate("location.hash")


def test_each_trial_of_a_side_can_be_looked_at(repeated: Opened) -> None:
    page = repeated.go(view="questions", a=0, b=3, show="won", task=1)
    told = page.query_selector_all("section .facts a")
    # Where a side is better, what made it so is shown first.
    assert [a.inner_text() for a in told] == ["match: wrong", "match: right"]
    select = "select[aria-label='Trial of A']"
    names = page.eval_on_selector_all(f"{select} option", "all => all.map(o => o.textContent)")
    assert len(names) == 3 and "epoch 3" in names[2]
    right = sum("match: right" in name for name in names)
    assert page.inner_text(".tally").startswith(f"{right} of 3 trials right")
    page.focus(select)
    other = page.eval_on_selector_all(f"{select} option", "all => all.find(o => !o.selected).value")
    page.select_option(select, other)
    page.wait_for_selector("details.asked")
    assert page.input_value(select) == other
    page.keyboard.press("Escape")
    shown = page.query_selector("section .facts a").get_attribute("href")
    page.keyboard.press("t")
    page.wait_for_selector("html[data-view='trace']")
    opened_at = page.evaluate("location.hash")
    assert re.search(r"trial=(\w+)", opened_at)[1] == re.search(r"trial=(\w+)", shown)[1]  # type: ignore[index]


def test_results_sort_by_a_column(opened: Opened) -> None:
    page = opened.go(view="overview")
    before = rows(page, "Results")
    head = "[aria-label='Results'] th button:has-text('score')"

    def scores() -> list[float]:
        return [float(row[4].split()[0]) for row in rows(page, "Results")]

    page.click(head)
    assert scores() == sorted(scores(), reverse=True)
    page.keyboard.press("Enter")
    assert scores() == sorted(scores())
    assert page.get_attribute("[aria-label='Results'] th:has-text('score')", "aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert rows(page, "Results") == before


def test_compare_offers_what_the_report_holds(opened: Opened) -> None:
    page = opened.go(view="compare")
    names = dict(page.eval_on_selector_all("select[name=A] option", "all => all.map(o => [o.text, o.value])"))
    assert len(names) > 6
    for name, value in names.items():
        page.select_option("select[name=A]", value)
        assert page.query_selector("#conclusion"), name
        chosen = page.eval_on_selector_all("#main select", "all => all.map(s => s.selectedOptions[0].text)")
        assert name in chosen, "the two may change places, and the chosen one stays"


def test_an_arm_looks_the_same_in_tables_and_charts(opened: Opened) -> None:
    page = opened.go(view="overview", over="task")
    page.wait_for_selector(".chart[data-drawn][data-chart='dots']")
    marks = page.eval_on_selector_all("#main svg.swatch path", "all => all.map(p => p.getAttribute('fill'))")[:4]
    assert len(set(marks)) == 4
    for arms in ("1.3", "3", ""):
        page = opened.go(view="overview", over="task", arms=arms)
        page.wait_for_selector(".chart[data-drawn][data-chart='dots']")
        shown = page.eval_on_selector_all(
            ".chart[data-chart='dots'] .mark-symbol.role-mark path", "all => all.map(p => p.getAttribute('fill'))"
        )
        assert set(shown) == {marks[int(i)] for i in (arms or "0.1.2.3").split(".")}


def test_answers_are_short_and_epochs_are_numbered_alike(repeated: Opened) -> None:
    page = repeated.go(view="tasks", task=1)
    shown = rows(page, "Answers of every arm")
    assert [row[1] for row in shown[:3]] == ["1", "2", "3"]
    assert {row[2] for row in shown} == {"✓ right", "✗ wrong"}
    assert page.query_selector("th:has-text('taken as')") is None, "what was taken as the answer is the whole output"
    page = repeated.go(view="trace")
    page.wait_for_selector(".step")
    assert "epoch 1" in page.inner_text("section h2") and "most tool calls" in page.inner_text("#unasked")
    page = repeated.go(view="trace", trial="nosuch")
    assert "No trial of this report begins with nosuch" in page.inner_text("#main") and "null" not in page.inner_text(
        "#main"
    )


def test_on_a_phone_a_chosen_question_comes_into_view(opener: Callable[..., Opened], site: Path) -> None:
    phone = opener(site)
    phone.page.set_viewport_size({"width": 375, "height": 700})
    page = phone.go(view="questions", a=0, b=3, show="all")
    top = "document.querySelector('section[aria-label=\"The question\"]').getBoundingClientRect().top"
    assert page.evaluate(top) > 500
    page.click("#questions li:nth-child(3) button")
    assert abs(page.evaluate(top)) < 60
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
