"""Formatters: how a question becomes a request.

A formatter is a frozen value. `bind` is given what is the same for all questions (the few-shot examples, the sampling,
the instruction), renders it once, and returns a function that renders one question; so a long few-shot prefix costs
nothing per question. `render` does both in one step and is all that a formatter of one's own needs to define.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from weigh.records.digest import digest
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

Kind = Literal["chat", "completion", "loglikelihood"]
Render = Callable[[Instance], Request]

DEMONSTRATION = "demonstration"
"""The key of `Instance.inputs` whose text a few-shot example shows as its answer, where that is more than the gold
answer (a worked solution, say)."""

LABELS = string.ascii_uppercase


class Formatter(msgspec.Struct, frozen=True, kw_only=True):
    """How a question becomes a request. Subclasses define `bind`, or `render`, which is simpler and slower.

    Attributes:
        name: Names the formatter in specs: `task::formatter=chat`.
        capability: What a provider must offer: `chat`, `completion` or `loglikelihood`.
    """

    name: ClassVar[str] = ""
    capability: ClassVar[Kind] = "chat"

    def render(
        self, instance: Instance, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str
    ) -> Request:
        """Render one question after the examples."""
        return self.bind(fewshot, sampling, instruction)(instance)

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        """Render what all questions share, and return what renders the rest."""
        if type(self).render is Formatter.render:
            raise DefinitionError(f"formatter {type(self).__name__} defines neither bind nor render")
        return lambda instance: self.render(instance, fewshot, sampling, instruction)

    def check(self, instance: Instance) -> None:
        """Refuse an instance this form cannot ask; called for every instance before anything runs."""

    def settings(self) -> dict[str, Any]:
        """Its class and settings in plain values."""
        return {"formatter": type(self).__name__, **msgspec.structs.asdict(self)}

    def digest(self) -> str:
        """Identity of the formatter."""
        return digest(self.settings())


class ChatFormatter(Formatter, frozen=True, kw_only=True):
    """A chat: examples as turns, then the question. Choices, where there are any, are shown with letters.

    Attributes:
        system: A system message; empty for none (some chat templates refuse one).
        question_prefix, question_suffix: Put around every question.
    """

    name: ClassVar[str] = "chat"
    system: str = ""
    question_prefix: str = ""
    question_suffix: str = ""

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        head: list[Message] = [Message(role="system", content=self.system)] if self.system else []
        lead = instruction + "\n\n" if instruction else ""
        for example in fewshot:
            head.append(Message(role="user", content=lead + self._question(example)))
            head.append(Message(role="assistant", content=demonstration(example, letters=True)))
            lead = ""
        prefix, question = tuple(head), self._question

        def render(instance: Instance) -> Request:
            return ChatRequest(
                messages=(*prefix, Message(role="user", content=lead + question(instance))), sampling=sampling
            )

        return render

    def _question(self, instance: Instance) -> str:
        text = self.question_prefix + instance.question
        if instance.choices:
            text += "\n" + lettered(instance.choices)
        return text + self.question_suffix


class TextFormatter(Formatter, frozen=True, kw_only=True):
    """What all formatters of raw text share; a variant that changes the form of a task keeps these.

    Attributes:
        question_prefix, answer_prefix: Stand before and after every question.
        gap: Stands between `answer_prefix` and an answer.
        separator: Stands between examples.
    """

    question_prefix: str = "Question: "
    answer_prefix: str = "\nAnswer:"
    gap: str = " "
    separator: str = "\n\n"

    def _head(self, instruction: str, shots: Sequence[str]) -> str:
        """Instruction and examples, each with a separator behind it."""
        return "".join([part + self.separator for part in ([instruction] if instruction else []) + list(shots)])

    def _plain(self, instance: Instance) -> str:
        """A question without its choices."""
        return self.question_prefix + instance.question + self.answer_prefix

    def _plain_shots(self, fewshot: Sequence[Instance]) -> list[str]:
        return [self._plain(e) + self.gap + demonstration(e) for e in fewshot]


class CompletionFormatter(TextFormatter, frozen=True, kw_only=True):
    """Raw text to be continued: `Question: ...\\nAnswer:`; suits models without a chat template.

    Generation stops where the model begins the next question, unless the task's sampling has stops of its own.
    """

    name: ClassVar[str] = "completion"
    capability: ClassVar[Kind] = "completion"

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        shots = [self._question(e) + self.gap + demonstration(e) for e in fewshot]
        prefix = self._head(instruction, shots)
        if not sampling.stop:
            marker = self.question_prefix.strip()
            sampling = msgspec.structs.replace(sampling, stop=("\n" + marker if marker else self.separator,))
        question = self._question

        def render(instance: Instance) -> Request:
            return CompletionRequest(prompt=prefix + question(instance), sampling=sampling)

        return render

    def _question(self, instance: Instance) -> str:
        choices = "\n" + lettered(instance.choices) if instance.choices else ""
        return self.question_prefix + instance.question + choices + self.answer_prefix


class GoldFormatter(TextFormatter, frozen=True, kw_only=True):
    """The likelihood of the gold answer after the question (`bpb`): bits per byte, smooth where accuracy is flat."""

    name: ClassVar[str] = "bpb"
    capability: ClassVar[Kind] = "loglikelihood"

    def check(self, instance: Instance) -> None:
        demonstration(instance)

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        prefix = self._head(instruction, self._plain_shots(fewshot))

        def render(instance: Instance) -> Request:
            context = prefix + self._plain(instance)
            return LoglikelihoodRequest(context=context, continuations=(self.gap + demonstration(instance),))

        return render


class RankedFormatter(TextFormatter, frozen=True, kw_only=True):
    """Ranked continuations (`rc`): how likely is each choice's text after the question?

    Attributes:
        unconditional_context: Also score each choice after this text alone, for `choice:unconditional`: twice the work.
    """

    name: ClassVar[str] = "rc"
    capability: ClassVar[Kind] = "loglikelihood"
    unconditional_context: str | None = None

    def check(self, instance: Instance) -> None:
        need_choices(instance, "rc")
        gold_index(instance)

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        prefix, gap = self._head(instruction, self._plain_shots(fewshot)), self.gap

        def render(instance: Instance) -> Request:
            return LoglikelihoodRequest(
                context=prefix + self._plain(instance),
                continuations=tuple([gap + choice for choice in instance.choices]),
                unconditional_context=self.unconditional_context,
            )

        return render


class MultipleChoiceFormatter(TextFormatter, frozen=True, kw_only=True):
    """Choices with letters in the prompt (`mc`): how likely is each letter?"""

    name: ClassVar[str] = "mc"
    capability: ClassVar[Kind] = "loglikelihood"
    choice_prefix: str = " "

    def check(self, instance: Instance) -> None:
        need_choices(instance, "mc")
        gold_index(instance)

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        shots = [self._question(e) + self.gap + LABELS[gold_index(e)] for e in fewshot]
        prefix = self._head(instruction, shots)
        letters = tuple(self.gap + label for label in LABELS)

        def render(instance: Instance) -> Request:
            context = prefix + self._question(instance)
            return LoglikelihoodRequest(context=context, continuations=letters[: len(instance.choices)])

        return render

    def _question(self, instance: Instance) -> str:
        return (
            f"{self.question_prefix}{instance.question}\n{lettered(instance.choices, self.choice_prefix)}"
            f"{self.answer_prefix}"
        )


class LetterChatFormatter(Formatter, frozen=True, kw_only=True):
    """Multiple choice as a chat (`mc:chat`): the model is shown letters and answers in its own words."""

    name: ClassVar[str] = "mc_chat"
    question_suffix: str = "\n\nAnswer with the letter of the right choice only."

    def check(self, instance: Instance) -> None:
        need_choices(instance, "mc:chat")
        gold_index(instance)

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        return ChatFormatter(question_suffix=self.question_suffix).bind(fewshot, sampling, instruction)


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
                raise DataError(f"template: {error.message} (instance {_short(instance)})") from None
            if self.kind == "chat":
                return ChatRequest(messages=(*system, Message(role="user", content=text)), sampling=sampling)
            if self.kind == "completion":
                return CompletionRequest(prompt=text, sampling=sampling)
            return LoglikelihoodRequest(context=text, continuations=tuple(self.gap + c for c in instance.choices))

        return render


FORMATTERS: dict[str, type[Formatter]] = {
    f.name: f
    for f in (ChatFormatter, CompletionFormatter, GoldFormatter, LetterChatFormatter, MultipleChoiceFormatter,
              RankedFormatter, TemplateFormatter)
}  # fmt: skip
"""The formatters that have a name."""


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
        f"instance {_short(instance)}: gold answer {gold!r} is neither the index, the letter nor the text "
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
        raise DataError(f"instance {_short(instance)} has no gold answer that can be shown as text")
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
            f"`{form}` needs questions with 2 to {len(LABELS)} choices; instance {_short(instance)} has "
            f"{len(instance.choices)}"
        )


def _visible(instance: Instance) -> dict[str, Any]:
    """What a template may see of a question."""
    return {
        "question": instance.question,
        "choices": instance.choices,
        "labels": tuple(LABELS[: len(instance.choices)]),
        "inputs": {k: v for k, v in instance.inputs.items() if k != DEMONSTRATION},
    }


def _short(instance: Instance) -> str:
    """What to call an instance in an error."""
    return repr(instance.id or instance.question[:40])
