"""SciQ: science exam questions written by crowd workers (Welbl et al. 2017, arXiv 1707.06209)."""

from __future__ import annotations

import random
from typing import Any

from weigh import DataSource, Instance, register
from weigh.benchmarks._choice import ChoiceTask


@register("sciq")
class SciQ(ChoiceTask):
    """Four choices a question, in an order that depends on the question alone; the support text is not shown."""

    data_source = DataSource(path="hf://datasets/allenai/sciq", split="test")
    fewshot_split = "train"
    description = "Science exam questions (1,000)"
    licence = "CC BY-NC 3.0"
    source = "https://huggingface.co/datasets/allenai/sciq"

    def hub_instance(self, row: Any, index: int) -> Instance:
        # The set names the right answer first; left there, a model that favours A would win.
        choices = [row["correct_answer"], row["distractor1"], row["distractor2"], row["distractor3"]]
        order = [0, 1, 2, 3]
        random.Random(row["question"]).shuffle(order)
        return Instance(
            id=f"sciq-{index}",
            question=row["question"],
            choices=tuple(choices[i] for i in order),
            gold_answer=order.index(0),
        )
