"""What somebody who sees a report for the first time must be told: what is hidden, over what a conclusion is."""

from __future__ import annotations

import pytest

from tests.report.conftest import Opened
from tests.report.test_page import rows


def test_one_arm_left_by_the_filter_is_told_with_the_way_back(opened: Opened) -> None:
    page = opened.go(view="overview", arms=1)
    assert "3 arms are hidden" in page.inner_text("#hidden-arms") and "weigh report RUN" not in page.inner_text("main")
    page.click("#hidden-arms a")
    page.wait_for_selector("#concluded")
    assert "arms: all" in page.inner_text("#controls")


@pytest.mark.parametrize("state", [{"arms": "0.1"}, {"tasks": "0"}, {"arms": "0.1.2"}, {"tasks": "0", "arms": "0.2.3"}])
def test_what_is_concluded_over_more_than_is_shown_says_so(opened: Opened, state: dict[str, str]) -> None:
    page = opened.go(view="overview", **state)
    told = page.locator(".unfiltered").first
    # Of two arms the conclusion is theirs, so that hiding others changes nothing.
    assert told.count() == (0 if state == {"arms": "0.1"} else 1)
    if told.count():
        assert "whatever is filtered" in told.inner_text()
    assert opened.go(view="overview").locator(".unfiltered").count() == 0


@pytest.mark.parametrize(
    "address", [{"arms": "x"}, {"arms": "77"}, {"level": "2"}, {"errors": "maybe"}, {"shared": "yes"}]
)
def test_what_an_address_asks_for_and_is_not_there_is_ignored(opened: Opened, address: dict[str, str]) -> None:
    right = rows(opened.go(view="overview"), "Results")
    page = opened.go(view="overview", **address)
    assert rows(page, "Results") == right and "arms: all" in page.inner_text("#controls")


def test_commas_choose_as_dots_do(opened: Opened) -> None:
    page = opened.go(view="overview", arms="1,3")
    assert {row[1] for row in rows(page, "Results")} == {"small/skill", "large/skill"}


def test_tabs_and_answers_have_room_on_a_tablet(opened: Opened) -> None:
    page = opened.page
    page.set_viewport_size({"width": 768, "height": 900})
    try:
        opened.go(view="questions", a=0, b=1)
        boxes = [tab.bounding_box() for tab in page.query_selector_all("#views a")]
        assert len(boxes) == 7 and all(box["x"] >= 0 and box["x"] + box["width"] <= 768 for box in boxes)
        answers = [part.bounding_box() for part in page.query_selector_all(".pair > div")]
        assert all(box["width"] > 350 for box in answers) and answers[0]["y"] < answers[1]["y"]
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})


def test_a_cell_of_the_matrix_leads_to_its_sentence(opened: Opened) -> None:
    page = opened.go(view="compare")
    page.evaluate("scrollTo(0, 0)")
    page.locator(".matrix button.cell").last.click()
    box = page.locator("#conclusion").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 900
    assert page.locator("#views").bounding_box()["y"] >= 0, "the tabs stay where they can be pressed"


def test_words_are_explained_where_the_keys_are(opened: Opened) -> None:
    page = opened.go(view="compare")
    page.click("#help")
    told = page.inner_text("dialog[open]")
    for word in ("arm", "MDE80", "tasks like these", "tier", "marker", "front"):
        assert word in told
    assert "version of the library" not in told, "a word for which this report has no use"
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
