# mypy: ignore-errors
"""An Inspect task: sums and products, the answer a number at the end."""

from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import match
from inspect_ai.solver import generate, system_message


@task
def arithmetic():
    return Task(
        dataset=json_dataset("questions.jsonl"),
        solver=[system_message("Answer with the number only."), generate()],
        scorer=match(numeric=True),
        config=GenerateConfig(temperature=0.0, max_tokens=32),
    )
