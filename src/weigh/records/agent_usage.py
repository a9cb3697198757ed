"""Whether an agent's own account of its tokens and calls is that of the gateway, which counts all agents alike."""

from __future__ import annotations

from collections.abc import Mapping

from weigh.records.trial import GAVE_UP, OK, Trial

COUNTED = ("calls", "new", "cached", "generated")


def miscount(trial: Trial) -> str | None:
    """What an agent reports where the gateway counted something else; None where they agree, or nobody can tell.

    An agent that was cut short has not told of its last calls, so only trials that came to their own end are looked at.
    """
    told = trial.trajectory.metadata.get("agent") if trial.trajectory is not None else None
    if not isinstance(told, Mapping) or trial.status not in (OK, GAVE_UP):
        return None
    reported, counted = told.get("reported") or {}, told.get("gateway") or {}
    if not reported.get("calls"):
        return None
    # What a provider does not know (such as cached tokens) an agent is told as 0.
    differs = any((reported.get(key) or 0) != counted[key] for key in COUNTED if counted.get(key) is not None)
    if not differs:
        return None
    return ", ".join(f"{reported[key]} {key}" for key in COUNTED if reported.get(key) is not None)
