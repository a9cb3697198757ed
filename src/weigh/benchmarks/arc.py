"""ARC: grade-school science questions that people were asked in exams (Clark et al. 2018, arXiv 1803.05457)."""

from __future__ import annotations

from typing import Any

from weigh import DataSource, Instance, register
from weigh.benchmarks._choice import ChoiceTask, labelled


class Arc(ChoiceTask):
    """Three to five choices a question; examples come from the training split."""

    fewshot_split = "train"
    licence = "CC BY-SA 4.0"
    source = "https://huggingface.co/datasets/allenai/ai2_arc"

    def hub_instance(self, row: Any, index: int) -> Instance:
        return labelled(row, row["question"])


register(
    "arc_easy",
    data_source=DataSource(path="hf://datasets/allenai/ai2_arc", subset="ARC-Easy", split="test"),
    description="Grade-school science, the questions that simple methods answer (2,376)",
)(Arc)
register(
    "arc_challenge",
    data_source=DataSource(path="hf://datasets/allenai/ai2_arc", subset="ARC-Challenge", split="test"),
    description="Grade-school science, the questions that simple methods get wrong (1,172)",
)(Arc)
