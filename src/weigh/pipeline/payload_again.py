"""How a run is made again: the fewest of its commands that ask for everything, and how alike the outcome will be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weigh.records.run import Invocation, Run

_STORE = re.compile(r" --store(?:=| )(?:'[^']*'|\S+)")
_HEAD = 4
"""Words of a command that say what it runs: `weigh study run FILE`, `weigh run -m MODEL`."""


def commands_again(invocations: Sequence[Invocation]) -> list[str]:
    """Commands that run something, without those whose every trial another one of their kind asks for too (of equal
    ones the last is kept), and without the store, which is the author's own. Where none ran anything, the last that was
    typed."""
    ran = [one for one in invocations if one.command and one.plan.get("cells")]
    kept = [
        one for i, one in enumerate(ran) if not any(_spared(one, other, j > i) for j, other in enumerate(ran) if j != i)
    ]
    typed = kept or [one for one in invocations if one.command][-1:]
    return list(dict.fromkeys(_STORE.sub("", one.command or "") for one in typed))


def _spared(one: Invocation, other: Invocation, later: bool) -> bool:
    """Whether the other one asks for all of this one's trials; of two that ask for the same the later one is kept."""
    return _contained(one, other) and (later or not _contained(other, one))


def _contained(one: Invocation, other: Invocation) -> bool:
    if one.command == other.command:
        return True
    if (one.command or "").split()[:_HEAD] != (other.command or "").split()[:_HEAD]:
        return False
    ours, theirs = one.provenance.get("models"), other.provenance.get("models")
    cells, more = one.plan["cells"], other.plan["cells"]
    # An execution names the models of the arms that it was to run; older ones do not.
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping) or not ours:
        return False
    return set(ours) <= set(theirs) and all(more.get(spec, 0) >= n for spec, n in cells.items())


def how_alike(run: Run, invocations: Sequence[Invocation]) -> str | None:
    """That outcomes will differ, where answers were drawn without a seed; None where nothing says they were."""
    drawn = [one for one in _sampling(run, invocations) if one.get("temperature")]
    free = sorted({f"{one['temperature']:g}" for one in drawn if one.get("seed") is None})
    if not free:
        return None
    return (
        f"Answers are drawn at temperature {' and '.join(free)} without a seed: run again, single trials come out "
        "otherwise, and scores differ within what their intervals allow."
    )


def _sampling(run: Run, invocations: Sequence[Invocation]) -> Iterator[Mapping[str, Any]]:
    for arm in run.arms:
        yield arm.config.get("sampling") or {}
    for task in run.tasks:
        yield task.definition.get("sampling") or {}
    for one in invocations:
        yield one.plan
