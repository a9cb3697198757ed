"""What a harness costs per trial: a bare aiohttp loop (the floor), weigh, and others where they are installed.

Each way runs in a process tree of its own against `perf/server.py`, 10,000 single-turn trials with 256 in flight, and
reports wall time, CPU time of the whole tree (servers excluded) and peak memory.

    python perf/overhead.py                       # floor and weigh, answers at once and after 50 ms
    python perf/overhead.py --ways floor weigh inspect lm-eval --trials 10000
    python perf/overhead.py --memory              # weigh at 10,000 and at 100,000 trials
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
WAYS = ("floor", "pool", "weigh", "inspect", "lm-eval")


@contextmanager
def server(delay: float) -> Iterator[int]:
    """A server process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), "--delay", str(delay)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def measure(way: str, trials: int, flight: int, delay: float, python: str = sys.executable) -> dict[str, float] | None:
    """Run one way in its own process tree; None where it is not installed."""
    with server(delay) as port, tempfile.TemporaryDirectory() as folder:
        command = [python, str(HERE / "overhead_ways.py"), way, str(trials), str(flight), str(port), folder]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode == 77:
            return None
        if done.returncode != 0:
            raise SystemExit(f"{way} failed with {done.returncode}:\n{done.stdout[-2000:]}")
        inner = json.loads(done.stdout.strip().splitlines()[-1])
        if inner["trials"] != trials:
            raise SystemExit(f"{way} did {inner['trials']} of {trials} trials")
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    # The server is a child too, but is only reaped after the measurement; start-up is shown apart.
    return {
        "trials": trials,
        "delay": delay,
        "wall": inner.get("wall", wall),
        "cpu_ms": 1000 * inner.get("cpu", cpu) / trials,
        "whole_wall": wall,
        "whole_cpu_ms": 1000 * cpu / trials,
        "peak_mb": inner["peak_mb"],
        **{k: inner[k] for k in ("read_seconds",) if k in inner},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=["floor", "weigh"])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--flight", type=int, default=256)
    parser.add_argument("--delays", nargs="*", type=float, default=[0.0, 0.05])
    parser.add_argument("--repeat", type=int, default=1, help="take the best of so many (of wall and CPU each)")
    parser.add_argument("--memory", action="store_true", help="peak memory of weigh at 10,000 and 100,000 trials")
    parser.add_argument("--peers-python", default=sys.executable, help="the Python that the other harnesses live in")
    parser.add_argument("--json", help="write the results here too")
    options = parser.parse_args()
    results = []
    if options.memory:
        for trials in (10_000, 100_000):
            for way in [w for w in options.ways if w != "floor"]:
                found = measure(way, trials, options.flight, 0.0)
                if found:
                    results.append({"way": way, **found})
                    print(f"{way:8} {trials:7,} trials  peak {found['peak_mb']:.0f} MB  {found['whole_wall']:.1f} s")
    else:
        print(
            "| way | answers after | wall s | x floor | CPU-ms a trial | x floor | with start-up s | peak MB | read s |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for delay in options.delays:
            # All ways in turn, then again: a machine's speed drifts, and what is compared should drift together.
            runs: dict[str, list[dict[str, float] | None]] = {way: [] for way in options.ways}
            for _ in range(options.repeat):
                for way in options.ways:
                    python = options.peers_python if way in ("inspect", "lm-eval") else sys.executable
                    runs[way].append(measure(way, options.trials, options.flight, delay, python))
            floor: dict[str, float] | None = None
            for way in options.ways:
                found_runs = [r for r in runs[way] if r is not None]
                if not found_runs:
                    print(f"| {way} | {delay * 1000:.0f} ms | not installed | | | | | | |")
                    continue
                best = {k: min(r[k] for r in found_runs) for k in found_runs[0]}
                floor = best if way == "floor" else floor
                results.append({"way": way, **best})
                relative = [f"{best[k] / floor[k]:.2f}" if floor else "" for k in ("wall", "cpu_ms")]
                read = f"{best['read_seconds']:.2f}" if "read_seconds" in best else ""
                print(
                    f"| {way} | {delay * 1000:.0f} ms | {best['wall']:.2f} | {relative[0]} | {best['cpu_ms']:.3f} "
                    f"| {relative[1]} | {best['whole_wall']:.1f} | {best['peak_mb']:.0f} | {read} |",
                    flush=True,
                )
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
