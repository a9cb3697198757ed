"""Inspect's own program over local questions: a task file of `inspect_ai`, scored by Inspect, stored and compared here.

    class Mine(InspectTask):
        data_source = DataSource(path="mine.jsonl")
        task_file = "mine.py"                       # an Inspect task file that reads questions.jsonl
        metrics = (AccuracyMetric(ReportedScorer(name="match")),)

The task file finds its rows in `questions.jsonl`: `id`, `input` (the question), `target` (as text), `choices` where
there are any, which is what Inspect's `json_dataset` reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from weigh import AccuracyMetric, ExternalEval, ExternalJob, Instance, Reported, ReportedScorer, register
from weigh.benchmarks.arithmetic import Arithmetic
from weigh.records.digest import digest_file

HERE = Path(__file__).parent / "external_files"
GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Inspect's letters: correct, partial, incorrect, no answer."""


class InspectTask(ExternalEval):
    """A task of Inspect. Subclass it with a data source and a task file.

    Attributes:
        task_file: An Inspect task file, beside the file that defines the class.
        arguments: For `inspect eval`, e.g. `("--max-tokens", "64")`.
    """

    task_file: ClassVar[str | Path] = ""
    arguments: ClassVar[tuple[str, ...]] = ()
    packages = ("inspect-ai==0.3.285", "openai==3.54.0")
    sandboxed = True

    def identity(self) -> dict[str, Any]:
        own = {"task_file": digest_file(self._beside(self.task_file)), "arguments": self.arguments}
        return {**super().identity(), **own}

    def command(self, job: ExternalJob) -> list[str]:
        # `openai-api/weigh` reads WEIGH_API_KEY and WEIGH_BASE_URL; the launcher sets them.
        words = [job.python, "inspect_weigh.py", "eval", "inspect_task.py", "--model", f"openai-api/weigh/{job.model}"]
        log = ["--log-format", "json", "--log-dir", "out", "--display", "none", "--no-fail-on-error"]
        return [*words, *log, *self.arguments]

    def inputs(self, job: ExternalJob) -> Mapping[str, bytes]:
        return {
            **super().inputs(job),
            "inspect_task.py": self._beside(self.task_file).read_bytes(),
            "inspect_weigh.py": (HERE / "inspect_weigh.py").read_bytes(),
        }

    def question(self, instance: Instance) -> Mapping[str, Any]:
        row: dict[str, Any] = {"id": instance.id, "input": instance.question, "target": str(instance.gold_answer)}
        if instance.choices:
            row = {**row, "choices": list(instance.choices), "target": "ABCDEFGHIJ"[instance.gold_answer]}
        return {**instance.inputs, **row}

    def read(self, job: ExternalJob, out: Path) -> Iterable[Reported]:
        for path in sorted(out.rglob("*.json")):
            log = json.loads(path.read_bytes())
            if isinstance(log, dict) and "eval" in log:
                yield from _samples(log)

    def _beside(self, name: str | Path) -> Path:
        return (Path(self.config.base) if self.config.base else Path()) / name


def _samples(log: dict[str, Any]) -> Iterator[Reported]:
    for sample in log.get("samples") or ():
        scores, answer = {}, None
        for name, score in (sample.get("scores") or {}).items():
            value = score.get("value")
            scores[name] = GRADES.get(value) if isinstance(value, str) else value
            answer = answer or score.get("answer")
        error = (sample.get("error") or {}).get("message")
        yield Reported(
            id=str(sample["id"]),
            scores={n: v for n, v in scores.items() if isinstance(v, int | float)},
            answer=answer,
            error=error,
            seconds=sample.get("total_time"),
        )


@register("inspect_arithmetic")
class InspectArithmetic(InspectTask, Arithmetic):
    """The questions of `arithmetic`, asked in chats and scored by Inspect's `match`."""

    task_file = HERE / "inspect_arithmetic.py"
    metrics = (AccuracyMetric(ReportedScorer(name="match")),)
    num_fewshot = 0
    fewshot_examples = ()
    description = "The questions of arithmetic, asked in chats by Inspect's own program"
