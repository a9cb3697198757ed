"""HellaSwag: how does this go on? Endings that fool models and not people (Zellers et al. 2019, arXiv 1905.07830)."""

from __future__ import annotations

import re
from typing import Any

from weigh import DataSource, Instance, MultipleChoiceFormatter, RankedFormatter, register, register_variant
from weigh.benchmarks._choice import ChoiceTask


@register("hellaswag")
class HellaSwag(ChoiceTask):
    """Four endings. Scored as plain text that goes on, so no `Question:` stands before it."""

    data_source = DataSource(path="hf://datasets/Rowan/hellaswag", split="validation")
    formatter = RankedFormatter(question_prefix="", answer_prefix="")
    fewshot_split = "train"
    cluster_field = None
    description = "The likely end of a short scene (10,042)"
    licence = "MIT"
    source = "https://huggingface.co/datasets/Rowan/hellaswag"

    def hub_instance(self, row: Any, index: int) -> Instance:
        scene = row["ctx_a"] + " " + row["ctx_b"].capitalize() if row["ctx_b"] else row["ctx_a"]
        return Instance(
            id=str(row.get("ind", index)),
            question=_clean(f"{row['activity_label']}: {scene}"),
            choices=tuple(_clean(ending) for ending in row["endings"]),
            gold_answer=int(row["label"]),
            cluster=row.get("source_id"),
        )


register_variant("hellaswag", "mc", formatter=MultipleChoiceFormatter(), metrics=("choice",))


def _clean(text: str) -> str:
    """Without the traces of WikiHow's markup."""
    text = re.sub(r"\[.*?\]", "", text.replace(" [title]", "."))
    return re.sub(r" +", " ", text).strip()
