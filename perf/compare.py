"""How long the statistics take: `python perf/compare.py` prints a Markdown table.

Bars: the matrix of 50 arms x 100,000 shared questions (1,225 pairs, corrected) under 15 s and 2 GB on 2 cores; one
pair of 1,000,000 questions under 2 s; importing what `weigh compare` needs without `scipy.stats`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from weigh.analyze.estimate import estimate
from weigh.analyze.matrix import compare_matrix
from weigh.analyze.paired import compare_pairs
from weigh.analyze.sequential import ConfidenceSequence

ARMS, QUESTIONS, MILLION = 50, 100_000, 1_000_000


def timed(name: str, bar: str, work: Callable[[], object]) -> None:
    """Run once and print a row; memory is the process's peak until then."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {name} | {seconds:.2f} s | {peak:,.0f} MB | {bar} |", flush=True)


TASK = """
from weigh import AccuracyMetric, ChatFormatter, ExactMatchScorer, Instance, Task, register

@register("small")
class Small(Task):
    formatter = ChatFormatter()
    metrics = (AccuracyMetric(scorer=ExactMatchScorer),)

    @property
    def instances(self):
        for i in range(500):
            yield Instance(question=f"q{i}", gold_answer=f"q{i}" if i % 3 else "no", id=str(i))
"""


def shell() -> None:
    """`weigh compare` of two runs of 500 questions, the best of five, each in a process of its own."""
    weigh = str(Path(sys.executable).parent / "weigh")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "small.py").write_text(TASK)
        for model in ("echo", "constant::answer=no"):
            words = [weigh, "run", "-m", f"scripted/{model}", "-t", "./small.py:small", "--name", model[:4], "-q"]
            subprocess.run(words, cwd=folder, check=True, capture_output=True)
        wall, used = [], []
        for _ in range(5):
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run([weigh, "compare", "echo", "cons"], cwd=folder, check=True, capture_output=True)
            wall.append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"| `weigh compare`, 500 questions, from the shell (CPU {min(used):.2f} s) | {min(wall):.2f} s | | 0.6 s |")


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(1)
    print("| what | time | peak memory so far | bar |\n|---|---:|---:|---|")
    start = time.perf_counter()
    code = "import sys, weigh.analyze.paired; assert 'scipy.stats' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    seconds = time.perf_counter() - start
    print(f"| fresh Python that imports the paired comparison | {seconds:.2f} s | | 0.6 s for all of `compare` |")
    shell()
    skill = rng.random(QUESTIONS)

    def binary() -> np.ndarray:
        return (rng.random((ARMS, QUESTIONS)) < np.clip(skill + rng.normal(0, 0.02, (ARMS, 1)), 0, 1)).astype(float)

    names = [f"arm{i}" for i in range(ARMS)]
    table = binary()
    timed("matrix, 50 x 100,000, 0/1, Holm", "15 s, 2 GB", lambda: compare_matrix(names, table))
    table[rng.random(table.shape) < 0.05] = np.nan
    timed("matrix, the same with 5 % missing", "15 s, 2 GB", lambda: compare_matrix(names, table))
    table = skill + rng.normal(0, 0.1, (ARMS, QUESTIONS))
    timed("matrix, 50 x 100,000, real-valued", "15 s, 2 GB", lambda: compare_matrix(names, table))
    groups = rng.integers(0, 5_000, QUESTIONS)
    timed("matrix, 50 x 100,000, 5,000 clusters", "15 s, 2 GB", lambda: compare_matrix(names, table, clusters=groups))
    a, b = (rng.random((2, MILLION)) < 0.5).astype(float)
    timed("one pair, 1,000,000 questions, 0/1", "2 s", lambda: compare_pairs(a, b))
    groups = rng.integers(0, 50_000, MILLION)
    timed("one pair, 1,000,000 questions, 50,000 clusters", "2 s", lambda: compare_pairs(a, b, clusters=groups))
    x, y = rng.integers(0, 5, (2, MILLION)) / 4
    timed("one pair, 1,000,000 questions, means of 4 epochs", "2 s", lambda: compare_pairs(x, y))
    u, v = rng.random((2, MILLION))
    timed("one pair, 1,000,000 questions, real-valued", "2 s", lambda: compare_pairs(u, v))
    timed("one pair, 20,000 questions, real-valued, bootstrap", "2 s", lambda: compare_pairs(u[:20_000], v[:20_000]))
    timed("one estimate, 1,000,000 questions", "2 s", lambda: estimate(a))
    sequence = ConfidenceSequence()
    timed("10,000 steps of a confidence sequence", "", lambda: sequence.update_many(b[:10_000] - a[:10_000]))


if __name__ == "__main__":
    main()
