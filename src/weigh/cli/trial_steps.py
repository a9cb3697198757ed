"""An agent's trial as text: what it took, which markers fired, and what it did, command by command."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from weigh.cli.terminal import bold, count, is_colour, seconds
from weigh.records.actions import Action, actions_of
from weigh.records.marker import PREFIX
from weigh.records.measures import Measures, measure
from weigh.records.trajectory import Step
from weigh.records.trial import Trial, steps_of

LINES = 12
"""How many lines of a text are shown unless all are asked for."""

_SIGNS = {"command": "$", "code": ">>>", "read": "read", "write": "write", "edit": "edit", "search": "search"}


def heading(text: str) -> str:
    """A section's name."""
    return bold(text) if is_colour() else text


def indented(text: str, by: str = "  ") -> str:
    """A text set off from the margin."""
    return "\n".join(f"{by}{line}".rstrip() for line in text.splitlines()) or f"{by}(nothing)"


def fact_lines(trial: Trial) -> Iterator[str]:
    """What the trial took, and where its markers matched."""
    took = measure(trial)
    yield heading("what it took")
    yield f"  turns     {took.turns}" + _calls(took)
    if took.tool_calls:
        found = "in no tool result" if took.answer_call is None else f"first in the result of call {took.answer_call}"
        yield f"  answer    {found}" + (f"; looked for help {_times(took.help)}" if took.help else "")
    for name, files in (("read", took.files_read), ("written", took.files_written)):
        if files:
            more = f" and {len(files) - 6} more" if len(files) > 6 else ""
            yield f"  {name:8}  {', '.join(files[:6])}{more}"
    yield f"  time      {_time(took)}"
    markers = {n.removeprefix(PREFIX): s for n, s in trial.scores.items() if n.startswith(PREFIX) and s.error is None}
    if markers:
        fired = {name: score for name, score in markers.items() if score.value}
        yield heading("markers")
        for name, score in fired.items():
            yield f"  {name}  {score.explanation or ''}".rstrip()
        rest = [name for name in markers if name not in fired]
        if rest:
            yield f"  (did not fire: {', '.join(rest)})"


def step_lines(trial: Trial, *, whole: bool) -> Iterator[str]:
    """The steps in order; each call as the command, file or code it is, with what came back.

    Args:
        whole: Show texts in full length.
    """
    assert trial.trajectory is not None
    actions: dict[tuple[int, int], Action] = {(a.step, a.call): a for a in actions_of(trial.trajectory)}
    marks = _marks(trial)
    yield heading("steps")
    for position, step in enumerate(steps_of(trial.trajectory)):
        yield heading(f"{position + 1} {step.source}") + _about(step)
        if step.reasoning:
            yield indented(_cut(f"[reasoning]\n{step.reasoning}", whole))
        if step.message:
            yield indented(_cut(step.message, whole))
        yield from _marked(marks.get((position, None), ()))
        seen = {observation.call_id: observation for observation in step.observations}
        for index, call in enumerate(step.tool_calls):
            action = actions.get((position, index))
            if action is None:  # a call of an example in the prompt
                yield f"  -> {call.name}({json.dumps(call.arguments, ensure_ascii=False)})"
                continue
            yield indented(_cut(_shown(action), whole))
            yield from _marked(marks.get((position, index), ()))
            result = seen.get(call.id)
            if result is None:
                yield "  <- (nothing came back)"
                continue
            took = f", {seconds(result.seconds)}" if result.seconds is not None else ""
            yield f"  <- {'error' if result.is_error else 'ok'}{took}"
            yield indented(_cut(result.content, whole), "     ")


def _calls(took: Measures) -> str:
    if not took.tool_calls:
        return "; no tool calls"
    text = f"; {took.tool_calls} tool call{'s' if took.tool_calls != 1 else ''}"
    if took.tool_errors:
        text += f", {took.tool_errors} with an error"
        text += f" ({took.recoveries} recovered from)" if took.recoveries else " (none recovered from)"
    return text


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _time(took: Measures) -> str:
    parts = [
        f"{seconds(value)} in {what}"
        for what, value in (("the model", took.model_seconds), ("tools", took.tool_seconds))
        if value is not None
    ]
    whole = "unknown" if took.seconds is None else seconds(took.seconds)
    return whole + (f" ({', '.join(parts)})" if parts else "")


def _about(step: Step) -> str:
    """Time and tokens of a step."""
    parts = [seconds(step.seconds)] if step.seconds is not None else []
    if step.usage is not None:
        known = (("new", step.usage.new), ("cached", step.usage.cached), ("generated", step.usage.generated))
        parts += [f"{count(value)} {name}" for name, value in known if value is not None]
    return f"  {', '.join(parts)}" if parts else ""


def _shown(action: Action) -> str:
    """A call as a person would write it."""
    unknown = "  (no such tool)" if action.registered is False else ""
    sign = _SIGNS.get(action.kind)
    if sign is None or action.raw is not None:
        return f"-> {action.tool} {action.text}{unknown}"
    if action.kind in ("write", "edit"):
        return f"{sign} {action.path or ''}{unknown}\n{action.text}".rstrip()
    if action.kind == "read":
        return f"{sign} {', '.join(action.reads) or action.text}{unknown}"
    return f"{sign} {action.text}{unknown}" + (f" in {action.path}" if action.kind == "search" and action.path else "")


def _marks(trial: Trial) -> dict[tuple[int, int | None], list[tuple[str, str]]]:
    """Marker hits by where they stand."""
    found: dict[tuple[int, int | None], list[tuple[str, str]]] = {}
    for name, score in trial.scores.items():
        hits: Any = score.metadata.get("hits", ()) if name.startswith(PREFIX) else ()
        for hit in hits:
            place = (hit["step"], hit.get("call"))
            found.setdefault(place, []).append((name.removeprefix(PREFIX), hit["text"]))
    return found


def _marked(hits: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, text in hits:
        short = " ".join(text.split())
        yield f"  ** {name}: {short[:90]}{'...' if len(short) > 90 else ''}"


def _cut(text: str, whole: bool) -> str:
    lines = text.splitlines()
    if whole or len(lines) <= LINES:
        return text
    kept = [*lines[: LINES - 4], f"[... {len(lines) - LINES + 1} lines; --steps shows them]", *lines[-3:]]
    return "\n".join(kept)
