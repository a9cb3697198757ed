"""WinoGrande: which of two names fits the gap? (Sakaguchi et al. 2019, arXiv 1907.10641)."""

from __future__ import annotations

from typing import Any

from weigh import (
    AccuracyMetric,
    DataSource,
    Instance,
    MultipleChoiceFormatter,
    RankedFormatter,
    Task,
    register,
    register_variant,
)


@register("winogrande")
class WinoGrande(Task):
    """Two choices a question: the rest of the sentence from the gap on, with one name or the other in it.

    The likelihood is that of the name and what follows it; some other tools score only what follows the name.
    """

    data_source = DataSource(path="hf://datasets/allenai/winogrande", subset="winogrande_xl", split="validation")
    formatter = RankedFormatter(question_prefix="", answer_prefix="")
    metrics = (AccuracyMetric("choice"), AccuracyMetric("choice:token"))
    fewshot_split = "train"
    description = "Pronouns that take common sense, two choices (1,267)"
    licence = "CC BY 4.0"
    source = "https://huggingface.co/datasets/allenai/winogrande"

    def instance(self, row: Any, index: int) -> Instance:
        plain = "sentence" not in row
        before, _, after = row["question" if plain else "sentence"].partition("_")
        names = row["choices"] if plain else (row["option1"], row["option2"])
        return Instance(
            id=str(row.get("id", f"winogrande-{index}")),
            question=before.rstrip(),
            choices=tuple(name + after for name in names),
            gold_answer=row["answer"] if plain else int(row["answer"]) - 1,
        )


register_variant("winogrande", "rc", formatter=WinoGrande.formatter, metrics=("choice", "choice:token"))
register_variant("winogrande", "mc", formatter=MultipleChoiceFormatter(), metrics=("choice",))
