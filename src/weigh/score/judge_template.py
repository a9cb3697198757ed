"""What a judge is shown: a Jinja template over one trial. A name the trial does not have is an error, never a blank."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from weigh.protocols import ScoreContext
from weigh.records.errors import DataError, DefinitionError
from weigh.score.base import gold_texts, reply

if TYPE_CHECKING:
    import jinja2


def values_of(context: ScoreContext) -> dict[str, Any]:
    """The names a template may use: `question`, `answer` (the model's reply), `choices`, `inputs`, `metadata`, and,
    where the question has one, `gold` (the first acceptable answer) and `golds` (all of them)."""
    instance = context.instance
    values: dict[str, Any] = {
        "question": instance.question,
        "answer": reply(context),
        "choices": instance.choices,
        "inputs": instance.inputs,
        "metadata": instance.metadata,
    }
    if instance.gold_answer is not None:
        golds = gold_texts(instance)
        values.update(gold=golds[0], golds=golds)
    return values


def render(template: str, values: dict[str, Any], where: str) -> str:
    """Fill in a template.

    Raises:
        DefinitionError: The template is no Jinja template.
        DataError: It uses a name or field that this trial does not have.
    """
    import jinja2

    try:
        return _compiled(template).render(values).strip()
    except jinja2.TemplateSyntaxError as error:
        raise DefinitionError(f"{where}: template, line {error.lineno}: {error.message}") from None
    except jinja2.UndefinedError as error:
        raise DataError(f"{where}: template: {error.message}; known: {', '.join(values)}") from None


@lru_cache(maxsize=64)
def _compiled(template: str) -> jinja2.Template:
    import jinja2

    return jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(template)
