"""`weigh trial`: one trial as it was: prompt, output, scores, timing, attempts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from weigh.cli.flags import add_store
from weigh.cli.terminal import count, dollars, seconds, when
from weigh.cli.trial_given import given_lines, given_text
from weigh.cli.trial_steps import fact_lines, heading, indented, step_lines
from weigh.records.agent_usage import miscount
from weigh.records.given import Given, all_given
from weigh.records.marker import PREFIX
from weigh.records.request import LoglikelihoodRequest, Output
from weigh.records.trial import Trial, request_text
from weigh.store.artifacts import read_given
from weigh.store.layout import Store
from weigh.store.reader import read_trial

HELP = "Show one trial: what the model was given, what it answered, how that was scored, and what it cost."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="a trial's id, or the beginning of one")
    add_store(parser)
    parser.add_argument(
        "--steps",
        action="store_true",
        help="every step in full length, and the texts the model was given besides the question",
    )
    parser.add_argument("--json", action="store_true", help="the whole record as JSON")


def run(args: argparse.Namespace) -> int:
    store = Store(args.store)
    trial = read_trial(store, args.id)
    if args.json:
        print(json.dumps(msgspec.to_builtins(trial), indent=1, ensure_ascii=False))
    else:
        folder = store.open(trial.run)
        axes = next((arm.axes for arm in folder.run.arms if arm.id == trial.arm), {})
        texts = read_given(folder, trial.trajectory.artifacts) if args.steps and trial.trajectory else {}
        print("\n".join(lines(trial, steps=args.steps, axes=axes, texts=texts)))
    return 0


def lines(
    trial: Trial, *, steps: bool, axes: Mapping[str, Any] | None = None, texts: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The trial as text, section by section.

    Args:
        steps: Show steps, and what was given besides the question, in full length.
        axes: Of the trial's arm.
        texts: What it was given, by name.
    """
    given = all_given(trial.trajectory) if trial.trajectory else Given()
    yield heading(f"trial {trial.id}")
    yield f"  run       {trial.run}"
    yield f"  arm       {trial.arm}"
    yield f"  task      {trial.spec}"
    yield f"  instance  {trial.instance.id}" + (f", epoch {trial.epoch}" if trial.epoch else "")
    yield f"  status    {trial.status}" + (f" (generation of trial {trial.reused})" if trial.reused else "")
    yield f"  key       {trial.key}"
    if told := given_text(given, axes or {}, steps=steps):
        yield f"  given     {told}"
    if trial.error:
        yield heading("error")
        yield indented(f"{trial.error.kind}: {trial.error.message}")
        if trial.error.detail:
            yield indented(trial.error.detail)
    if steps:
        yield from given_lines(given, texts or {})
    if trial.trajectory and (steps or len(trial.trajectory.steps) > 0):
        yield from fact_lines(trial)
        yield from step_lines(trial, whole=steps)
    elif trial.trajectory:
        yield heading("prompt")
        yield indented(request_text(trial.trajectory.request))
        yield heading("output")
        yield from output_lines(trial, trial.trajectory.output)
    yield heading("target")
    yield indented(target(trial))
    if trial.scores:
        yield heading("scores")
        for name, score in trial.scores.items():
            if name.startswith(PREFIX) and score.error is None:
                continue  # shown with where they matched
            value = "failed" if score.error else "-" if score.value is None else f"{score.value:g}"
            notes = [f"answer {score.answer!r}"] if score.answer is not None else []
            notes += [score.explanation] if score.explanation else []
            notes += [score.error.message] if score.error else []
            yield f"  {name}  {value}" + (f"  ({'; '.join(notes)})" if notes else "")
    yield heading("cost")
    yield f"  {cost(trial)}"
    said = miscount(trial)
    if said is not None:
        yield f"  the agent itself reports {said}, which is not what the gateway counted"
    if len(trial.attempts) > 1:
        yield heading("attempts")
        for number, attempt in enumerate(trial.attempts, 1):
            end = f"{attempt.error.kind}: {attempt.error.message}" if attempt.error else "ok"
            yield f"  {number}  {seconds(attempt.seconds)}  {end}"


def target(trial: Trial) -> str:
    """The gold answer; of a multiple-choice question with the choice's text."""
    gold, choices = trial.instance.gold_answer, trial.instance.choices
    if isinstance(gold, int) and 0 <= gold < len(choices):
        return f"{gold}: {choices[gold]}"
    return "(none)" if gold is None else str(gold)


def output_lines(trial: Trial, output: Output) -> Iterator[str]:
    """What the model answered: text, or the log-probabilities of the continuations."""
    request = trial.trajectory.request if trial.trajectory else None
    if isinstance(request, LoglikelihoodRequest):
        best = max((c.logprob for c in output.continuations), default=None)
        for text, scored in zip(request.continuations, output.continuations, strict=False):
            mark = "*" if scored.logprob == best else " "
            yield f" {mark} {scored.logprob:9.3f} nats  {scored.num_tokens:3d} tokens  {text!r}"
        return
    if output.reasoning:
        yield indented(f"[reasoning]\n{output.reasoning}")
    yield indented(output.text)
    for call in output.tool_calls:
        yield f"  -> {call.name}({json.dumps(call.arguments, ensure_ascii=False)})"
    if output.finish_reason not in (None, "stop"):
        yield f"  (ended by: {output.finish_reason})"


def cost(trial: Trial) -> str:
    """Tokens, dollars and seconds in one line."""
    usage, timing = trial.usage, trial.timing
    parts = [
        f"{count(value)} {name}"
        for name, value in (("new", usage.new), ("cached", usage.cached), ("generated", usage.generated))
        if value is not None
    ]
    text = "tokens " + (", ".join(parts) or "unknown")
    text += f"; {dollars(usage.cost) if usage.cost is not None else 'price unknown'}"
    text += f"; {seconds(timing.total)}"
    if timing.model is not None:
        text += f" ({seconds(timing.model)} in the model)"
    return f"{text}; begun {when(timing.started)}"
