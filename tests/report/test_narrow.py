"""The page where there is little room: on a phone, on a sheet of paper, by the keyboard alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.report.conftest import Opened
from tests.report.kit import study, wide
from tests.report.test_odd_stores import report
from tests.report.test_page import VIEWS, rows
from weigh.store.layout import Store


@pytest.fixture(scope="module")
def page_of_many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("narrow")
    store = Store(place / "store")
    wide(store)
    return report(store, place / "page")


@pytest.fixture(scope="module")
def phone(page_of_many: Path, opener: Callable[..., Opened]) -> Iterator[Opened]:
    opened = opener(page_of_many)
    opened.page.set_viewport_size({"width": 390, "height": 844})
    yield opened


@pytest.mark.parametrize("label", ["Results", "Markers by arm"])
def test_the_chief_number_is_in_sight_on_a_phone(phone: Opened, label: str) -> None:
    page = phone.go(view="overview")
    cells = f"[aria-label='{label}'] tbody tr:first-child > *"
    rights = page.eval_on_selector_all(cells, "all => all.map(c => c.getBoundingClientRect().right)")
    assert rights[2] <= 390, "task, arm and the number"
    assert "±" in rows(page, label)[0][2]
    heights = page.eval_on_selector_all(f"[aria-label='{label}'] tbody tr", "all => all.map(r => r.offsetHeight)")
    assert max(heights) < 80, "nothing that is off the screen makes a row tall"


def test_nothing_is_cut_on_paper_and_all_of_it_is_light(page_of_many: Path, opener: Callable[..., Opened]) -> None:
    opened = opener(page_of_many, color_scheme="dark")
    opened.page.set_viewport_size({"width": 1040, "height": 735})  # A4 across, without its margins
    opened.page.emulate_media(media="print")
    for view in VIEWS:
        page = opened.go(view=view)
        page.wait_for_selector(".loading", state="detached")
        for chart in page.query_selector_all(".chart"):
            chart.wait_for_selector("svg")
        widest = page.eval_on_selector_all(
            "main table, main svg", "all => Math.max(0, ...all.map(e => e.getBoundingClientRect().right))"
        )
        assert widest <= 1040, view
        assert page.eval_on_selector("body", "body => getComputedStyle(body).backgroundColor") == "rgb(255, 255, 255)"
    assert opened.page.get_attribute("html", "data-theme") == "dark"


def test_the_matrix_is_one_stop_of_the_keyboard_and_arrows_walk_it(opened: Opened) -> None:
    page = opened.go(view="compare", a=0, b=3, task="all")
    stops = page.query_selector_all(".matrix button[tabindex='0']")
    assert len(stops) == 1 and len(page.query_selector_all(".matrix button[tabindex='-1']")) == 11
    stops[0].focus()
    focused = "document.activeElement.getAttribute('aria-label')"
    before = page.evaluate(focused)
    page.keyboard.press("ArrowDown")
    after = page.evaluate(focused)
    assert after != before and after.split(" against ")[1].split(" on ")[0] in before.split(" against ")[1]
    page.keyboard.press("Enter")
    assert page.evaluate(focused).split(",")[0] == after.split(",")[0], "focus stays where it was"


def test_compare_leaves_out_tasks_that_were_not_chosen(opened: Opened) -> None:
    page = opened.go(view="compare", a=0, b=3, tasks="1")
    assert [row[0] for row in rows(page, "The paired comparison")] == ["count", "all"]
    assert "whatever is filtered" in page.inner_text(".unfiltered")


def test_an_interval_says_that_it_is_over_epochs(opener: Callable[..., Opened], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    study(store, questions=1, epochs=4)
    page = opener(report(store, tmp_path / "page")).go(view="overview")
    assert "of a task of one question over its epochs, else over questions" in page.inner_text("main")
