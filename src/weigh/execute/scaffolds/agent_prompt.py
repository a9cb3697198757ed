"""A rendered chat as the one prompt that a command-line agent takes."""

from __future__ import annotations

from weigh.records.errors import Error, Failure
from weigh.records.request import ChatRequest, Message, Request

LONGEST = 120_000
"""Bytes; a longer word is refused by the kernel on a command line."""
_WHO = {"user": "User", "assistant": "Assistant", "tool": "Tool"}


def read_prompt(request: Request) -> tuple[str, str]:
    """The prompt, and the text of the system messages.

    Several turns (few-shot examples) become one text that names the speakers.

    Raises:
        Failure: Kind `task`: it is no chat, holds more than text, or is too long.
    """
    if not isinstance(request, ChatRequest):
        raise _unfit("not_chat", f"an agent needs a chat, not a {request.__struct_config__.tag}")
    system = "\n\n".join(_text(m) for m in request.messages if m.role == "system")
    turns = [m for m in request.messages if m.role != "system"]
    if len(turns) == 1:
        prompt = _text(turns[0])
    else:
        prompt = "\n\n".join(f"{_WHO[m.role]}: {_text(m)}" for m in turns)
    if len(prompt.encode()) > LONGEST:
        raise _unfit("long_prompt", f"the prompt has more than {LONGEST} bytes; give the agent a file instead")
    return prompt, system


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    if any(part.get("type") != "text" for part in message.content):
        raise _unfit("parts", "an agent is asked in text; give it images and sounds as files of the instance")
    return "\n".join(str(part["text"]) for part in message.content)


def _unfit(code: str, message: str) -> Failure:
    return Failure(Error(kind="task", code=code, message=message))
