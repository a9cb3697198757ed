"""Arithmetic: small sums and products, made by the published generators of reasoning-gym.

Two kinds in equal parts: sums (and differences) of digits, products of digits; 95 of each, since there are hardly more
products of digits. Longer numbers are left out: on sums of two-digit numbers both models of the demo scored 0 of 24.
The generators are seeded, so the questions are the same for one version of the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weigh import AccuracyMetric, CompletionFormatter, Instance, NumericScorer, SamplingParams, Task, register
from weigh.records.errors import CapabilityError

SEED = 42
EACH = 95
TWO = {"min_terms": 2, "max_terms": 2}
KINDS: dict[str, tuple[str, dict[str, int]]] = {
    "sums": ("chain_sum", {**TWO, "min_digits": 1, "max_digits": 1}),
    "products": ("products", {**TWO, "min_digits": 1, "max_digits": 1}),
}
EXAMPLES = (("Calculate 7 + 6.", "13"), ("Calculate 9 - 4.", "5"), ("Solve the following multiplication: 5 * 3.", "15"),
            ("Calculate 31 + 12.", "43"), ("Calculate 2 - 8.", "-6"))  # fmt: skip


@register("arithmetic")
class Arithmetic(Task):
    """Five examples written here; asked as plain text, which chat models and base models both understand."""

    formatter = CompletionFormatter()
    sampling_params = SamplingParams(temperature=0.0, max_tokens=12, stop=("\n",))
    metrics = (AccuracyMetric(NumericScorer(extract="regex:^\\s*(-?\\d+)")),)
    num_fewshot = len(EXAMPLES)
    fewshot_examples = tuple(Instance(question=question, gold_answer=answer) for question, answer in EXAMPLES)
    description = "Sums, differences and products of digits, in words (190, generated)"
    licence = "Apache-2.0"
    source = "reasoning-gym, generators chain_sum and products"

    @property
    def instances(self) -> Iterator[Instance]:
        seen = set()
        for kind, (name, settings) in KINDS.items():
            made = 0
            for entry in _generate(name, settings):
                question = entry["question"].strip()
                if question in seen or made == EACH:
                    continue
                seen.add(question)
                made += 1
                yield Instance(
                    id=f"{kind}-{made}", question=question, gold_answer=entry["answer"], metadata={"kind": kind}
                )


def _generate(name: str, settings: dict[str, int]) -> Any:
    try:
        import reasoning_gym
    except ImportError:
        raise CapabilityError(
            "the task 'arithmetic' needs the package reasoning-gym: pip install 'weigh[demo]'"
        ) from None
    return reasoning_gym.create_dataset(name, seed=SEED, size=6 * EACH, **settings)
