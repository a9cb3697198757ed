"""GSM8K: grade-school word problems that take a few steps (Cobbe et al. 2021, arXiv 2110.14168)."""

from __future__ import annotations

import re
from typing import Any

from weigh import (
    AccuracyMetric,
    CompletionFormatter,
    DataSource,
    Instance,
    NumericScorer,
    SamplingParams,
    Task,
    register,
)
from weigh.define.gold import DEMONSTRATION


@register("gsm8k")
class Gsm8k(Task):
    """The number after `####`, or the last number of the reply; eight worked examples from the training split."""

    data_source = DataSource(path="hf://datasets/openai/gsm8k", subset="main", split="test")
    formatter = CompletionFormatter()
    sampling_params = SamplingParams(temperature=0.0, max_tokens=400)
    metrics = (AccuracyMetric(NumericScorer()),)
    num_fewshot = 8
    fewshot_split = "train"
    description = "Grade-school word problems (1,319)"
    licence = "MIT"
    source = "https://huggingface.co/datasets/openai/gsm8k"

    def instance(self, row: Any, index: int) -> Instance:
        # `<<48/2=24>>` are marks for a calculator, which no model here has.
        worked = re.sub(r"<<.*?>>", "", row["answer"])
        return Instance(
            id=f"gsm8k-{index}",
            question=row["question"],
            gold_answer=worked.rpartition("####")[2].strip().replace(",", ""),
            inputs={DEMONSTRATION: worked},
        )
