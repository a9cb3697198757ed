"""Benchmarks that bring their own program: it is run as it is against the model, and what it wrote becomes trials.

    @register("their_bench")
    class TheirBench(ExternalEval):
        data_source = DataSource(path="questions.jsonl")
        program = ("{python}", "-m", "their_bench", "--model", "{model}", "--data", "{questions}", "--out", "{out}")
        packages = ("their-bench==1.2.3",)
        metrics = (AccuracyMetric(ReportedScorer(name="acc")),)

        def read(self, job, out):
            for row in json.loads((out / "results.json").read_text()):
                yield Reported(id=row["id"], scores={"acc": row["correct"]})

An `ExternalEval` is a task like any other: it has questions, variants, metrics, resumes, is compared. Only the
answering is the program's. It gets the questions that remain in a file, the address of the model gateway and a token
in its environment (`OPENAI_BASE_URL`, `OPENAI_API_KEY`), and nothing of the user's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from weigh.define.formatter import Formatter
from weigh.define.metrics import ScorerLookup
from weigh.define.prepared import PreparedTask
from weigh.define.task import Task
from weigh.records.digest import digest, digest_file
from weigh.records.errors import DefinitionError
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Message, Request, SamplingParams

QUESTIONS = "questions.jsonl"
OUT = "out"
RESULTS = "results.jsonl"


class ExternalJob(msgspec.Struct, frozen=True, kw_only=True):
    """One start of the program.

    Attributes:
        questions: What it is to answer; all of one epoch.
        epoch: Which.
        python: The interpreter that has the packages.
        url: The gateway's OpenAI address, `http://127.0.0.1:PORT/v1`.
        model: The model's name there.
        shots: Few-shot examples asked for (`:3shot`).
        sampling: As the task and its variants say. What the command line says is put into each request by the gateway.
    """

    questions: tuple[Instance, ...]
    epoch: int
    python: str
    url: str
    model: str
    shots: int = 0
    sampling: SamplingParams = SamplingParams()


class Reported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the program says about one question.

    Attributes:
        id: The question's.
        scores: By name; `ReportedScorer(name=...)` picks one.
        answer: The model's answer, if the program says so; else it is taken from the call of the model.
        error: Why the program could not judge this question; such a trial is a failure, not a 0.
        seconds: How long the question took.
        metadata: Further facts.
    """

    id: str
    scores: dict[str, float | bool | None] = {}
    answer: str | None = None
    error: str | None = None
    seconds: float | None = None
    metadata: dict[str, Any] = {}


class ProgramFormatter(Formatter, frozen=True):
    """Stands for the program in a task's identity. Its request is never sent: the program makes its own.

    Attributes:
        asks: What the program needs of a model: `chat`, `completion` or `loglikelihood`.
        program: Digest of all that shapes what the program asks.
        shots: Few-shot examples.
    """

    asks: str = "chat"
    program: str = ""
    shots: int = 0

    @property
    def capability(self) -> Any:  # type: ignore[override]
        """What a provider must offer."""
        return self.asks

    def render(
        self, instance: Instance, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str
    ) -> Request:
        """The question with the program's digest: what the cell's key is made of."""
        extra = {"program": self.program, "shots": self.shots}
        return ChatRequest(
            messages=(Message(role="user", content=instruction + instance.question),),
            sampling=msgspec.structs.replace(sampling, extra={**sampling.extra, **extra}),
        )


class ExternalEval(Task):
    """A benchmark with its own program. Subclass it, say how it is started, and how its results are read.

    Attributes:
        program: The command. `{python}`, `{model}`, `{url}`, `{questions}`, `{out}`, `{shots}` and `{epoch}` are filled
            in. It starts in a folder that holds the questions (`questions.jsonl`), `files` and the folder `out`.
        packages: What it needs, pinned, in a virtual environment of its own (`weigh external install TASK`).
        files: Files put beside the questions; paths begin at the task's file. Their content is part of its identity.
        env: Variables it gets besides the gateway's.
        asks: What it needs of a model: `chat`, `completion` or `loglikelihood`; and `tools`, where it calls them.
        seconds: Its deadline, for the whole process tree.
        batch: The most questions a start; None for all at once. Finished batches are durable.
        max_calls, max_tokens: What one start may use of the model.
        sandboxed: Whether it runs in a sandbox that reaches nothing but the gateway.
        memory_mb, pids, disk_mb: Limits of that sandbox.
    """

    program: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[tuple[str, ...]] = ()
    env: ClassVar[Mapping[str, str]] = {}
    asks: ClassVar[str] = "chat"
    seconds: ClassVar[float] = 3600.0
    batch: ClassVar[int | None] = None
    max_calls: ClassVar[int | None] = None
    max_tokens: ClassVar[int | None] = None
    sandboxed: ClassVar[bool] = False
    memory_mb: ClassVar[int] = 4096
    pids: ClassVar[int] = 256
    disk_mb: ClassVar[int] = 2048

    def command(self, job: ExternalJob) -> list[str]:
        """The words to start. Override it where `program` is not enough."""
        if not self.program:
            raise DefinitionError(f"task {self.name!r}: say how its program is started: program = (...) or command()")
        words = {
            "python": job.python,
            "model": job.model,
            "url": job.url,
            "questions": QUESTIONS,
            "out": OUT,
            "shots": str(job.shots),
            "epoch": str(job.epoch),
        }
        try:
            return [word.format_map(words) for word in self.program]
        except (KeyError, ValueError, IndexError) as error:
            known = ", ".join("{" + w + "}" for w in words)
            raise DefinitionError(f"task {self.name!r}: program: {error}; known: {known}") from None

    def question(self, instance: Instance) -> Mapping[str, Any]:
        """A question as the program finds it in its file, one JSON object a line."""
        row = {"id": instance.id, "question": instance.question, "answer": instance.gold_answer}
        return {**row, **({"choices": list(instance.choices)} if instance.choices else {}), **instance.inputs}

    def inputs(self, job: ExternalJob) -> Mapping[str, bytes]:
        """Files that the program finds in its folder, by name: the questions and `files`. Extend it for others."""
        lines = b"".join(msgspec.json.encode(self.question(i)) + b"\n" for i in job.questions)
        return {QUESTIONS: lines, **{path.name: path.read_bytes() for path in self.own_files()}}

    def read(self, job: ExternalJob, out: Path) -> Iterable[Reported]:
        """Read what the program wrote into its folder `out`. By default `results.jsonl`, a line like `Reported`."""
        path = out / RESULTS
        if path.is_file():
            for line in path.read_bytes().splitlines():
                if line.strip():
                    yield msgspec.json.decode(line, type=Reported)

    def own_files(self) -> list[Path]:
        """`files`, resolved."""
        base = Path(self.config.base) if self.config.base else Path()
        paths = [base / name for name in self.files]
        for path in paths:
            if not path.is_file():
                raise DefinitionError(f"task {self.name!r}: files: there is no file {path}")
        return paths

    @property
    def shots(self) -> int:
        """Few-shot examples asked for."""
        formatter = self.config.formatter
        return formatter.shots if isinstance(formatter, ProgramFormatter) else self.config.num_fewshot

    def identity(self) -> dict[str, Any]:
        """What shapes what the program asks. Extend it where more does; count up `version` when methods change."""
        return {
            "program": self.program,
            "packages": self.packages,
            "files": {path.name: digest_file(path) for path in self.own_files()},
            "env": dict(self.env),
            "shots": self.shots,
        }

    def prepare(
        self,
        *,
        seed: int | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        scorer_by_name: ScorerLookup | None = None,
    ) -> PreparedTask:
        """As `Task.prepare`; few-shot examples are the program's business and leave the questions alone."""
        shots = self.config.num_fewshot
        formatter = ProgramFormatter(asks=self.asks, program=digest(self.identity()), shots=shots)
        config = msgspec.structs.replace(
            self.config, formatter=formatter, num_fewshot=0, fewshot_source=None, fewshot_split=None
        )
        task = self if config == self.config else self.with_config(config)
        return Task.prepare(
            task, seed=seed, temperature=temperature, max_tokens=max_tokens, scorer_by_name=scorer_by_name
        )


class SandboxedExternalEval(ExternalEval):
    """The same in a bubblewrap sandbox: no network but the gateway, none of the user's files, limits on everything."""

    sandboxed = True


def finite(scores: Mapping[str, float | bool | None]) -> dict[str, float]:
    """The scores that are numbers."""
    return {k: float(v) for k, v in scores.items() if v is not None and math.isfinite(v)}
