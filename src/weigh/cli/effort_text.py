"""The tables of what agents' trials took and of how often markers fired; the numbers are `pipeline.effort`'s."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from weigh.cli.table import WIDEST, Column, Format, render, render_below
from weigh.cli.terminal import count, dollars, seconds
from weigh.pipeline.compare_rows import quartiles
from weigh.pipeline.effort import Adoption, Effort, Efforts, flat_adoption, flat_effort


def _few(value: float) -> str:
    """A count, or the mean of counts."""
    return f"{value:.3g}" if value < 1000 else count(value)


_NAMES: dict[str, tuple[str, Callable[[float], str]]] = {
    "seconds": ("seconds", seconds),
    "model_seconds": ("in the model", seconds),
    "tool_seconds": ("in tools", seconds),
    "turns": ("turns", _few),
    "tool_calls": ("tool calls", _few),
    "tool_errors": ("errors", _few),
    "recoveries": ("recovered", _few),
    "new": ("new tokens", count),
    "cached": ("cached tokens", count),
    "generated": ("generated tokens", count),
    "cost": ("cost", dollars),
    "answer_call": ("answer in call", _few),
    "files_read": ("files read", _few),
    "files_written": ("files written", _few),
    "help": ("help", _few),
}
ABOUT = (
    "Medians over trials with the interquartile range in brackets, then the mean; failed trials are left out, those "
    "that a limit ended count with what they had taken. 'answer in call': the first tool call whose result contained "
    "the right answer, over the trials in which one did."
)


def effort_text(made: Sequence[Efforts], format: Format) -> str:
    """One block a task: measures down, arms across."""
    efforts = [e for one in made for e in one.efforts]
    if format in ("json", "csv"):
        rows = [dict(flat_effort(e)) for e in efforts]
        return render([Column(k, k) for k in (rows[0] if rows else ["task"])], rows, format)
    parts: list[str] = []
    for task in dict.fromkeys(e.task for e in efforts):
        parts += [_block(task, [e for e in efforts if e.task == task], format), ""]
    return "\n".join([*parts, textwrap.fill(ABOUT, WIDEST)])


def _block(task: str, efforts: Sequence[Effort], format: Format) -> str:
    rows: list[dict[str, Any]] = [{"measure": "trials", **{str(i): str(e.trials) for i, e in enumerate(efforts)}}]
    for name, (label, shape) in _NAMES.items():
        row: dict[str, Any] = {"measure": label}
        for index, effort in enumerate(efforts):
            one = effort.taken[name]
            shown = quartiles(one, shape, always=shape is seconds)
            mean = "" if one.mean is None or shown in (None, shape(one.mean)) else f", mean {shape(one.mean)}"
            row[str(index)] = None if shown is None else shown + mean
        if any(row[str(i)] is not None for i in range(len(efforts))):
            rows.append(row)
    arms = [[Column(str(i), e.arm)] for i, e in enumerate(efforts)]
    return render_below([Column("measure", task)], arms, rows, format)


def adoption_text(made: Sequence[Efforts], format: Format, *, every: bool = True) -> str:
    """Markers with the share of trials in which they fired, and what each is.

    Args:
        every: Also those that fired in no trial of a task; for machines they are always there.
    """
    adoption = [a for one in made for a in one.adoption]
    rows = [dict(flat_adoption(a)) for a in adoption]
    if format in ("json", "csv"):
        return render([Column(k, k) for k in (rows[0] if rows else ["task"])], rows, format)
    if not rows:
        return "no trial was looked through for markers"
    ever = {(a.task, a.marker) for a in adoption if a.fired}
    kept = [(r, a) for r, a in zip(rows, adoption, strict=True) if every or (a.task, a.marker) in ever]
    left_out = "markers that fired in no trial of a task are left out (weigh results --markers lists them)"
    if not kept:
        return left_out
    shown = [r | {"fired": f"{a.fired} of {a.trials}", "share": _share(a)} for r, a in kept]
    columns = [
        Column("task", "task"), Column("arm", "arm"), Column("marker", "marker"), Column("fired", "fired", str, True),
        Column("share", "% ± SE", str, True), Column("description", "what it is"),
    ]  # fmt: skip
    return "\n".join([render(columns, shown, format), *([left_out] if len(kept) < len(rows) else [])])


def _share(one: Adoption) -> str | None:
    if one.share.mean is None:
        return None
    return f"{100 * one.share.mean:.1f}" + (f" ± {100 * one.share.error:.1f}" if one.share.error is not None else "")
