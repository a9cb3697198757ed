"""Renew the screenshots of docs/report.md: `python docs/make_screenshots.py [STORE RUN]`.

STORE and RUN are a finished `make demo` (real models; default: weigh-store, demo). The pictures of the matrix and of a
trace show a scripted study, made here, since the demo's models call no tools.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.report.kit import study  # noqa: E402 - the store that the tests of the page use

from weigh.cli.main import main  # noqa: E402
from weigh.store.layout import Store  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SHOTS = [
    # name, page, state, width, height, dark
    ("report-overview", "demo", "view=overview", 1180, 760, False),
    ("report-compare", "demo", "view=compare", 1180, 800, False),
    ("report-questions", "demo", "view=questions&a=0&b=1&task=3", 1180, 700, False),
    ("report-tasks", "demo", "view=tasks&task=0", 1180, 720, False),
    ("report-run", "demo", "view=run", 1180, 640, False),
    ("report-coverage", "study", "view=coverage", 1180, 440, False),
    ("report-matrix", "study", "view=compare&task=all", 1180, 560, False),
    ("report-trace", "study", "view=trace&trial=9fc06ba14810", 1180, 760, True),
    ("report-tablet", "study", "view=overview&over=tier", 760, 760, False),
    ("report-phone", "demo", "view=compare", 375, 760, True),
]


def shoot(pages: dict[str, Path]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, page, state, width, height, dark in SHOTS:
            size = {"width": width, "height": height}
            context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light", offline=True)
            tab = context.new_page()
            tab.goto(f"{(pages[page] / 'index.html').as_uri()}#{state}")
            tab.wait_for_selector("html[data-ready]")
            tab.wait_for_timeout(1500)
            tab.screenshot(path=IMAGES / f"{name}.png")
            print(f"{name}.png")
            context.close()
        browser.close()


def run(store: str, name: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        scripted = Store(Path(folder) / "store")
        study(scripted)
        pages = {"demo": Path(folder) / "demo", "study": Path(folder) / "study"}
        code = main(["report", name, "--store", store, "-o", str(pages["demo"])])
        code = code or main(["report", "study", "--store", str(scripted.path), "-o", str(pages["study"])])
        if not code:
            shoot(pages)
    return code


if __name__ == "__main__":
    raise SystemExit(run(*(sys.argv[1:3] or ["weigh-store", "demo"])))
