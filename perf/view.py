"""What watching costs a run: the same run without a viewer and with one that a page is open on, in turn.

    python perf/view.py                              # 10,000 trials, 3 rounds, answers after 0 and 20 ms
    python perf/view.py --trials 4000 --rounds 5

A run of scripted trials is the hardest one to watch: it brings thousands of trials a second and uses a core by itself.
The viewer is a process of its own (`weigh view`), and its page is played by a client that listens to the events and
fetches every payload, as a browser does. Reported are both ratios of run with viewer / run without, of the medians and
of the best of each (a machine that does other things only ever adds time); then the same of the run's own CPU time,
and the viewer's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

TASK = """
from weigh import AccuracyMetric, Instance, NumericScorer, Task, register

@register("sums")
class Sums(Task):
    metrics = (AccuracyMetric(scorer=NumericScorer),)

    @property
    def instances(self):
        for i in range({trials}):
            yield Instance(question=f"What is {{i}} + 1?", gold_answer=str(i + 1), id=str(i))
"""
WEIGH = [sys.executable, "-m", "weigh"]


def run(folder: Path, delay: float) -> tuple[float, float]:
    """Seconds of a run, wall and CPU, in a store that has one small run already, so that a viewer can begin."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*WEIGH, "run", "-t", str(folder / "sums.py:sums"), "-m", f"scripted/constant::answer=7,latency={delay}",
         "--quiet", "--concurrency", "64", "--name", "measured", "--store", str(folder / "store")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the run ended with {process.returncode}")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime


class Page:
    """Plays the page: listens to the events, fetches each new payload."""

    def __init__(self, address: str) -> None:
        self.address, self.payloads, self.seen = address, 0, 0
        self.running: bool | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        version = None
        with urllib.request.urlopen(self.address + "api/events") as stream:
            for line in stream:
                if not line.startswith(b"data: "):
                    continue
                told = json.loads(line[6:])
                self.seen = max([self.seen, *(r["done"] for r in told["progress"].get("runs", ()))])
                runs = told["progress"].get("runs", ())
                if any(r["name"] == "measured" and r["done"] for r in runs):
                    self.running = any(r["running"] for r in runs)
                if told["version"] != version:
                    version = told["version"]
                    urllib.request.urlopen(self.address + "api/index").read()
                    self.payloads += 1


def watched(folder: Path, delay: float) -> tuple[float, float, float, Page]:
    """Seconds of a run that is watched, wall and CPU, CPU seconds of the viewer, and what its page saw."""
    viewer = subprocess.Popen(
        [*WEIGH, "view", "--port", "0", "--store", str(folder / "store")], stderr=subprocess.PIPE, text=True
    )
    assert viewer.stderr is not None
    address = re.match(r"http://\S+", viewer.stderr.readline())
    assert address is not None
    page = Page(address[0])
    wall, cpu = run(folder, delay)
    deadline = time.perf_counter() + 20
    while page.running is not False and time.perf_counter() < deadline:
        time.sleep(0.1)
    viewer.send_signal(signal.SIGINT)
    viewer.stderr.read()
    _, _, used = os.wait4(viewer.pid, 0)
    viewer.returncode = 0
    return wall, cpu, used.ru_utime + used.ru_stime, page


def fresh(parent: Path, trials: int) -> Path:
    """A folder with the task and a small first run."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    (folder / "sums.py").write_text(TASK.format(trials=trials))
    subprocess.run(
        [*WEIGH, "run", "-t", str(folder / "sums.py:sums"), "-m", "scripted/constant::answer=7", "--limit", "5",
         "--quiet", "--name", "first", "--store", str(folder / "store")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delays", nargs="*", type=float, default=[0.0, 0.02])
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.trials:,} trials")
    print("| answers after | wall s | watched | ratio | of best | CPU s | watched | ratio | viewer CPU s | told of |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for delay in options.delays:
            alone, beside, viewer, page = [], [], [], None
            for _ in range(options.rounds):
                alone.append(run(fresh(Path(place), options.trials), delay))
                wall, cpu, spent, page = watched(fresh(Path(place), options.trials), delay)
                beside.append((wall, cpu))
                viewer.append(spent)
            assert page is not None
            cells = []
            for which in (0, 1):
                one, two = [r[which] for r in alone], [r[which] for r in beside]
                middle = statistics.median(two) / statistics.median(one)
                cells += [f"{statistics.median(one):.2f}", f"{statistics.median(two):.2f}", f"{middle:.3f}"]
                cells += [f"{min(two) / min(one):.3f}"] if which == 0 else []
            cells += [f"{statistics.median(viewer):.2f}", f"{page.seen:,}"]
            print(f"| {1000 * delay:.0f} ms | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
