"""What running code in a sandbox costs over the bare process, and whether many executors keep the cores busy.

    python perf/sandbox.py [--mode bubblewrap] [--runs 200]

Three measurements: a fresh sandbox for each of 200 executions of a small program beside the same program run bare; the
same for a program that computes for 50 ms; and 20 executors that share the cores, against the CPU time that there is.
The bare process is run by the same code (`run_process`), so that what is left is the sandbox.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from weigh.execute.sandboxes.pool import SandboxPool
from weigh.execute.sandboxes.process import run_process
from weigh.execute.sandboxes.spec import SandboxSpec

SMALL = "x = 1"
WORK = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


async def bare(code: str) -> float:
    began = time.perf_counter()
    python = str(Path(sys.base_prefix) / "bin" / "python3")
    ended = await run_process([python, "-I", "-c", code], env={"PATH": "/usr/bin:/bin"}, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return time.perf_counter() - began


async def in_pool(pool: SandboxPool, code: str) -> float:
    began = time.perf_counter()
    async with pool.lease() as sandbox:
        result = await sandbox.exec(["python3", "-I", "-c", code], timeout=60)
        assert result.exit_code == 0, result.stderr
    return time.perf_counter() - began


async def alternate(runs: int, one: Callable[[], Awaitable[float]], two: Callable[[], Awaitable[float]]) -> list[float]:
    """Median seconds of both, run in turns so that a slow minute of the machine hits both alike."""
    first, second = [], []
    for _ in range(runs):
        first.append(await one())
        second.append(await two())
    return [statistics.median(first), statistics.median(second)]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", default="bubblewrap", choices=["bubblewrap", "local"])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--executors", type=int, default=20)
    options = parser.parse_args()
    spec = SandboxSpec(mode=options.mode)

    load = Path("/proc/loadavg").read_text().split()[0]
    print(f"{options.mode}, {options.runs} executions, each in a fresh sandbox; {os.cpu_count()} cores, load {load}\n")
    print("| program | bare ms | sandbox ms | overhead ms | ratio | bar |")
    print("|---|---|---|---|---|---|")
    async with SandboxPool(spec, size=2, ahead=1) as pool:
        await in_pool(pool, SMALL)
        for name, code, bar in (
            ("nothing", SMALL, "< 10 ms"),
            ("50 ms of work", WORK.format(seconds=0.05), "< 1.3 x"),
        ):
            # Late binding is what is wanted: both are awaited within this turn of the loop.
            one, two = await alternate(options.runs, lambda c=code: bare(c), lambda c=code: in_pool(pool, c))
            print(f"| {name} | {one * 1e3:.1f} | {two * 1e3:.1f} | {(two - one) * 1e3:.1f} | {two / one:.2f} | {bar} |")
        started = pool.state.start_seconds
    print(f"\nstart of a sandbox (no command): {(started or 0) * 1e3:.1f} ms")

    cores = os.cpu_count() or 1
    runs, seconds = options.executors * 10, 0.1
    code = WORK.format(seconds=seconds)
    async with SandboxPool(spec, size=options.executors, ahead=2) as pool:
        await in_pool(pool, SMALL)
        idle, began = _idle(), time.perf_counter()
        await asyncio.gather(*(in_pool(pool, code) for _ in range(runs)))
        wall = time.perf_counter() - began
        free = (_idle() - idle) / (wall * cores)
    work = f"{runs} programs of {seconds * 1e3:.0f} ms on {cores} cores"
    print(f"\n{options.executors} executors, {work}: {wall:.2f} s wall")
    print(f"cores idle {max(0.0, free):.1%} (bar < 10 %)")


def _idle() -> float:
    """Seconds all cores together were idle since the machine started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return (int(fields[3]) + int(fields[4])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    asyncio.run(main())
