"""The live viewer in a real browser while a real run grows: right at the end, keeping what was chosen."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.report.kit import pair, study
from weigh.cli.commands.view import told_others
from weigh.pipeline.live_feed import LiveReport
from weigh.pipeline.results import summarize
from weigh.report.live import Live
from weigh.report.server import Server
from weigh.report.site import live_assets
from weigh.store.layout import Store
from weigh.store.reader import read_trials

WEIGH = [sys.executable, "-m", "weigh"]
TRIALS = 2000
TASK = f"""
from weigh import AccuracyMetric, Instance, NumericScorer, Task, register

@register("sums")
class Sums(Task):
    metrics = (AccuracyMetric(scorer=NumericScorer),)

    @property
    def instances(self):
        for i in range({TRIALS}):
            yield Instance(question=f"What is {{i}} + 1?", gold_answer=str(i + 1), id=f"q{{i}}")
"""
MODEL = """
from pathlib import Path

from weigh.execute.providers.script import Turn

HOLD = Path(__file__).with_name("hold")

def answer(request):
    n = int(request.messages[-1].content.split()[2])
    held = HOLD.exists() and n >= 30
    return Turn(text=str(n + 1) if n % 4 else "<img src=x onerror=alert(1)>", delay=1.0 if held else 0.0)
"""
"""While the file `hold` is there it is slow from the 31st question on: a test removes it when it has seen enough."""


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*WEIGH, *words, "--store", str(folder / "store")], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run_words(*more: str) -> list[str]:
    return ["run", "-t", "sums.py:sums", "-m", "scripted/model.py:answer::label=toy,latency=0.02", "--name", "growing",
            "--concurrency", "8", *more]  # fmt: skip


@contextmanager
def viewing(folder: Path, *words: str) -> Iterator[str]:
    """The address of a viewer over the folder's store; it must end cleanly on Ctrl-C."""
    viewer = start(folder, "view", "--port", "0", *words)
    assert viewer.stderr is not None
    try:
        address = re.match(r"http://\S+", viewer.stderr.readline())
        assert address is not None, viewer.stderr.read()
        yield address[0]
        viewer.send_signal(signal.SIGINT)
        _, said = viewer.communicate(timeout=300)
        assert viewer.returncode == 0 and said.splitlines()[-1] == "ended" and "Traceback" not in said
    finally:
        viewer.kill()
        viewer.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sums.py").write_text(TASK)
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


def fetch(address: str) -> Any:
    with urllib.request.urlopen(address) as answer:
        data = answer.read()
    import gzip

    return json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)


def numbers(index: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What the page shows of results at 95 %, failed trials excluded."""
    rows = index["blocks"][index["results"]["0.95|exclude"]]
    return [(row["task"], row["metric"], row["n"], row["score"], row["low"], row["high"]) for row in rows]


@pytest.mark.slow
def test_it_is_right_while_a_run_grows_and_keeps_what_was_chosen(folder: Path, browser: Any) -> None:
    first = start(folder, *run_words("--limit", "20"))
    first.communicate(timeout=300)
    with viewing(folder) as address:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append("a dialog"))
        page.goto(f"{address}#view=coverage&level=0.9")
        page.wait_for_selector("#progress", state="attached")
        (folder / "hold").touch()
        run = start(folder, *run_words())
        seen: list[int] = []
        grew = of_planned = False
        while run.poll() is None:
            seen.append(int(page.get_attribute("#progress", "data-done") or 0))
            grew = len({n for n in seen if 20 < n < TRIALS}) >= 2
            shown = re.findall(rf"\b(\d+) / {TRIALS}\b", page.inner_text("main"))
            of_planned = of_planned or any(0 < int(n) < TRIALS for n in shown)
            if grew and of_planned:
                (folder / "hold").unlink(missing_ok=True)
            time.sleep(0.2)
        assert run.wait() == 0
        page.wait_for_selector('#progress[data-running="false"]', state="attached", timeout=60_000)
        page.wait_for_function(
            f"() => document.getElementById('made').textContent.includes('{TRIALS:,} trials')", timeout=60_000
        )
        assert seen == sorted(seen) and grew, "it was told while it grew"
        assert of_planned, "of those planned, not of those done"
        assert page.evaluate("location.hash") == "#view=coverage&level=0.9"
        assert page.evaluate("document.documentElement.dataset.view") == "coverage"
        store = Store(folder / "store")
        made = summarize(store, store.find("growing"))
        expected = [
            (r.task, r.metric, r.estimate.n, r.estimate.mean, r.estimate.low, r.estimate.high)
            for r in made.rows
            if r.estimate is not None
        ]
        index = fetch(address + "api/index")
        assert numbers(index) == expected and expected[0][2] == TRIALS, "the numbers of weigh results"
        trial = index["trials"]["id"][0]
        record = fetch(address + f"api/trial/{trial}")
        assert record["id"] == trial and record["trajectory"]["output"]["text"]
        page.goto(f"{address}#view=trace&trial={trial}")
        page.wait_for_selector("text=<img src=x onerror=alert(1)>")
        assert not wrong, wrong
        page.close()


class Going(LiveReport):
    """A run of which one more trial might come at any time."""

    running = True


@contextmanager
def served(report: LiveReport) -> Iterator[str]:
    """The address of a viewer in a thread of its own: a browser that a test drives keeps a loop in the main one."""
    address: Future[str] = Future()
    over = threading.Event()

    async def serve() -> None:
        live = Live(report)
        await live.start()
        async with Server(live, live_assets("weigh")) as server:
            address.set_result(server.url)
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield address.result(120)
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_comparisons_come_when_they_are_looked_at(tmp_path: Path, browser: Any) -> None:
    store = Store(tmp_path / "store")
    study(store, questions=8)
    pair(store)
    whole = json.loads(LiveReport(store, ["study"]).build(None))
    with served(Going(store, ["study"])) as address:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{address}#view=compare&a=0&b=3")
        page.wait_for_selector("[aria-label='The paired comparison']")
        index = fetch(address + "api/index")
        assert list(index["matrix"]) == [""] and len(index["wishes"]) == 1
        page.select_option("label:has-text('by') select >> nth=0", "tokens")
        page.select_option("label:has-text('confidence') select", "0.9")
        page.wait_for_selector("text='90 % of it'")
        made = index_of(address, level="0.9", metric="tokens")
        place, other = made["pairs"]["0,3"]["tokens"]["0.9|exclude"], whole["pairs"]["0,3"]["tokens"]["0.9|exclude"]
        assert made["blocks"][place] == whole["blocks"][other], "the same numbers"
        page.goto(f"{address}#view=compare&a=0&b=3&by=marker:cli")
        page.wait_for_selector("[aria-label='Trials by the path they took']")
        page.goto(f"{address}#view=run")
        assert page.inner_text("#others") == "weigh view pair"
        assert not wrong, wrong
        page.close()


def test_the_terminal_names_runs_that_are_not_shown() -> None:
    told = told_others(["b", "c", "d", "e", "f"], named=False)
    assert told.startswith("the latest run is shown; `weigh view RUN ...` shows others")
    assert "b, c, d and 2 more" in told
    assert told_others(["b"], named=True).startswith("what was named is shown") and "more" not in told_others(
        ["b"], True
    )


def index_of(address: str, **wish: str) -> Any:
    return fetch(f"{address}api/index?{urlencode(wish)}")


def test_a_trial_comes_with_what_it_was_given(store: Store) -> None:
    report = LiveReport(store, ())
    report.look()
    ways = {}
    for trial in read_trials(store.open("study-0a1b2c3d")):
        found = report.record(trial.id)
        assert found is not None
        texts = json.loads(found).get("given")
        ways[trial.arm] = None if texts is None else (texts["mylib/SKILL.md"], texts["system.txt"][:18])
        if trial.trajectory is not None and len(ways) == 4:
            break
    assert ways == {
        "small/bare": None, "large/bare": None, "small/skill": ("Run `mylib run N`.", "Use mylib, offered"),
        "large/skill": ("Run `mylib run N`.", "Use mylib, loaded."),
    }  # fmt: skip
    assert report.record("nobody") is None


def test_what_it_knows_without_a_page(folder: Path) -> None:
    (folder / "hold").touch()
    run = start(folder, *run_words("--limit", "60"))
    report = LiveReport(Store(folder / "store"), ())
    looks = []
    while run.poll() is None:
        if any((folder / "store").glob("runs/*/run.json")) and report.look():
            told = report.progress()["runs"][0]
            looks.append((told["done"], told["expected"]))
            if 0 < told["done"] < 60:
                (folder / "hold").unlink(missing_ok=True)
        time.sleep(0.01)
    run.communicate()
    report.look()
    told = report.progress()["runs"][0]
    assert (told["done"], told["expected"], told["running"], told["failed"]) == (60, 60, False, {})
    assert told["rows"] == [("toy", "sums", 60, 0, 60)]
    assert any(0 < done < 60 for done, _ in looks), "it was told while it grew"
    assert all(expected in (0, 60) or done <= expected for done, expected in looks)


def test_elsewhere_it_takes_a_token_and_redaction_reaches_everything(folder: Path) -> None:
    secret = "hf_" + "a1B2c3D4e5" * 4
    (folder / "model.py").write_text(f"def answer(request):\n    return 'the token is {secret}'\n")
    start(folder, *run_words("--limit", "3")).communicate(timeout=300)
    with viewing(folder, "--token", "--redact") as address:
        assert "?token=" in address
        base, token = address.split("?token=")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetch(base + "api/index")
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        opener.open(address).read()
        import gzip

        index = gzip.decompress(opener.open(base + "api/index").read()).decode()
        trial = json.loads(index)["trials"]["id"][0]
        record = opener.open(base + f"api/trial/{trial}").read().decode()
        for text in (index, record):
            assert secret not in text and "<secret:hub-token#1>" in text and token not in text
            assert os.environ.get("HOME", "/nowhere") + "/" not in text
