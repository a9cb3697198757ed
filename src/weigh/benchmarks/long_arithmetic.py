"""Long arithmetic: products and sums of many digits, which nobody does in the head and a computer does at once.

What is measured is the answer. Whether the model may compute is the harness's matter: the same questions under
`--harness default` and `--harness tools` show what a tool is worth. The questions are drawn from a seeded generator.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from weigh import AccuracyMetric, ChatFormatter, Instance, NumericScorer, SamplingParams, Task, register

SEED = 7
EACH = 50


def _product(draw: random.Random) -> tuple[str, int]:
    a, b = draw.randrange(1000, 10_000), draw.randrange(1000, 10_000)
    return f"{a} * {b}", a * b


def _sum(draw: random.Random) -> tuple[str, int]:
    terms = [draw.randrange(10_000, 1_000_000) for _ in range(6)]
    return " + ".join(map(str, terms)), sum(terms)


KINDS = {"product": _product, "sum": _sum}


@register("long_arithmetic")
class LongArithmetic(Task):
    """Asked as a chat; the last number of the answer counts."""

    formatter = ChatFormatter()
    sampling_params = SamplingParams(temperature=0.0, max_tokens=600)
    metrics = (AccuracyMetric(NumericScorer()),)
    description = "Products of two and sums of six numbers of many digits (100, generated)"
    licence = "Apache-2.0"
    source = "generated"

    @property
    def instances(self) -> Iterator[Instance]:
        draw = random.Random(SEED)
        for number in range(1, EACH + 1):
            for kind, make in KINDS.items():
                expression, value = make(draw)
                yield Instance(
                    id=f"{kind}-{number}",
                    question=f"What is {expression}?",
                    gold_answer=str(value),
                    metadata={"kind": kind},
                )
