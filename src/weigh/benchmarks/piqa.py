"""PIQA: which of two ways to reach an everyday goal works (Bisk et al. 2019, arXiv 1911.11641)."""

from __future__ import annotations

from typing import Any

from weigh import DataSource, Instance, register
from weigh.benchmarks._choice import ChoiceTask


@register("piqa")
class Piqa(ChoiceTask):
    """Two choices a question. The test split has no public answers, so the validation split is asked."""

    data_source = DataSource(
        path="hf://datasets/ybisk/piqa", subset="plain_text", split="validation", revision="refs/convert/parquet"
    )
    fewshot_split = "train"
    description = "Everyday physical common sense, two choices (1,838)"
    licence = "AFL-3.0"
    source = "https://huggingface.co/datasets/ybisk/piqa"

    def hub_instance(self, row: Any, index: int) -> Instance:
        return Instance(
            id=f"piqa-{index}",
            question=row["goal"],
            choices=(row["sol1"], row["sol2"]),
            gold_answer=int(row["label"]),
        )
