"""A formatter whose form is a Jinja template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from weigh.define.formatter import Formatter, Kind, Render
from weigh.define.gold import DEMONSTRATION, LABELS, demonstration, gold_index, need_choices, short_name
from weigh.records.errors import DataError, DefinitionError
from weigh.records.instance import Instance
from weigh.records.request import (
    ChatRequest,
    CompletionRequest,
    LoglikelihoodRequest,
    Message,
    Request,
    SamplingParams,
)


class TemplateFormatter(Formatter, frozen=True, kw_only=True):
    """A Jinja template; a name it uses and that does not exist is an error.

    The template sees `question`, `choices`, `labels`, `inputs`, `instruction` and `fewshot` (a list of examples, each
    with `question`, `choices`, `inputs` and `answer`), never the gold answer of the question being asked.

    Attributes:
        template: The template's text.
        kind: What the text becomes: `chat` (one user message), `completion`, or `loglikelihood` (the choices follow).
        system: A system message for `chat`.
        gap: Stands between the text and a choice, for `loglikelihood`.
    """

    name: ClassVar[str] = "template"
    template: str
    kind: Kind = "chat"
    system: str = ""
    gap: str = " "

    @property
    def capability(self) -> Kind:  # type: ignore[override]
        return self.kind

    def check(self, instance: Instance) -> None:
        if self.kind == "loglikelihood":
            need_choices(instance, "template")
            gold_index(instance)

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        import jinja2

        engine = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
        try:
            template = engine.from_string(self.template)
        except jinja2.TemplateSyntaxError as error:
            raise DefinitionError(f"template, line {error.lineno}: {error.message}") from None
        examples = [{**_visible(e), "answer": demonstration(e)} for e in fewshot]
        system = (Message(role="system", content=self.system),) if self.system else ()

        def render(instance: Instance) -> Request:
            try:
                text = template.render(**_visible(instance), instruction=instruction, fewshot=examples)
            except jinja2.UndefinedError as error:
                raise DataError(f"template: {error.message} (instance {short_name(instance)})") from None
            if self.kind == "chat":
                return ChatRequest(messages=(*system, Message(role="user", content=text)), sampling=sampling)
            if self.kind == "completion":
                return CompletionRequest(prompt=text, sampling=sampling)
            return LoglikelihoodRequest(context=text, continuations=tuple(self.gap + c for c in instance.choices))

        return render


def _visible(instance: Instance) -> dict[str, Any]:
    """What a template may see of a question."""
    return {
        "question": instance.question,
        "choices": instance.choices,
        "labels": tuple(LABELS[: len(instance.choices)]),
        "inputs": {k: v for k, v in instance.inputs.items() if k != DEMONSTRATION},
    }
