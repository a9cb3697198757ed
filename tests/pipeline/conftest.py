"""A small benchmark of the test's own, in a file outside the package, as users write theirs."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from weigh.pipeline.request import Event, RunRequest, RunResult
from weigh.pipeline.run import run
from weigh.records.trial import Trial
from weigh.store.layout import Store
from weigh.store.reader import read_trials

BENCH = """
from weigh import (AccuracyMetric, ChatFormatter, DataSource, ExactMatchScorer, Instance, SamplingParams, Suite, Task,
                   register, register_variant)


@register("{name}")
class Bench(Task):
    data_source = DataSource(path="{name}.jsonl")
    formatter = ChatFormatter()
    instruction = "{instruction}"
    sampling_params = SamplingParams(temperature=0.0, max_tokens=8)
    metrics = (AccuracyMetric(scorer={scorer}),)

    def instance(self, row, index):
        return Instance(question=row["q"], gold_answer=row["a"], id=row["id"])


register_variant("{name}", "2shot", num_fewshot=2, fewshot_seed=1)
register(Suite(name="{name}_suite", tasks=("{name}",)))
"""


class Bench:
    """Writes the benchmark's file, which a test may edit, and runs it into a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        self.name = f"bench_{secrets.token_hex(3)}"
        self.rows(20)

    def rows(self, n: int, wrong_from: int | None = None) -> None:
        """Questions q0, q1 ...; an echo answers all before `wrong_from` rightly."""
        self.data = [
            {"id": f"i{i}", "q": f"q{i}", "a": f"q{i}" if wrong_from is None or i < wrong_from else "no"}
            for i in range(n)
        ]

    def write(self, instruction: str = "", scorer: str = "ExactMatchScorer", extra: str = "") -> str:
        """Write (or edit) the benchmark's files; returns what follows `-t`."""
        text = extra + BENCH.format(name=self.name, instruction=instruction, scorer=scorer)
        (self.folder / "bench.py").write_text(text)
        (self.folder / f"{self.name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.data))
        return f"{self.folder / 'bench.py'}:{self.name}"

    def run(self, task: str, *, events: list[Event] | None = None, **options: Any) -> RunResult:
        """Run it on the echo (or `models`)."""
        options.setdefault("models", ("scripted/echo",))
        request = RunRequest(tasks=(task,), store=str(self.store.path), **options)
        return asyncio.run(run(request, events.append if events is not None else None))

    def trials(self, result: RunResult) -> list[Trial]:
        """What the store has of the run."""
        return list(read_trials(self.store.open(result.run.id)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A benchmark in a folder of its own."""
    return Bench(tmp_path)
