"""What storing costs: append, finish, read back, resume, reuse, query (`python perf/store.py --help`).

Each step runs in a process of its own, so that the peak memory shown is that step's alone (that of a bare interpreter
with what it imports is about 60 MB with DuckDB, 35 MB without).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from weigh.records.arm import Arm
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Message, Output
from weigh.records.run import Run
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Attempt, Timing, Trial
from weigh.records.usage import Usage
from weigh.store.dataset import open_dataset
from weigh.store.done import done
from weigh.store.index import find_generations
from weigh.store.journal import JournalWriter
from weigh.store.layout import RunFolder, Store
from weigh.store.parquet import finish
from weigh.store.reader import read_trials
from weigh.store.verify import verify

RUN = "perf-00000001"
WORDS = [f"word{n:04d}" for n in range(3000)]


def make_trial(number: int, text: int) -> Trial:
    """A single-turn trial with about `text` bytes of prompt and answer."""
    noise = random.Random(number)
    words = " ".join(noise.choices(WORDS, k=max(2, text // 9)))
    question, answer = words[: text * 2 // 3], words[text * 2 // 3 :]
    usage = Usage(new=len(question) // 4, generated=len(answer) // 4, calls=1)
    return Trial(
        id=f"{number:012x}",
        run=RUN,
        key=f"{number * 2654435761 % (1 << 128):032x}",
        arm="arm",
        task="perf",
        instance=Instance(question=question, gold_answer="a", id=f"q{number}"),
        instance_digest=f"{number:032x}",
        status="ok",
        trajectory=Trajectory(
            request=ChatRequest(messages=(Message(role="user", content=question),)),
            output=Output(text=answer, usage=usage, finish_reason="stop"),
            usage=usage,
        ),
        scores={"exact_match": Score(value=float(noise.random() < 0.5), digest="d" * 32, answer="a")},
        attempts=(Attempt(started=1000.0 + number, seconds=0.5, usage=usage),),
        timing=Timing(started=1000.0 + number, total=0.5, model=0.4, scoring=0.001),
        usage=usage,
    )


def folder_of(store: Store) -> RunFolder:
    return store.create(Run(id=RUN, name="perf", created=1.0, arms=(Arm(id="arm", digest="a" * 32),)))


def append(store: Store, trials: int, text: int) -> float:
    """CPU of encoding, appending and syncing only; making the trials is not counted."""

    async def main() -> float:
        spent = 0.0
        async with JournalWriter(folder_of(store), f"w{time.time_ns()}") as journal:
            for start in range(0, trials, 1000):
                batch = [make_trial(n, text) for n in range(start, min(start + 1000, trials))]
                began = time.process_time()
                for trial in batch:
                    await journal.append(trial)
                await journal.flush()
                spent += time.process_time() - began
        return spent

    return asyncio.run(main())


def read(store: Store, trials: int, text: int) -> None:
    assert sum(1 for _ in read_trials(folder_of(store))) == trials


def resume(store: Store, trials: int, text: int) -> None:
    assert len(done(folder_of(store))) == trials


def reuse(store: Store, trials: int, text: int) -> None:
    with find_generations(store, ["a" * 32]) as found:
        for start in range(0, trials, 64):
            keys = [f"{n * 2654435761 % (1 << 128):032x}" for n in range(start, min(start + 64, trials))]
            assert len(found.lookup(keys)) == len(keys)


def query(store: Store, trials: int, text: int) -> None:
    with open_dataset(store, [RUN]) as data:
        assert len(data.values("perf", "exact_match").value) == trials


def check(store: Store, trials: int, text: int) -> None:
    assert verify(store, RUN) == []


def merge(store: Store, trials: int, text: int) -> None:
    result = finish(folder_of(store))
    assert result is not None and result.rows == trials


STEPS: dict[str, Callable[[Store, int, int], float | None]] = {
    "append to the journal": append,
    "read the journal": read,
    "resume from the journal": resume,
    "query the journal": query,
    "finish into Parquet": merge,
    "read Parquet": read,
    "resume from Parquet": resume,
    "find all for reuse": reuse,
    "query Parquet": query,
    "verify": check,
}


def one(step: str, store: str, trials: int, text: int) -> None:
    """Run one step and print what it took."""
    began, cpu = time.perf_counter(), time.process_time()
    spent = STEPS[step](Store(store), trials, text)
    taken = {
        "wall": time.perf_counter() - began,
        "cpu": spent if spent is not None else time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(taken))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--text", type=int, default=1000, help="bytes of prompt and answer of a trial")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        one(options.step, options.store, options.trials[0], options.text)
        return
    print("| step | trials | seconds | CPU us a trial | peak MB |\n|---|---|---|---|---|")
    for trials in options.trials:
        with tempfile.TemporaryDirectory(prefix="weigh-perf-") as place:
            for step in STEPS:
                command = [sys.executable, __file__, "--step", step, "--store", place, "--trials", str(trials)]
                done = subprocess.run(
                    [*command, "--text", str(options.text)], stdout=subprocess.PIPE, text=True, check=True
                )
                taken = json.loads(done.stdout)
                row = f"| {step} | {trials:,} | {taken['wall']:.2f} | {taken['cpu'] / trials * 1e6:.1f} "
                print(f"{row}| {taken['peak']:.0f} |", flush=True)
            sizes = {p.name: p.stat().st_size for p in Path(place).rglob("trials.parquet")}
            print(f"| size of Parquet | {trials:,} | {sum(sizes.values()) / trials:.0f} bytes a trial | | |")


if __name__ == "__main__":
    main()
