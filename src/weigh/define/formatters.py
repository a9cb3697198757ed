"""The formatters that have a name: chat, raw text to continue, ranked choices, letters, the gold answer, a template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from weigh.define.formatter import Formatter, Kind, Render
from weigh.define.gold import LABELS, demonstration, gold_index, lettered, need_choices
from weigh.define.template_formatter import TemplateFormatter
from weigh.records.instance import Instance
from weigh.records.request import (
    ChatRequest,
    CompletionRequest,
    LoglikelihoodRequest,
    Message,
    Request,
    SamplingParams,
)


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


FORMATTERS: dict[str, type[Formatter]] = {
    f.name: f
    for f in (ChatFormatter, CompletionFormatter, GoldFormatter, LetterChatFormatter, MultipleChoiceFormatter,
              RankedFormatter, TemplateFormatter)
}  # fmt: skip
"""The formatters that have a name."""
