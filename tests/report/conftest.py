"""One browser and one page for the tests of a file: while it runs, no other loop may run in its thread."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.kit import study
from weigh.cli.main import main
from weigh.store.layout import Store

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SHOW = "hash => location.hash === hash ? dispatchEvent(new HashChangeEvent('hashchange')) : (location.hash = hash)"


def missing(what: str) -> None:
    """Leave the test out, or fail where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; scripts/system and the test group install it")
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, started once a file (0.8 s). A page of a test comes from `browser.new_page()`; close it.

    While it runs a loop runs in this thread, so that no asyncio test can: it ends with its file.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = Store(tmp_path_factory.mktemp("report") / "store")
    study(made)
    return made


@pytest.fixture(scope="session")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the study, written by the command."""
    folder = tmp_path_factory.mktemp("site") / "report"
    assert main(["report", "study", "--store", str(store.path), "-o", str(folder)]) == 0
    return folder


class Opened:
    """A page that is open, with what it asked for and what went wrong in it."""

    def __init__(self, page: Any, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def go(self, **state: object) -> Any:
        """Show a view; waits until it is drawn."""
        address = "&".join(f"{key}={value}" for key, value in state.items())
        self.page.evaluate("document.documentElement.dataset.view = ''; document.activeElement.blur()")
        self.page.evaluate(SHOW, f"#{address}")
        self.page.wait_for_selector(f"html[data-view='{state.get('view', 'overview')}']")
        return self.page


@pytest.fixture(scope="module")
def opener(browser: Any) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def open_page(folder: Path, **options: Any) -> Opened:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        context.set_offline(True)
        context.set_default_timeout(60_000)
        contexts.append(context)
        opened = Opened(context.new_page(), folder)
        opened.page.goto((folder / "index.html").as_uri())
        opened.page.wait_for_selector("html[data-ready]")
        return opened

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def opened(opener: Callable[..., Opened], site: Path) -> Opened:
    return opener(site)
