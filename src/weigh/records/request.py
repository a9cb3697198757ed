"""What a model is asked, and what came back.

Three kinds of request cover every benchmark: a chat, a completion of raw text, and the log-probability of given
continuations. They are one tagged union, so a journal line says by itself which one it holds.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from weigh.records.usage import Usage

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call the model made. `arguments` is the parsed object; `raw` keeps the text when it could not be parsed."""

    id: str
    name: str
    arguments: dict[str, Any] = {}
    raw: str | None = None


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool as the model sees it: name, description, JSON schema of its parameters."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of a chat.

    Attributes:
        content: Text, or a list of parts in the OpenAI form (text, image_url, input_audio).
        reasoning: What a reasoning model thought, where the provider gives it.
        tool_calls: Calls an assistant message makes.
        tool_call_id: Which call a `tool` message answers.
        name: The tool's name, for `tool` messages.
    """

    role: Role
    content: str | list[dict[str, Any]] = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How tokens are drawn. `None` leaves a setting to the provider.

    Attributes:
        temperature: 0 is greedy.
        max_tokens: The most tokens to generate.
        stop: Strings that end the generation; they are not part of the text.
        seed: The seed of the first epoch; epoch e uses seed + e.
        extra: Further fields of the provider's own, sent as they are.
    """

    temperature: float = 0.0
    max_tokens: int = 512
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: int | None = None
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        # A field equal to its default must be the default: msgspec leaves out what *is* the default object, and an
        # explicit `temperature=0.0` has to have the same digest as one that was never written.
        for name, default in _NUMBER_DEFAULTS.items():
            value = getattr(self, name)
            if value is not default and value == default:
                msgspec.structs.force_setattr(self, name, default)


_NUMBER_DEFAULTS: dict[str, Any] = {
    f.name: f.default for f in msgspec.structs.fields(SamplingParams) if isinstance(f.default, int | float)
}


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="chat", tag_field="kind"):
    """A conversation to be continued by the model's own chat template."""

    messages: tuple[Message, ...]
    sampling: SamplingParams = SamplingParams()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | None = None
    response_schema: dict[str, Any] | None = None


class CompletionRequest(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="completion", tag_field="kind"
):
    """Raw text to be continued; no template is applied."""

    prompt: str
    sampling: SamplingParams = SamplingParams()


class LoglikelihoodRequest(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="loglikelihood", tag_field="kind"
):
    """How likely is each continuation after the context?

    Attributes:
        context: The text before; a continuation is appended as it is, so a leading space belongs to it.
        continuations: The candidates, in the order of the instance's choices.
        unconditional_context: If given (e.g. `Answer:`), each continuation is also scored after this context alone.
    """

    context: str
    continuations: tuple[str, ...]
    unconditional_context: str | None = None


Request = ChatRequest | CompletionRequest | LoglikelihoodRequest


class Continuation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The log-probability of one continuation, in nats, summed over its tokens."""

    logprob: float
    num_tokens: int
    unconditional_logprob: float | None = None


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider gave back for one request.

    Attributes:
        text: The text generated.
        reasoning: The reasoning, kept apart from the answer.
        tool_calls: The calls the model made.
        finish_reason: `stop`, `length`, `tool_calls`, `content_filter`; None where the provider did not say.
        continuations: One entry a continuation of a `LoglikelihoodRequest`, in its order.
        usage: What it cost.
        model: The model's id as the server named it.
        logprobs: Token log-probabilities of the generated text when they were asked for, as the provider gave them.
    """

    text: str = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    continuations: tuple[Continuation, ...] = ()
    usage: Usage = Usage()
    model: str | None = None
    logprobs: list[dict[str, Any]] | None = None

    @property
    def is_empty(self) -> bool:
        """True if nothing came: no text, no reasoning, no tool call, no continuation, and no token counted."""
        return not (
            self.text.strip() or self.reasoning or self.tool_calls or self.continuations or self.usage.generated
        )
