"""Killed at any moment, or shared by two processes: exactly the planned trials, none lost, none twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.pipeline.conftest import Bench
from weigh.pipeline.results import summarize
from weigh.store.layout import Store
from weigh.store.reader import ReadReport, read_trials

TRIALS = 600
MODEL = "scripted/echo::latency=0.02,jitter=0.02"
SLOWER = "scripted/echo::latency=0.1,jitter=0.02"
"""The same model: so slow that a few starts of a fast machine do not finish everything."""


SHARING = """
import os
from pathlib import Path

from weigh.execute.providers.script import Turn, question

HERE = Path(__file__).parent


def answer(request):
    (HERE / f"began-{os.getpid()}").touch()
    both = len(list(HERE.glob("began-*"))) > 1
    return Turn(text=question(request), delay=0.02 if both else 1.0)
"""
"""Answers slowly until both have begun: alone one needs 38 s for all, so that the other finds something to do."""


def command(task: str, store: Path, model: str = MODEL) -> list[str]:
    return [
        sys.executable, "-m", "weigh", "run", "-m", model, "-t", task, "--store", str(store),
        "--concurrency", "16", "--quiet",
    ]  # fmt: skip


def numbers(store: Store) -> tuple[object, ...]:
    [run] = store.runs()
    [row] = summarize(store, run).rows
    assert row.estimate is not None
    return (row.estimate.n, row.estimate.mean, row.estimate.se, row.estimate.low, row.estimate.high)


def until_written(store: Store) -> None:
    """Wait until a run is under way."""
    for _ in range(6000):
        if any(p.stat().st_size > 1000 for p in store.path.glob("runs/*/journal/*.jsonl")):
            return
        time.sleep(0.02)
    raise AssertionError("nothing was written within 120 s")


def trials_of(store: Store) -> tuple[list[str], ReadReport]:
    [run] = store.runs()
    report = ReadReport()
    return [t.instance.id for t in read_trials(store.open(run.id), report=report)], report


def test_killed_at_twenty_random_moments_nothing_is_lost_or_doubled(bench: Bench, tmp_path: Path) -> None:
    bench.rows(TRIALS, wrong_from=400)
    task = bench.write()
    undisturbed = Store(tmp_path / "undisturbed")
    subprocess.run(command(task, undisturbed.path), check=True, capture_output=True, timeout=300)
    draw = random.Random(20)
    killed = 0
    for _ in range(20):
        process = subprocess.Popen(
            command(task, bench.store.path, SLOWER), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=draw.uniform(0.2, 0.9))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    assert killed >= 5, "the moments were not in the middle of anything"
    subprocess.run(command(task, bench.store.path), check=True, capture_output=True, timeout=300)
    ids, report = trials_of(bench.store)
    assert sorted(ids) == sorted(f"i{i}" for i in range(TRIALS))
    assert report.doubled == 0 and not report.corrupt
    assert numbers(bench.store) == numbers(undisturbed)


def test_two_processes_share_one_plan(bench: Bench, tmp_path: Path) -> None:
    bench.rows(TRIALS)
    line = command(bench.write(), bench.store.path, f"scripted/{tmp_path / 'sharing.py'}:answer")
    (tmp_path / "sharing.py").write_text(SHARING)
    both = [subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    ids, report = trials_of(bench.store)
    assert sorted(ids) == sorted(f"i{i}" for i in range(TRIALS)) and report.doubled == 0
    [run] = bench.store.runs()
    shares = [i.summary["executed"] for i in bench.store.open(run.id).invocations()]
    assert sum(shares) == TRIALS and min(shares) > 0, f"one of them did nothing: {shares}"


def test_a_second_process_takes_over_from_a_killed_one(bench: Bench) -> None:
    bench.rows(TRIALS)
    task = bench.write()
    first = subprocess.Popen(command(task, bench.store.path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until_written(bench.store)
    second = subprocess.Popen(command(task, bench.store.path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.3)
    first.kill()
    first.wait()
    assert second.wait(timeout=300) == 0
    ids, report = trials_of(bench.store)
    assert sorted(ids) == sorted(f"i{i}" for i in range(TRIALS)) and report.doubled == 0


def test_interrupted_once_it_finishes_what_is_in_flight_and_says_how_to_resume(bench: Bench) -> None:
    bench.rows(TRIALS)
    task = bench.write()
    line = command(task, bench.store.path, "scripted/echo::latency=0.5")  # 19 s for all: it is in the middle
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until_written(bench.store)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "again" in (out + errors).lower() or "resume" in (out + errors).lower()
    ids, _ = trials_of(bench.store)
    assert 0 < len(ids) < TRIALS and len(set(ids)) == len(ids)
