"""What a trial took, besides its score: counts and times that follow from its record, old or new.

Each is computed from what is stored, so a trial that ran before a measure was thought of has it too. None says that it
cannot be known, never 0.
"""

from __future__ import annotations

import re

import msgspec

from weigh.records.actions import Action, Kind, actions_of, own_steps
from weigh.records.instance import Instance
from weigh.records.trial import Trial


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of one trial.

    Attributes:
        turns: How often the model spoke.
        tool_calls: Calls of tools that it made, unregistered ones included.
        tool_errors: Calls that gave an error.
        recoveries: How often a call succeeded after one or more of its kind (command, code, read ...) had failed.
        answer_call: Which tool call, from 1, was the first whose result contained the right answer (case and white
            space aside, not as a part of a longer word or number); None when none did or the answer is no text.
        files_read, files_written: Paths, each once, as far as the calls name them; in commands `cat`, `head`, `sed -n`
            ..., redirections and here-documents are understood.
        help: Calls that looked something up: `--help`, `-h`, `man`, `info`, `pydoc`, `help(...)`.
        seconds: Wall time of the trial, scoring included.
        model_seconds: Of these in the model, as the provider (for an agent program: the gateway) was waited for.
        tool_seconds: In tools: as measured, else the sum of what the calls took, where all of them say so.
    """

    turns: int | None = None
    tool_calls: int | None = None
    tool_errors: int | None = None
    recoveries: int | None = None
    answer_call: int | None = None
    files_read: tuple[str, ...] = ()
    files_written: tuple[str, ...] = ()
    help: int | None = None
    seconds: float | None = None
    model_seconds: float | None = None
    tool_seconds: float | None = None


def measure(trial: Trial) -> Measures:
    """The measures of a trial; without a trajectory only its times are known."""
    timing = trial.timing
    # An imported trial was executed elsewhere: no attempt of ours, and no seconds that anybody knows.
    seconds = timing.total if trial.attempts or timing.total else None
    if trial.trajectory is None:
        return Measures(
            turns=_measured(trial, "turns"), tool_calls=_measured(trial, "tool_calls"), seconds=seconds,
            model_seconds=timing.model, tool_seconds=timing.tools,
        )  # fmt: skip
    actions = actions_of(trial.trajectory)
    return Measures(
        turns=turns(trial),
        tool_calls=len(actions) if (called := _measured(trial, "tool_calls")) is None else called,
        tool_errors=sum(action.is_error for action in actions),
        recoveries=recoveries(actions),
        answer_call=answer_call(actions, trial.instance),
        files_read=tuple(dict.fromkeys(path for action in actions for path in action.reads)),
        files_written=tuple(dict.fromkeys(path for action in actions for path in action.writes)),
        help=sum(action.asks_help for action in actions),
        seconds=seconds,
        model_seconds=timing.model,
        tool_seconds=timing.tools if timing.tools is not None else _tool_seconds(actions),
    )


def turns(trial: Trial) -> int | None:
    """How often the model spoke: as measured, else counted from the steps; None when there is no trajectory."""
    measured = _measured(trial, "turns")
    if measured is not None or trial.trajectory is None:
        return measured
    if not trial.trajectory.steps:
        return 1
    return sum(step.source == "model" for _, step in own_steps(trial.trajectory))


def tool_calls(trial: Trial) -> int | None:
    """How many tools the model called: as measured, else counted from the steps; None without a trajectory."""
    measured = _measured(trial, "tool_calls")
    if measured is not None or trial.trajectory is None:
        return measured
    return len(actions_of(trial.trajectory))


def recoveries(actions: list[Action]) -> int:
    """How often a call succeeded after one or more of its kind had failed since the last success of that kind."""
    failed: set[Kind] = set()
    count = 0
    for action in actions:
        if action.is_error:
            failed.add(action.kind)
        elif action.result is not None and action.kind in failed:
            failed.discard(action.kind)
            count += 1
    return count


def answer_call(actions: list[Action], instance: Instance) -> int | None:
    """Which call, from 1, was the first whose result contained one of the acceptable answers."""
    wanted = [_finder(answer) for answer in _answers(instance)]
    for number, action in enumerate(actions, 1):
        text = " ".join((action.result or "").split())
        if any(pattern.search(text) for pattern in wanted):
            return number
    return None


def _answers(instance: Instance) -> list[str]:
    gold = instance.gold_answer
    golds = gold if isinstance(gold, list | tuple) else [gold]
    texts = [
        instance.choices[g] if isinstance(g, int) and not isinstance(g, bool) and 0 <= g < len(instance.choices) else g
        for g in golds
    ]
    return [str(t).strip() for t in texts if isinstance(t, str | int | float) and str(t).strip()]


def _finder(answer: str) -> re.Pattern[str]:
    """Finds an answer where it stands by itself: 4 is not in 42, nor in 1.4."""
    plain = re.escape(" ".join(answer.split()))
    before = r"(?<!\w)(?<!\d[.,])" if answer[:1].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if answer[-1:].isalnum() else ""
    return re.compile(before + plain + after, re.IGNORECASE)


def _tool_seconds(actions: list[Action]) -> float | None:
    known = [action.seconds for action in actions if action.seconds is not None]
    return round(sum(known), 6) if actions and len(known) == len(actions) else None


def _measured(trial: Trial, name: str) -> int | None:
    value = trial.metadata.get(name)
    return value if isinstance(value, int) else None
