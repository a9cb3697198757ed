"""What one trial may spend. Going over is an outcome of what is measured (`limit:turns`), never a failure."""

from __future__ import annotations

from weigh.define.harness import Limits
from weigh.records.usage import Usage


class LimitReached(Exception):
    """Ends a trial as the outcome `limit:NAME`.

    Attributes:
        name: `turns`, `tokens`, `dollars` or `tool_calls`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"the limit of {name.replace('_', ' ')} is reached")
        self.name = name


def check_turn(limits: Limits, turns: int, usage: Usage) -> None:
    """Refuse one more answer of the model when what was spent reaches a limit. What is unknown has no limit.

    Raises:
        LimitReached: Naming the first limit.
    """
    if limits.turns is not None and turns >= limits.turns:
        raise LimitReached("turns")
    if limits.tokens is not None and (usage.total or 0) >= limits.tokens:
        raise LimitReached("tokens")
    if limits.dollars is not None and (usage.cost or 0.0) >= limits.dollars:
        raise LimitReached("dollars")
