"""What a trial's model was given besides the question, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weigh.cli.terminal import size
from weigh.cli.trial_steps import heading, indented
from weigh.records.given import CONTEXT, SYSTEM, Given

AXES = ("tier", "revision")
"""Axes of an arm that say what its workspace is."""
_NAMES = {SYSTEM: "system prompt", CONTEXT: "context around the question"}


def given_text(given: Given, axes: Mapping[str, Any], *, steps: bool = False) -> str:
    """All of it in a line; empty where there is nothing but the question.

    Args:
        axes: Of the trial's arm.
        steps: The texts are shown further down, so that nobody has to be told how to see them.
    """
    parts = [given.agent] if given.agent else []
    parts += [", ".join(f"{name} {axes[name]}" for name in AXES if axes.get(name) is not None)]
    parts += [f"Skill {name} ({way})" for name, way in given.skills.items()]
    if given.instructions:
        text = " ".join(given.instructions.split())
        parts.append(f"instructions: {text[:90]}{'...' if len(text) > 90 else ''}")
    if given.tools:
        withheld = ", withheld from a model that cannot call any" if given.withheld else ""
        parts.append(
            f"{len(given.tools)} tool{'s' if len(given.tools) > 1 else ''}: {', '.join(given.tools)}{withheld}"
        )
    parts += [f"{text} {size(given.texts[name])}" for name, text in _NAMES.items() if name in given.texts]
    told = "; ".join(part for part in parts if part)
    return f"{told} (--steps shows the texts)" if given.texts and not steps else told


def given_lines(given: Given, texts: Mapping[str, str]) -> Iterator[str]:
    """The texts in full.

    Args:
        texts: As the store has them, by name.
    """
    if given.instructions:
        yield heading("given: instructions")
        yield indented(given.instructions)
    for name in given.texts:
        yield heading(f"given: {_NAMES.get(name, name)}")
        yield indented(texts[name]) if name in texts else "  (the store has lost it: weigh runs verify)"
