"""OpenBookQA: elementary science that takes a fact and some common sense (Mihaylov et al. 2018, arXiv 1809.02789)."""

from __future__ import annotations

from typing import Any

from weigh import DataSource, Instance, register
from weigh.benchmarks._choice import ChoiceTask, labelled


@register("openbookqa")
class OpenBookQA(ChoiceTask):
    """Four choices a question, often the end of its sentence; the "book" of facts is not shown."""

    data_source = DataSource(path="hf://datasets/allenai/openbookqa", subset="main", split="test")
    fewshot_split = "train"
    description = "Elementary science with common sense (500)"
    licence = "Apache-2.0"
    source = "https://huggingface.co/datasets/allenai/openbookqa"

    def hub_instance(self, row: Any, index: int) -> Instance:
        return labelled(row, row["question_stem"])
