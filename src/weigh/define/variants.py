"""Variants every task has: number of examples (`zero`, `3shot`) and form of the question (`mc`, `rc`, `bpb`, ...).

A variant takes a configuration and gives another; several are applied from left to right. A task's own variants of
the same name come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from weigh.define.formatter import Formatter
from weigh.define.formatters import (
    ChatFormatter,
    CompletionFormatter,
    GoldFormatter,
    LetterChatFormatter,
    MultipleChoiceFormatter,
    RankedFormatter,
    TextFormatter,
)
from weigh.define.metrics import AccuracyMetric, MeanMetric
from weigh.define.task import TaskConfig
from weigh.records.errors import DefinitionError

Apply = Callable[[TaskConfig], TaskConfig]
F = TypeVar("F", bound=TextFormatter)

_CHOICE = (MultipleChoiceFormatter, RankedFormatter, LetterChatFormatter)
_SHOTS = re.compile(r"^(\d+)shot$")


def mc(config: TaskConfig) -> TaskConfig:
    """Letters in the prompt; the most likely letter is the answer."""
    return _change(config, formatter=_as(MultipleChoiceFormatter, config), metrics=(AccuracyMetric("choice"),))


def rc(config: TaskConfig) -> TaskConfig:
    """Ranked continuations: the likelihood of each choice's text, by its length in characters (first), raw, by tokens
    and by bytes."""
    names = ("choice:character", "choice", "choice:token", "choice:byte")
    return _change(config, formatter=_as(RankedFormatter, config), metrics=tuple(AccuracyMetric(n) for n in names))


def unconditional(config: TaskConfig) -> TaskConfig:
    """After `rc`: each choice's likelihood is also weighed against its likelihood without the question."""
    if not isinstance(config.formatter, RankedFormatter):
        raise DefinitionError(
            f"task {config.name!r}: variant 'unconditional' comes after 'rc': {config.name}:rc:unconditional"
        )
    formatter = msgspec.structs.replace(
        config.formatter, unconditional_context=config.formatter.answer_prefix.strip() or "Answer:"
    )
    return _change(config, formatter=formatter, metrics=(AccuracyMetric("choice:unconditional"), *config.metrics))


def bpb(config: TaskConfig) -> TaskConfig:
    """Bits per byte of the gold answer."""
    return _change(config, formatter=_as(GoldFormatter, config), metrics=(MeanMetric("bits_per_byte"),))


def chat(config: TaskConfig) -> TaskConfig:
    """Asked as a chat. A task in a multiple-choice form keeps its letters, and the model answers in words."""
    _refuse_after_bpb(config, "chat")
    if isinstance(config.formatter, _CHOICE):
        return _change(config, formatter=LetterChatFormatter(), metrics=(AccuracyMetric("choice_letter"),))
    same = isinstance(config.formatter, Formatter) and config.formatter.capability == "chat"
    return config if same else _change(config, formatter=ChatFormatter())


def completion(config: TaskConfig) -> TaskConfig:
    """Asked as raw text to be continued, for models without a chat template."""
    _refuse_after_bpb(config, "completion")
    changes = {"metrics": (AccuracyMetric("choice_letter"),)} if isinstance(config.formatter, _CHOICE) else {}
    return _change(config, formatter=_as(CompletionFormatter, config), **changes)


BUILT_IN: dict[str, Apply] = {
    "zero": lambda config: _change(config, num_fewshot=0),
    "mc": mc,
    "rc": rc,
    "unconditional": unconditional,
    "bpb": bpb,
    "chat": chat,
    "completion": completion,
}
"""By name; `<N>shot` besides."""


def built_in(name: str) -> Apply | None:
    """The variant of a name that every task has, or None."""
    shots = _SHOTS.match(name)
    if shots:
        return lambda config: _change(config, num_fewshot=int(shots[1]))
    return BUILT_IN.get(name)


def meaning(name: str) -> str | None:
    """What the variant of a name does to a task that has none of its own of that name, in words; None for others."""
    shots = _SHOTS.match(name)
    if name == "zero" or shots:
        return f"{int(shots[1]) if shots else 'No'} examples before the question."
    return " ".join((BUILT_IN[name].__doc__ or "").split()) if name in BUILT_IN else None


def _change(config: TaskConfig, **changes: object) -> TaskConfig:
    return msgspec.structs.replace(config, **changes)


def _as(cls: type[F], config: TaskConfig) -> F:
    """A formatter of another form that keeps what the two have in common (prefixes, separator)."""
    old = config.formatter
    if isinstance(old, cls):
        return old
    if not isinstance(old, TextFormatter):
        return cls()
    return cls(**{name: getattr(old, name) for name in TextFormatter.__struct_fields__})


def _refuse_after_bpb(config: TaskConfig, name: str) -> None:
    if isinstance(config.formatter, GoldFormatter):
        raise DefinitionError(
            f"task {config.name!r}: variant {name!r} after 'bpb' would have nothing to score; leave one out"
        )
