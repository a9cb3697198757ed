"""What a report costs: to write it, to open it, to filter it (`python perf/report.py --help`).

A store of many trials is made, finished (Parquet), and reported by the command in a process of its own; the page is
then opened from the disk in headless Chromium with the network off. A filter's time is from the change to the frame in
which everything that can be seen stands; what lies below is drawn afterwards, piece by piece, and the next filter waits
until all is drawn and the page is at rest.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from weigh.records.arm import Arm
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Message, Output, ToolCall
from weigh.records.run import Invocation, MetricInfo, Run, SuiteNode, TaskInfo
from weigh.records.score import Score
from weigh.records.trajectory import Observation, Step, Trajectory
from weigh.records.trial import Attempt, Timing, Trial
from weigh.records.usage import Usage
from weigh.store.journal import JournalWriter
from weigh.store.layout import Store
from weigh.store.parquet import finish

ARMS, TASKS = 5, 10
ROUNDS = 5
WORDS = [f"word{n:04d}" for n in range(3000)]
BARS = {10_000: (5.0, 3.0, 1500.0, 150.0), 100_000: (20.0, 15.0, 3000.0, 300.0)}
"""Trials -> the most seconds to write, MB of the index, milliseconds to the first view, milliseconds a filter."""
FILTERS = (
    "view=overview", "view=overview&level=0.99", "view=overview&measure=median:seconds", "view=overview&over=model",
    "view=overview&arms=0.1.2", "view=compare", "view=compare&a=1&b=3&level=0.9", "view=compare&metric=tokens",
    "view=questions&a=0&b=1", "view=questions&a=0&b=1&show=all", "view=questions&a=0&b=1&show=all&task=3",
    "view=questions&a=0&b=1&show=all&q=word1234", "view=questions&a=0&b=1&show=all&regex=1&q=word12.*word9",
    "view=questions&a=0&b=1&show=all&meta=kind=odd", "view=trace", "view=coverage", "view=tasks&task=2", "view=run",
)  # fmt: skip


def trial(run: str, arm: int, task: int, number: int, text: int) -> Trial:
    """An agent's trial of three turns with about `text` bytes in all."""
    dice = random.Random((arm * TASKS + task) * 1_000_003 + number)
    words = dice.choices(WORDS, k=max(20, text // 9))
    third = len(words) // 3
    question, result, answer = (" ".join(words[i * third : (i + 1) * third]) for i in range(3))
    usage = Usage(new=dice.randrange(200, 2000), cached=dice.randrange(500), generated=dice.randrange(20, 300), calls=2)
    seconds = dice.lognormvariate(1, 0.6)
    steps = (
        Step(source="user", message=question),
        Step(source="model", reasoning="I look first.", seconds=seconds / 2, usage=usage,
             tool_calls=(ToolCall(id="c1", name="bash", arguments={"command": f"grep {words[0]} notes.txt"}),),
             observations=(Observation(call_id="c1", tool="bash", content=result, seconds=0.1),)),
        Step(source="model", message=answer, seconds=seconds / 2, usage=usage),
    )  # fmt: skip
    identity = f"{arm:02x}{task:02x}{number:08x}"
    return Trial(
        id=identity, run=run, key=identity * 2, arm=f"model-{arm}", task=f"task{task}", status="ok",
        instance=Instance(question=question, gold_answer="a", id=f"q{number}",
                          metadata={"kind": "odd" if number % 2 else "even"}),
        instance_digest=f"{task:04x}{number:028x}",
        trajectory=Trajectory(request=ChatRequest(messages=(Message(role="user", content=question),)),
                              output=Output(text=answer, finish_reason="stop"), steps=steps, usage=usage),
        scores={"match": Score(value=float(dice.random() < 0.4 + 0.06 * arm), digest="d" * 32, answer=words[-1])},
        attempts=(Attempt(started=1000.0 + number, seconds=seconds),),
        timing=Timing(started=1000.0 + number, total=seconds, model=seconds - 0.1, tools=0.1), usage=usage,
    )  # fmt: skip


def make_store(path: Path, trials: int, text: int) -> None:
    """A finished run of `ARMS` arms on `TASKS` tasks."""
    metric = MetricInfo(name="match", scorer="match")
    tasks = tuple(TaskInfo(name=f"task{t}", digest=f"t{t}", metrics=(metric,)) for t in range(TASKS))
    arms = tuple(
        Arm(id=f"model-{a}", digest=f"a{a}", axes={"model": f"model-{a}", "size": float(a + 1)}) for a in range(ARMS)
    )
    run = Run(id="perf-00000001", name="perf", created=1.0, arms=arms, tasks=tasks,
              suites=(SuiteNode(name="all", members=tuple(t.name for t in tasks)),))  # fmt: skip
    folder = Store(path).create(run)
    folder.begin(Invocation(id="i", started=1.0, ended=2.0, command="weigh run", plan={"epochs": 1, "limit": None}))

    async def write() -> None:
        async with JournalWriter(folder, "w") as journal:
            for arm in range(ARMS):
                for task in range(TASKS):
                    for number in range(trials // ARMS // TASKS):
                        await journal.append(trial(run.id, arm, task, number, text))

    asyncio.run(write())
    finish(folder)


def measure_page(folder: Path) -> tuple[float, float, list[tuple[str, float]]]:
    """Milliseconds to the first paint and to the first view, and of every filter (the median of five)."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_offline(True)
        page = context.new_page()
        page.goto((folder / "index.html").as_uri())
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        ready = float(page.get_attribute("html", "data-ready"))
        page.wait_for_timeout(500)
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        found = []
        for state in FILTERS:
            times = [page.evaluate(FILTER, f"#{state}&round={n}") for n in range(ROUNDS)]
            found.append((state, statistics.median(times)))
        browser.close()
    return paint, ready, found


FILTER = """async hash => {
  const seen = chart => chart.getBoundingClientRect().top < innerHeight;
  const all = () => [...document.querySelectorAll('.chart')];
  const charts = () => all().filter(seen);
  const wait = ms => new Promise(done => setTimeout(done, ms));
  for (let n = 0; n < 500 && all().some(c => !c.dataset.drawn); n++) await wait(20);
  await wait(200);
  const begun = performance.now();
  location.hash = hash;
  await new Promise(done => addEventListener('hashchange', done, {once: true}));
  for (let n = 0; n < 500 && charts().some(c => !c.dataset.drawn); n++) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--text", type=int, default=3_000, help="bytes of text a trial (default: %(default)s)")
    parser.add_argument("--traces", default=None, help="default: all up to 10,000 trials, none beyond")
    parser.add_argument("--keep", type=Path, help="a folder to make the store and the page in")
    args = parser.parse_args()
    traces = args.traces or ("all" if args.trials <= 10_000 else "none")
    with tempfile.TemporaryDirectory(prefix="weigh-perf-") as temporary:
        place = args.keep or Path(temporary)
        if not (place / "store").exists():
            make_store(place / "store", args.trials, args.text)
        command = [sys.executable, "-m", "weigh", "report", "perf", "--store", str(place / "store"), "--traces", traces,
                   "-o", str(place / "page")]  # fmt: skip
        began = time.monotonic()
        subprocess.run(command, check=True)
        took = time.monotonic() - began
        size = (place / "page" / "index.html").stat().st_size / 1e6
        paint, ready, filters = measure_page(place / "page")
    show(args.trials, took, size, paint, ready, filters)
    return 0


def show(trials: int, took: float, size: float, paint: float, ready: float, filters: list[tuple[str, float]]) -> None:
    bars: Any = BARS.get(trials, (None,) * 4)
    worst = max(filters, key=lambda pair: pair[1])
    rows = [("written, s", took, bars[0]), ("index, MB", size, bars[1]), ("first paint, ms", paint, bars[2]),
            ("first view, ms", ready, bars[2]), (f"slowest filter, ms ({worst[0]})", worst[1], bars[3])]  # fmt: skip
    for name, value, bar in rows:
        print(f"{name:<64} {value:9.2f}" + (f"   of {bar:g} {'ok' if value <= bar else 'TOO MUCH'}" if bar else ""))
    for state, value in filters:
        print(f"  {state:<62} {value:9.1f}")


if __name__ == "__main__":
    raise SystemExit(main())
