"""Recording what a model is given besides the question, while the trial runs: see `weigh.records.given`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile

from weigh.define.skill import Skill
from weigh.protocols import ScaffoldContext
from weigh.records.given import CONTEXT, PREFIX, QUESTION, SYSTEM
from weigh.records.request import ChatRequest, Message


def record_workspace(context: ScaffoldContext, skills: Sequence[Skill], way: str, instructions: str) -> None:
    """What the workspace puts before the model; Skills with their text, whether the model will read it or not."""
    facts = {"skills": {skill.name: way for skill in skills}, "instructions": instructions}
    if facts := {name: value for name, value in facts.items() if value}:
        context.metadata["given"] = {**context.metadata.get("given", {}), **facts}
    record_texts(context, {f"{skill.name}/SKILL.md": skill.text for skill in skills})


def record_texts(context: ScaffoldContext, texts: Mapping[str, str]) -> None:
    """Keep texts by name, the empty ones left out."""
    texts = {name: text for name, text in texts.items() if text.strip()}
    if not texts:
        return
    context.artifacts.update({f"{PREFIX}{name}": text for name, text in texts.items()})
    given = context.metadata.get("given", {})
    sizes = {name: len(text.encode(errors="replace")) for name, text in texts.items()}
    context.metadata["given"] = {**given, "texts": {**given.get("texts", {}), **sizes}}


def texts_of(request: ChatRequest, question: str, told: Collection[str]) -> dict[str, str]:
    """What an agent program's first request says besides the question.

    Args:
        question: What the program was asked; it is left out, so that all trials of an arm have the same text.
        told: Messages that are steps of the trial anyway.
    """
    begun = list(takewhile(lambda message: message.role != "assistant", request.messages))
    known = {text.strip() for text in told}
    around = (_around(m, question) for m in begun if m.role == "user" and "".join(_parts(m)).strip() not in known)
    return {
        SYSTEM: "\n\n".join("\n".join(_parts(m)) for m in begun if m.role == "system"),
        CONTEXT: "\n\n".join(text for text in around if text != QUESTION),
    }


def _around(message: Message, question: str) -> str:
    """A message with `QUESTION` in place of the question, which comes last."""
    parts = list(_parts(message))
    for place in reversed(range(len(parts))) if question else ():
        before, asked, after = parts[place].rpartition(question)
        if asked:
            parts[place] = f"{before}{QUESTION}{after}"
            break
    return "\n\n".join(part.strip() for part in parts)


def _parts(message: Message) -> Sequence[str]:
    if isinstance(message.content, str):
        return (message.content,)
    return [str(part.get("text", f"({part.get('type')})")) for part in message.content]
