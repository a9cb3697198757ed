"""What the multiple-choice benchmarks share: ranked continuations by default, and rows in two shapes.

A row is either as the Hub publishes the set, which differs from set to set, or plain: `question`, `choices` (a list),
`answer` (index, letter or text), `id`. The plain one lets `-t arc_easy::data_source.path=my.jsonl` read a local copy.
"""

from __future__ import annotations

from typing import Any, ClassVar

from weigh import AccuracyMetric, Instance, RankedFormatter, Task

RANKED = tuple(AccuracyMetric(name) for name in ("choice:character", "choice", "choice:token", "choice:byte"))
"""The metrics of the `rc` form: the first is the primary one."""


class ChoiceTask(Task):
    """A multiple-choice benchmark, asked as ranked continuations (`rc`) unless `mc` is asked for."""

    formatter: ClassVar[Any] = RankedFormatter()
    metrics: ClassVar[tuple[Any, ...]] = RANKED

    def instance(self, row: Any, index: int) -> Instance | None:
        if isinstance(row.get("choices"), list) and "answer" in row:
            return super().instance(row, index)
        return self.hub_instance(row, index)

    def hub_instance(self, row: Any, index: int) -> Instance | None:
        """An instance of a row as the Hub has it."""
        return super().instance(row, index)


def labelled(row: Any, question: str) -> Instance:
    """ARC and OpenBookQA: choices as `{text: [...], label: [...]}`, the answer as one of the labels."""
    labels, texts = list(row["choices"]["label"]), tuple(row["choices"]["text"])
    return Instance(id=str(row["id"]), question=question, choices=texts, gold_answer=labels.index(row["answerKey"]))
