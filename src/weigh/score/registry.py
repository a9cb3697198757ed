"""Scorers by name: `scorer_by_name("exact_match")`, and how a user's own gets a name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TypeVar, cast

from weigh.protocols import Scorer
from weigh.records.errors import DefinitionError, suggest
from weigh.records.marker import PREFIX

T = TypeVar("T", bound=type)

_BUILT_IN: dict[str, tuple[str, str, dict[str, object]]] = {
    "exact_match": ("answer", "ExactMatchScorer", {}),
    "substring": ("answer", "SubstringScorer", {}),
    "regex": ("answer", "RegexScorer", {}),
    "numeric": ("answer", "NumericScorer", {}),
    "f1": ("answer", "F1Scorer", {}),
    "math": ("math", "MathScorer", {}),
    "choice": ("choice", "ChoiceScorer", {}),
    "choice:token": ("choice", "ChoiceScorer", {"normalization": "token"}),
    "choice:character": ("choice", "ChoiceScorer", {"normalization": "character"}),
    "choice:byte": ("choice", "ChoiceScorer", {"normalization": "byte"}),
    "choice:unconditional": ("choice", "ChoiceScorer", {"normalization": "unconditional"}),
    "choice_letter": ("choice", "ChoiceLetterScorer", {}),
    "bits_per_byte": ("choice", "BitsPerByteScorer", {}),
    "instruction": ("instruction", "InstructionScorer", {}),
    "instruction:loose": ("instruction", "InstructionScorer", {"loose": True}),
    "code": ("code", "CodeScorer", {}),
    "judge": ("judge", "JudgeScorer", {}),
    "rubric": ("judge_rubric", "RubricScorer", {}),
    "pairwise": ("judge_pairwise", "PairwiseScorer", {}),
    "tool_not_called": ("trajectory", "ToolNotCalledScorer", {}),
    "tool_arguments": ("trajectory", "ToolArgumentsScorer", {}),
    "efficiency": ("trajectory", "EfficiencyScorer", {}),
    "repeated_calls": ("trajectory", "RepeatedCallsScorer", {}),
    "malformed_calls": ("trajectory", "MalformedCallsScorer", {}),
    "files": ("state", "FilesScorer", {}),
    "command": ("state", "CommandScorer", {}),
}
_USERS: dict[str, Callable[[], Scorer]] = {}


def scorer_names() -> list[str]:
    """All names there are, sorted."""
    return sorted({*_BUILT_IN, *_USERS})


def scorer_by_name(name: str, **options: object) -> Scorer:
    """Return the scorer of a name, with options for its settings; `marker:NAME` is a marker's.

    Raises:
        DefinitionError: An unknown name, or settings that do not fit.
    """
    if name.startswith(PREFIX):
        return cast("Scorer", import_module("weigh.score.markers").marker(name, **options))
    if name in _USERS:
        return _make(name, _USERS[name], options)
    if name not in _BUILT_IN:
        raise DefinitionError(f"unknown scorer {name!r}{suggest(name, scorer_names())}")
    module, attribute, settings = _BUILT_IN[name]
    return _make(name, getattr(import_module(f"weigh.score.{module}"), attribute), {**settings, **options})


def register_scorer(name: str) -> Callable[[T], T]:
    """Class decorator: make a scorer of one's own known by a name.

    The class has to be constructible without arguments and to follow `weigh.protocols.Scorer`; both are checked here,
    not in the middle of a run.
    """

    def register(cls: T) -> T:
        if name in _BUILT_IN:
            raise DefinitionError(f"scorer {name!r} is one of weigh's own; choose another name")
        missing = [m for m in ("digest", "score") if not callable(getattr(cls, m, None))]
        if missing:
            raise DefinitionError(f"scorer {name!r}: {cls.__name__} has no method {' and no '.join(missing)}")
        _make(name, cast("Callable[[], Scorer]", cls), {})
        _USERS[name] = cast("Callable[[], Scorer]", cls)
        return cls

    return register


def _make(name: str, factory: Callable[..., Scorer], options: dict[str, object]) -> Scorer:
    try:
        made: object = factory(**options)
    except TypeError as error:
        raise DefinitionError(f"scorer {name!r}: {error}") from None
    if not isinstance(made, Scorer):
        wanted = ("name", "no_match", "needs_sandbox", "lower_is_better", "bounds")
        missing = [a for a in wanted if not hasattr(made, a)]
        raise DefinitionError(f"scorer {name!r}: {type(made).__name__} lacks {', '.join(missing)}")
    return made
