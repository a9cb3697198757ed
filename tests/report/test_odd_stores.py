"""Stores that are not like others, in the real browser: no script fails and every view says something sensible."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.report import odd
from tests.report.conftest import Opened
from tests.report.kit import wide
from tests.report.test_page import OPTIONS, VIEWS, rows
from weigh.cli.main import main
from weigh.pipeline.payload import build_payload
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


def shown(make: Callable[[Store], list[str]], place: Path, opener: Callable[..., Opened]) -> Opened:
    """The report of a store that `make` fills, gone through."""
    store = Store(place / "store")
    opened = opener(report(store, place / "page", *make(store)))
    drawn(opened)
    return opened


def drawn(opened: Opened) -> None:
    """Go through every view."""
    for view in VIEWS:
        page = opened.go(view=view)
        page.wait_for_selector(".loading", state="detached")
        for chart in page.query_selector_all(".chart"):
            chart.wait_for_selector("svg")
        assert len(page.inner_text("main")) > 30, view
        assert opened.errors == [], view


def test_eighteen_arms(many: Opened) -> None:
    drawn(many)
    page = many.go(view="overview")
    assert page.inner_text("main h2") == "Score by model", "along an axis, not eighteen arms one by one"
    assert "1 arm has no number" in page.text_content(".leaders")
    assert page.inner_text("#lacking") == "2 of 72 planned trials were not run."
    page = many.go(view="compare")
    head = page.eval_on_selector_all(".matrix thead th", "all => all.map(th => th.innerText)")
    assert head == ["score", *map(str, range(1, 18))]  # of the suite: one arm has not done all of it
    assert "No number on both: m3/v2/skill" in page.inner_text("main")
    assert len(page.query_selector_all("#as-whole a")) == 7  # three models, two revisions, three tiers, two by two
    page.click("#as-whole a:has-text('tier=skill against bare')")
    assert page.inner_text("main h2") == "tier=skill against tier=bare"


def test_one_arm_is_shown_and_not_compared(tmp_path: Path, opener: Callable[..., Opened]) -> None:
    opened = shown(odd.one_arm, tmp_path, opener)
    assert "nothing is compared" in opened.go(view="overview").inner_text("main")
    assert "cannot be compared" in opened.go(view="compare").inner_text("main")
    assert len(opened.go(view="questions").query_selector_all("#questions button")) == 40


def test_an_imported_table_is_compared(tmp_path: Path, opener: Callable[..., Opened]) -> None:
    opened = shown(odd.imported, tmp_path, opener)
    assert "Nobody knows what these trials cost" in opened.go(view="overview").inner_text("main")
    assert rows(opened.go(view="compare"), "The paired comparison")[0][2] == "9"
    page = opened.go(view="trace")
    page.wait_for_selector("text=came without its trace")


def test_a_run_of_which_every_trial_failed(tmp_path: Path, opener: Callable[..., Opened]) -> None:
    opened = shown(odd.all_failed, tmp_path, opener)
    assert "10 failed" in opened.go(view="coverage").inner_text(".lead")
    assert "connection refused" in opened.go(view="trace").inner_text("main")
    assert "the provider does not answer" in opened.go(view="run").inner_text("main")
    assert len(opened.go(view="questions", show="failed").query_selector_all("#questions button")) == 5
    assert "better" not in opened.go(view="compare", errors="zero").inner_text("main .lead")


def test_a_run_of_which_nothing_is_finished(tmp_path: Path, opener: Callable[..., Opened]) -> None:
    opened = shown(odd.unbegun, tmp_path, opener)
    assert "0 of 10 planned trials are done" in opened.go(view="coverage").inner_text(".lead")
    assert "still going, or was killed" in opened.go(view="coverage").inner_text("#missing")
    assert "did not end" in opened.go(view="run").inner_text("main")


def test_pictures_are_shown_and_sounds_can_be_played(tmp_path: Path, opener: Callable[..., Opened]) -> None:
    opened = shown(odd.seen_and_heard, tmp_path, opener)
    page = opened.go(view="tasks")
    page.wait_for_selector("audio")
    assert page.evaluate("[...document.querySelectorAll('img.input')].map(i => i.naturalWidth)") == [1, 1]
    sounds = page.query_selector_all("audio")
    loaded = "a => a.duration || new Promise(done => a.addEventListener('loadedmetadata', () => done(a.duration)))"
    assert [sound.evaluate(loaded) for sound in sounds] == [0.01, 0.01]
    text = page.inner_text("main")
    assert "https://pictures.example/cat.png" in text and "is not in this report" in text and "cat.bin (a file)" in text
    page = opened.go(view="trace")
    page.wait_for_selector(".step img")
    assert opened.errors == [] and not any("example" in url for url in opened.requests)


def test_ranked_answers_are_right_or_wrong_with_their_likelihoods(
    tmp_path: Path, opener: Callable[..., Opened]
) -> None:
    opened = shown(odd.ranked, tmp_path, opener)
    page = opened.go(view="questions", a=0, b=1, task=1, show="won")
    page.wait_for_selector("[aria-label='Answers given, with log-probabilities']")
    found = rows(page, "Answers given, with log-probabilities")
    assert found[0] == ["blue (likeliest)", "-1.00", "2"] and len(found) == 6
    links = page.eval_on_selector_all(".pair .facts a", "all => all.map(a => a.innerText)")
    assert links == ["choice: wrong", "choice: right"]
    page = opened.go(view="overview", errors="zero")
    assert "bits has no worst value" in page.inner_text("main")
    assert ["picks", "old", "choice", "6"] in [row[:4] for row in rows(page, "Results")]
    assert ["colours", "new", "bits", "6"] in [row[:4] for row in rows(page, "Results")]


def test_a_metric_that_needs_more_epochs_than_there_are_yet(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    index = json.loads(build_payload(store, odd.half_repeated(store)).index)
    (row,) = index["blocks"][index["results"]["0.95|exclude"]]
    assert row["score"] is None and "pass@2" in row["missing"]


def test_many_arms_fit_a_phone_and_a_screen_reader(many: Opened) -> None:
    many.page.set_viewport_size({"width": 375, "height": 740})
    for view in VIEWS:
        many.go(view=view)
        assert many.page.evaluate("document.documentElement.scrollWidth") <= 375, view
    many.page.set_viewport_size({"width": 1280, "height": 900})
    heads = many.go(view="coverage").eval_on_selector_all(".heat thead th", "all => all.map(th => th.innerText)")
    assert heads == ["find", "mend"], "eighteen names stand one below the other"


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
    assert page.inner_text("#missing").startswith("2 missing: ") and "mend" in page.inner_text("#missing")
    page = many.go(view="compare")
    names = page.inner_text(".tiers li >> nth=0")
    assert " more" in names
    page.click(".tiers summary >> nth=0")
    assert len(page.inner_text(".tiers li >> nth=0")) > len(names)
    assert rows(page, "The paired comparison")
