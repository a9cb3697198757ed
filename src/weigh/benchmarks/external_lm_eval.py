"""lm-eval's own program over local questions: any of its task files, scored by lm-eval, stored and compared here.

class Mine(LmEvalTask):
    data_source = DataSource(path="mine.jsonl")
    task_file = "mine.yaml"                     # an lm-eval task file; its data set is replaced by the questions
    metrics = (AccuracyMetric(ReportedScorer(name="acc")),)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from weigh import (
    AccuracyMetric,
    DataSource,
    DefinitionError,
    ExternalEval,
    ExternalJob,
    Instance,
    Reported,
    ReportedScorer,
    register,
)
from weigh.benchmarks.arc import Arc
from weigh.records.digest import digest_file

HERE = Path(__file__).parent / "external_files"
TASK = "weigh_task"


class LmEvalTask(ExternalEval):
    """A task of lm-eval. Subclass it with a data source and a task file.

    Attributes:
        task_file: An lm-eval task file (YAML), beside the file that defines the class. `output_type` is
            `multiple_choice` or `generate_until`; what needs prompt tokens or the greedy answer is refused.
        fewshot_file: Rows that few-shot examples come from; without it there are none.
        chat: Ask in chats (`generate_until` only).
    """

    task_file: ClassVar[str | Path] = ""
    fewshot_file: ClassVar[str] = ""
    chat: ClassVar[bool] = False
    packages = ("lm-eval[api]==0.4.13",)
    env: ClassVar[Mapping[str, str]] = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    sandboxed = True

    @property
    def asks(self) -> str:  # type: ignore[override]
        """By the task file: ranking needs log-probabilities."""
        if self.settings()["output_type"] == "multiple_choice":
            return "loglikelihood"
        return "chat" if self.chat else "completion"

    def settings(self) -> dict[str, Any]:
        """The task file, read and checked."""
        import yaml

        path = self._beside(self.task_file)
        try:
            # lm-eval's own tags (`!function`) need its code: a file with one is refused by the safe loader.
            read = yaml.safe_load(path.read_bytes())
        except (OSError, yaml.YAMLError) as error:
            raise DefinitionError(f"task {self.name!r}: task_file {path}: {error}") from None
        settings: dict[str, Any] = read if isinstance(read, dict) else {}
        kind = settings.get("output_type", "generate_until")
        metrics = {str(m.get("metric")) for m in settings.get("metric_list", ()) if isinstance(m, dict)}
        greedy = metrics & {"exact_match", "brier_score"} if kind == "multiple_choice" else set()
        if kind not in ("multiple_choice", "generate_until") or greedy:
            what = f"metric {', '.join(sorted(greedy))}" if greedy else f"output_type {kind}"
            raise DefinitionError(
                f"task {self.name!r}: {path.name}: {what} needs what no provider here gives (the greedy answer, or "
                "log-probabilities of a prompt's tokens); multiple_choice with acc, acc_norm and generate_until work"
            )
        return {"output_type": kind, **settings}

    def identity(self) -> dict[str, Any]:
        files = [self._beside(name) for name in (self.task_file, self.fewshot_file) if name]
        files.append(HERE / "lm_eval_weigh.py")
        return {**super().identity(), "lm_eval": [digest_file(f) for f in files], "chat": self.chat}

    def command(self, job: ExternalJob) -> list[str]:
        words = [job.python, "lm_eval_weigh.py", "run", "--model", "weigh", "--tasks", TASK, "--include_path", ".",
                 "--output_path", "out", "--log_samples", "--num_fewshot", str(job.shots)]  # fmt: skip
        return [
            *words,
            "--model_args",
            f"chat={str(self.chat).lower()}",
            *(["--apply_chat_template"] if self.chat else []),
        ]

    def inputs(self, job: ExternalJob) -> Mapping[str, bytes]:
        files, more = {"test": "questions.jsonl"}, {}
        if job.shots:
            if not self.fewshot_file:
                raise DefinitionError(f"task {self.name!r}: examples for {job.shots} shots: set fewshot_file")
            files["train"] = "fewshot.jsonl"
            more["fewshot.jsonl"] = self._beside(self.fewshot_file).read_bytes()
        data = {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": files}}
        splits = {"test_split": "test", "training_split": None, "validation_split": None}
        splits["fewshot_split"] = "train" if job.shots else None
        task = {**self.settings(), **data, **splits, "task": TASK}
        return {
            **super().inputs(job),
            **more,
            f"{TASK}.yaml": json.dumps(task).encode(),  # JSON is YAML
            "lm_eval_weigh.py": (HERE / "lm_eval_weigh.py").read_bytes(),
        }

    def read(self, job: ExternalJob, out: Path) -> Iterable[Reported]:
        for path in sorted(out.rglob("samples_*.jsonl")):
            yield from _samples(path)

    def _beside(self, name: str | Path) -> Path:
        return (Path(self.config.base) if self.config.base else Path()) / name


def _samples(path: Path) -> Iterator[Reported]:
    for line in path.read_bytes().splitlines():
        row = msgspec.json.decode(line)
        scores = {name: row[name] for name in row.get("metrics", ()) if isinstance(row.get(name), int | float)}
        answers = row.get("filtered_resps") or []
        answer = answers[0] if answers and isinstance(answers[0], str) else None
        yield Reported(id=str(row["doc"]["id"]), scores=scores, answer=answer)


@register("lm_eval_arc_easy")
class LmEvalArcEasy(LmEvalTask, Arc):
    """The questions of `arc_easy`, asked and scored by lm-eval."""

    data_source = DataSource(path="hf://datasets/allenai/ai2_arc", subset="ARC-Easy", split="test")
    task_file = HERE / "lm_eval_choice.yaml"
    metrics: ClassVar[tuple[Any, ...]] = tuple(AccuracyMetric(ReportedScorer(name=n)) for n in ("acc_norm", "acc"))
    description = "The questions of arc_easy, asked and scored by lm-eval's own program"

    def question(self, instance: Instance) -> Mapping[str, Any]:
        return {
            "id": instance.id,
            "question": instance.question,
            "choices": list(instance.choices),
            "answer": instance.gold_answer,
        }
