"""The ways that `perf/overhead.py` compares; each prints one line of JSON at its end. Exit code 77: not installed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

QUESTION = "Question {n}: what is the answer to everything? Think about it, then give one number."


def report(trials: int, began: tuple[float, float] | None, **more: Any) -> None:
    """Print the result. Wall and CPU since `began` exclude start-up; peak memory is of the largest process."""
    peak = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    result: dict[str, Any] = {"trials": trials, "peak_mb": peak, **more}
    if began is not None:
        result.setdefault("wall", time.perf_counter() - began[0])
        result.setdefault("cpu", cpu() - began[1])
    print(json.dumps(result))


def cpu() -> float:
    own, children = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def floor(trials: int, flight: int, port: int, folder: Path) -> None:
    """The least one can do: post, read, write the answer to a file."""
    import aiohttp

    async def go() -> int:
        numbers: Iterator[int] = iter(range(trials))
        done = 0
        with (folder / "answers.jsonl").open("wb") as file:
            connector = aiohttp.TCPConnector(limit=flight)
            async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

                async def worker() -> None:
                    nonlocal done
                    for n in numbers:
                        body = {"model": "m", "messages": [{"role": "user", "content": QUESTION.format(n=n)}]}
                        async with session.post(url, json=body) as response:
                            data = await response.read()
                        file.write(data + b"\n")
                        done += 1

                await asyncio.gather(*(worker() for _ in range(flight)))
        return done

    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    began = (time.perf_counter(), cpu())
    report(asyncio.run(go()), began)


def pool(trials: int, flight: int, port: int, folder: Path) -> None:
    """weigh's pool, harness and provider, with a sink that only encodes and writes: no plan, no store."""
    import msgspec

    from weigh.execute.harness import Executor
    from weigh.execute.pool import run_cells
    from weigh.execute.providers.openai import OpenAIOptions, OpenAIProvider
    from weigh.execute.scaffolds.single_turn import SingleTurn
    from weigh.execute.stop import StopSignal
    from weigh.execute.trials import bug_trial
    from weigh.plan.cell import Cell, generation_key
    from weigh.records.digest import digest
    from weigh.records.instance import Instance
    from weigh.records.request import ChatRequest, Message
    from weigh.records.score import Score
    from weigh.records.trial import Trial

    def cells() -> Iterator[Cell]:
        for n in range(trials):
            instance = Instance(id=str(n), question=QUESTION.format(n=n), gold_answer="The answer is 42.")
            request = ChatRequest(messages=(Message(role="user", content=instance.question),))
            content = digest(instance)
            key = generation_key("arm", instance.id, content, request, 0)
            yield Cell(key, "arm", "task", "", instance, content, 0, request)

    async def score(cell: Cell, trajectory: Any, sandbox: Any) -> dict[str, Score]:
        match = trajectory.output.text.strip() == cell.instance.gold_answer
        return {"exact_match": Score(value=float(match), digest="0" * 32)}

    async def nothing(cell: Cell, trajectory: Any) -> dict[str, Score]:
        return {}

    class FileSink:
        def __init__(self, file: Any) -> None:
            self.file, self.encoder = file, msgspec.json.Encoder()

        async def append(self, trial: Trial) -> None:
            self.file.write(self.encoder.encode(trial) + b"\n")

    async def go() -> int:
        stop = StopSignal()
        provider = OpenAIProvider("m", OpenAIOptions(base_url=f"http://127.0.0.1:{port}/v1"), concurrency=flight)
        with (folder / "trials.jsonl").open("wb") as file:
            async with provider:
                runner = Executor(
                    provider,
                    SingleTurn(),
                    run="r",
                    score=score,
                    no_match=nothing,
                    concurrency=flight,
                    seconds=60,
                    stop=stop,
                )
                result = await run_cells(
                    cells(),
                    runner.execute,
                    FileSink(file),
                    concurrency=flight,
                    stop=stop,
                    on_bug=lambda cell, bug: bug_trial("r", cell, bug),
                )
        assert result.statuses == {"ok": trials}, result
        return result.done

    began = (time.perf_counter(), cpu())
    if os.environ.get("PROFILE"):
        import cProfile
        import pstats

        profile = cProfile.Profile()
        done = profile.runcall(asyncio.run, go())
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)
    else:
        done = asyncio.run(go())
    report(done, began)


TASK = """
from weigh import AccuracyMetric, ChatFormatter, DataSource, ExactMatchScorer, Instance, Task, register

@register("overhead")
class Overhead(Task):
    data_source = DataSource(path="rows.jsonl")
    formatter = ChatFormatter()
    metrics = (AccuracyMetric(scorer=ExactMatchScorer),)

    def instance(self, row, index):
        return Instance(question=row["q"], gold_answer=row["a"], id=str(index))
"""


def weigh(trials: int, flight: int, port: int, folder: Path) -> None:
    """weigh as a user runs it: a task file, planned, executed, scored and stored; then read back."""
    rows = ({"q": QUESTION.format(n=n), "a": "The answer is 42."} for n in range(trials))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "task.py").write_text(TASK)
    from weigh.pipeline.request import RunRequest
    from weigh.pipeline.run import run
    from weigh.store.layout import Store
    from weigh.store.reader import read_trials

    request = RunRequest(
        models=(f"openai/m::base_url=http://127.0.0.1:{port}/v1",),
        tasks=(f"{folder}/task.py:overhead",),
        store=str(folder / "store"),
        concurrency=flight,
    )
    began = (time.perf_counter(), cpu())
    if os.environ.get("PROFILE"):
        import cProfile
        import pstats

        profile = cProfile.Profile()
        result = profile.runcall(asyncio.run, run(request))
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(60)
    else:
        result = asyncio.run(run(request))
    spent = {"wall": time.perf_counter() - began[0], "cpu": cpu() - began[1]}
    peak = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert not result.failed and result.executed == trials, result
    read = time.perf_counter()
    store = Store(str(folder / "store"))
    count = sum(1 for t in read_trials(store.open(result.run.id)) if t.output is not None)
    read = time.perf_counter() - read
    report(count, began, **spent, **peak, children_mb=children, read_seconds=read)


def inspect(trials: int, flight: int, port: int, folder: Path) -> None:
    """Inspect AI with its OpenAI provider."""
    if importlib.util.find_spec("inspect_ai") is None:
        sys.exit(77)
    os.environ.update(OPENAI_API_KEY="x", OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")
    from inspect_ai import Task, eval  # type: ignore[import-not-found]
    from inspect_ai.dataset import Sample  # type: ignore[import-not-found]
    from inspect_ai.scorer import exact  # type: ignore[import-not-found]
    from inspect_ai.solver import generate  # type: ignore[import-not-found]

    rows = [Sample(input=QUESTION.format(n=n), target="The answer is 42.") for n in range(trials)]
    began = (time.perf_counter(), cpu())
    logs = eval(
        Task(dataset=rows, solver=generate(), scorer=exact()),
        model="openai/m",
        model_args={"responses_api": False},
        max_connections=flight,
        max_samples=flight,
        log_dir=str(folder),
        display="none",
    )
    assert logs[0].status == "success"
    report(logs[0].results.total_samples, began)


def lm_eval(trials: int, flight: int, port: int, folder: Path) -> None:
    """lm-eval's harness with its OpenAI-compatible chat model."""
    if importlib.util.find_spec("lm_eval") is None:
        sys.exit(77)
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"q": QUESTION.format(n=n), "a": "42"}) + "\n" for n in range(trials)))
    task = {
        "task": "overhead",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{q}}",
        "doc_to_target": "{{a}}",
        "metric_list": [{"metric": "exact_match"}],
        "generation_kwargs": {"until": ["\n\n\n"], "max_gen_toks": 64},
    }
    (folder / "overhead.yaml").write_text(json.dumps(task))
    os.environ.update(OPENAI_API_KEY="x", HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1")
    from lm_eval import simple_evaluate  # type: ignore[import-not-found]
    from lm_eval.tasks import TaskManager  # type: ignore[import-not-found]

    began = (time.perf_counter(), cpu())
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    result = simple_evaluate(
        model="local-chat-completions",
        model_args=f"model=m,base_url={url},num_concurrent={flight},tokenized_requests=False",
        tasks=["overhead"],
        task_manager=TaskManager(include_path=str(folder)),
        apply_chat_template=True,
        log_samples=True,
    )
    (folder / "result.json").write_text(json.dumps(result["samples"], default=str))
    report(len(result["samples"]["overhead"]), began)


WAYS: dict[str, Callable[[int, int, int, Path], None]] = {
    "floor": floor, "pool": pool, "weigh": weigh, "inspect": inspect, "lm-eval": lm_eval,
}  # fmt: skip

if __name__ == "__main__":
    way, count, flight_, port_, folder_ = sys.argv[1:6]
    WAYS[way](int(count), int(flight_), int(port_), Path(folder_))
