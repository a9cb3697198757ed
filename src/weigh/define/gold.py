"""What a question's choices and gold answer are in the words of a request: an index, a letter, a text to show."""

from __future__ import annotations

import string
from collections.abc import Sequence

from weigh.records.errors import DataError, DefinitionError
from weigh.records.instance import Instance

DEMONSTRATION = "demonstration"
"""The key of `Instance.inputs` whose text a few-shot example shows as its answer, where that is more than the gold
answer (a worked solution, say)."""

LABELS = string.ascii_uppercase


def gold_index(instance: Instance) -> int:
    """Which choice is right: the gold answer as an index, a choice's text, or a letter.

    Raises:
        DataError: It is none of these.
    """
    gold, choices = instance.gold_answer, instance.choices
    if isinstance(gold, int) and not isinstance(gold, bool) and 0 <= gold < len(choices):
        return gold
    if isinstance(gold, str):
        if gold in choices:
            return choices.index(gold)
        letter = LABELS.find(gold.strip().upper()) if len(gold.strip()) == 1 else -1
        if 0 <= letter < len(choices):
            return letter
    raise DataError(
        f"instance {short_name(instance)}: gold answer {gold!r} is neither the index, the letter nor the text "
        f"of one of its {len(choices)} choices"
    )


def gold_text(instance: Instance) -> str:
    """The gold answer in words: the right choice's text, or the answer itself (the first, where several are right)."""
    if instance.choices:
        return instance.choices[gold_index(instance)]
    gold = instance.gold_answer
    if isinstance(gold, list | tuple) and gold:
        gold = gold[0]
    if gold is None or isinstance(gold, dict | list | tuple):
        raise DataError(f"instance {short_name(instance)} has no gold answer that can be shown as text")
    return str(gold)


def demonstration(instance: Instance, *, letters: bool = False) -> str:
    """What a few-shot example shows as the answer."""
    worked = instance.inputs.get(DEMONSTRATION)
    if isinstance(worked, str):
        return worked
    return LABELS[gold_index(instance)] if letters and instance.choices else gold_text(instance)


def lettered(choices: Sequence[str], prefix: str = "") -> str:
    """The choices, one a line, with letters."""
    return "\n".join([f"{prefix}{label}. {choice}" for label, choice in zip(LABELS, choices, strict=False)])


def need_choices(instance: Instance, form: str) -> None:
    """Refuse a question that cannot be asked as multiple choice.

    Raises:
        DefinitionError: It has no choices, or more than there are letters.
    """
    if not 1 < len(instance.choices) <= len(LABELS):
        raise DefinitionError(
            f"`{form}` needs questions with 2 to {len(LABELS)} choices; instance {short_name(instance)} has "
            f"{len(instance.choices)}"
        )


def short_name(instance: Instance) -> str:
    """What to call an instance in an error."""
    return repr(instance.id or instance.question[:40])
