"""Formatters: exactly what the model will see, and what a template may and may not look at."""

from __future__ import annotations

import pytest

from weigh.define.formatter import Formatter
from weigh.define.formatters import (
    ChatFormatter,
    CompletionFormatter,
    GoldFormatter,
    MultipleChoiceFormatter,
    RankedFormatter,
)
from weigh.define.gold import gold_index, gold_text
from weigh.define.template_formatter import TemplateFormatter
from weigh.records.errors import DataError, DefinitionError
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, CompletionRequest, LoglikelihoodRequest, Message, SamplingParams

ASKED = Instance(question="2+2?", gold_answer="4", id="asked")
SHOT = Instance(question="1+1?", gold_answer=2, inputs={"demonstration": "One and one is 2."})
CHOICES = Instance(question="Sky?", gold_answer="B", choices=("red", "blue"))
SAMPLING = SamplingParams(max_tokens=7)


def test_chat_puts_the_instruction_in_the_first_turn_and_the_system_message_only_where_asked() -> None:
    request = ChatFormatter(system="S", question_prefix="Q: ", question_suffix="!").render(
        ASKED, [SHOT], SAMPLING, "Do."
    )
    assert request == ChatRequest(
        messages=(
            Message(role="system", content="S"),
            Message(role="user", content="Do.\n\nQ: 1+1?!"),
            Message(role="assistant", content="One and one is 2."),
            Message(role="user", content="Q: 2+2?!"),
        ),
        sampling=SAMPLING,
    )
    assert ChatFormatter().render(ASKED, [], SAMPLING, "Do.") == ChatRequest(
        messages=(Message(role="user", content="Do.\n\n2+2?"),), sampling=SAMPLING
    )
    shown = ChatFormatter().render(CHOICES, [CHOICES], SAMPLING, "")
    assert isinstance(shown, ChatRequest)
    assert [m.content for m in shown.messages] == ["Sky?\nA. red\nB. blue", "B", "Sky?\nA. red\nB. blue"]


def test_completion_stops_at_the_next_question_unless_the_task_says_where() -> None:
    request = CompletionFormatter().render(ASKED, [SHOT], SAMPLING, "Do.")
    assert isinstance(request, CompletionRequest)
    assert request.prompt == "Do.\n\nQuestion: 1+1?\nAnswer: One and one is 2.\n\nQuestion: 2+2?\nAnswer:"
    assert request.sampling.stop == ("\nQuestion:",)
    own = CompletionFormatter().render(ASKED, [], SamplingParams(stop=("#",)), "")
    assert isinstance(own, CompletionRequest) and own.sampling.stop == ("#",)
    bare = CompletionFormatter(question_prefix="").render(ASKED, [], SAMPLING, "")
    assert isinstance(bare, CompletionRequest) and bare.sampling.stop == ("\n\n",)


def test_likelihoods() -> None:
    mc = MultipleChoiceFormatter().render(CHOICES, [CHOICES], SAMPLING, "")
    assert mc == LoglikelihoodRequest(
        context="Question: Sky?\n A. red\n B. blue\nAnswer: B\n\nQuestion: Sky?\n A. red\n B. blue\nAnswer:",
        continuations=(" A", " B"),
    )
    rc = RankedFormatter(unconditional_context="Answer:").render(CHOICES, [CHOICES], SAMPLING, "")
    assert rc == LoglikelihoodRequest(
        context="Question: Sky?\nAnswer: blue\n\nQuestion: Sky?\nAnswer:",
        continuations=(" red", " blue"),
        unconditional_context="Answer:",
    )
    gold = GoldFormatter().render(ASKED, [], SAMPLING, "")
    assert gold == LoglikelihoodRequest(context="Question: 2+2?\nAnswer:", continuations=(" 4",))


@pytest.mark.parametrize(("gold", "index"), [(1, 1), ("blue", 1), ("b", 1), (" A ", 0), ("A", 0)])
def test_the_right_choice_is_an_index_a_text_or_a_letter(gold: object, index: int) -> None:
    assert gold_index(Instance(question="x", gold_answer=gold, choices=("red", "blue"))) == index


@pytest.mark.parametrize("gold", [2, -1, True, None, "C", "green", 0.5])
def test_a_gold_answer_that_is_none_of_them_is_refused(gold: object) -> None:
    with pytest.raises(DataError, match="is neither the index, the letter nor the text"):
        gold_index(Instance(question="x", gold_answer=gold, choices=("red", "blue")))


def test_gold_text() -> None:
    assert gold_text(CHOICES) == "blue" and gold_text(ASKED) == "4"
    assert gold_text(Instance(gold_answer=["Paris", "paris"])) == "Paris"
    with pytest.raises(DataError, match="no gold answer"):
        gold_text(Instance(question="x"))


def test_a_template_sees_the_question_and_the_examples_answers_only() -> None:
    shots = "{% for s in fewshot %}{{ s.question }}={{ s.answer }};{% endfor %}"
    text = "{{ instruction }}" + shots + "{{ question }}{{ inputs.unit }}"
    instance = Instance(question="<b>?", gold_answer="secret", inputs={"unit": "kg", "demonstration": "secret"})
    for kind, kept in (("completion", "prompt"), ("loglikelihood", "context")):
        request = TemplateFormatter(template=text, kind=kind).render(instance, [SHOT], SAMPLING, "Do: ")  # type: ignore[arg-type]
        assert getattr(request, kept) == "Do: 1+1?=One and one is 2.;<b>?kg"
    for leak in ("{{ gold_answer }}", "{{ answer }}", "{{ inputs.demonstration }}", "{{ metadata }}", "{{ quetsion }}"):
        with pytest.raises(DataError, match=r"template: .*undefined|template: .*has no attribute"):
            TemplateFormatter(template=leak).render(instance, [], SAMPLING, "")
    with pytest.raises(DefinitionError, match="template, line 2"):
        TemplateFormatter(template="a\n{% if %}").render(instance, [], SAMPLING, "")


def test_a_formatter_is_its_settings() -> None:
    assert ChatFormatter().digest() == ChatFormatter().digest() != ChatFormatter(system="x").digest()
    assert CompletionFormatter().digest() != GoldFormatter().digest()
    with pytest.raises(DefinitionError, match="defines neither bind nor render"):
        type("Empty", (Formatter,), {}, frozen=True)().render(ASKED, [], SAMPLING, "")
