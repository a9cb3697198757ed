"""Stores that are not like others, in the real browser: no script fails and every view says something sensible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.report.conftest import Opened
from tests.report.kit import wide
from tests.report.test_page import OPTIONS, VIEWS, rows
from weigh.cli.main import main
from weigh.store.layout import Store


def report(store: Store, folder: Path, *words: str) -> Path:
    assert main(["report", *words, "--store", str(store.path), "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, opener: Callable[..., Opened]) -> Iterator[Opened]:
    """Eighteen arms."""
    place = tmp_path_factory.mktemp("wide")
    store = Store(place / "store")
    wide(store)
    yield opener(report(store, place / "page"))


def drawn(opened: Opened) -> None:
    """Go through every view."""
    for view in VIEWS:
        page = opened.go(view=view)
        page.wait_for_selector(".loading", state="detached")
        for chart in page.query_selector_all(".chart"):
            chart.wait_for_selector("svg")
        assert len(page.inner_text("main")) > 40, view
        assert opened.errors == [], view


def test_eighteen_arms(many: Opened) -> None:
    drawn(many)
    page = many.go(view="overview")
    assert page.inner_text("main h2") == "Score by model", "along an axis, not eighteen arms one by one"
    assert "1 arm has no number" in page.inner_text(".leaders")
    page = many.go(view="compare")
    head = page.eval_on_selector_all(".matrix thead th", "all => all.map(th => th.innerText)")
    assert head == ["score", *map(str, range(1, 19))]


def test_lines_of_a_chosen_series_never_mix_arms(many: Opened) -> None:
    page = many.go(view="overview", over="tier")
    options = page.eval_on_selector_all("label:has-text('series') option", OPTIONS)
    assert options == [["", "all that differs"], ["model", "model"], ["revision", "revision"]]
    page = many.go(view="overview", over="tier", series="revision", measure="mean:seconds")
    page.wait_for_selector(".chart[data-drawn]")
    chart = ".chart[data-chart='line'] >> nth=0 >> text"
    titles = page.eval_on_selector_all(chart, "all => all.map(t => t.textContent)")
    assert {"v1", "v2", "all tasks · m1", "all tasks · m2", "all tasks · m3"} <= set(titles)


def test_long_notes_are_told_when_asked(many: Opened) -> None:
    page = many.go(view="coverage")
    assert "mend: 2 missing" in page.inner_text("#missing")
    page = many.go(view="compare")
    names = page.inner_text(".tiers li >> nth=0")
    assert " more" in names
    page.click(".tiers summary >> nth=0")
    assert len(page.inner_text(".tiers li >> nth=0")) > len(names)
    assert rows(page, "The paired comparison")
