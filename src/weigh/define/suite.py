"""A suite: tasks (and suites) that are run together, and how their scores become one."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from weigh.records.errors import DefinitionError

Aggregation = Literal["mean_of_tasks", "mean_of_suites", "weighted", "pooled", "none"]


class Suite(msgspec.Struct, frozen=True):
    """Named tasks run together.

    The names are resolved when the suite runs, so a suite may be registered before its tasks are.

    Attributes:
        name: What one writes after `-t`.
        tasks: Specs of tasks (`sciq:mc:3shot`), names of suites, or suites.
        aggregation: `mean_of_tasks`: every task counts the same, however deep it lies; `mean_of_suites`: every member
            counts the same, a nested suite with its own aggregate; `weighted`: by `weights`; `pooled`: every question
            counts the same; `none`: no number for the whole.
        weights: For `weighted`, one positive number a member.
        description: A line for people.
    """

    name: str
    tasks: tuple[Any, ...]
    aggregation: Aggregation = "mean_of_tasks"
    weights: tuple[float, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if not self.tasks:
            raise DefinitionError(f"suite {self.name!r} has no tasks")
        for member in self.tasks:
            if not isinstance(member, str | Suite):
                raise DefinitionError(f"suite {self.name!r}: a member is a spec or a Suite, got {member!r}")
        if self.aggregation not in Aggregation.__args__:  # type: ignore[attr-defined]
            raise DefinitionError(
                f"suite {self.name!r}: aggregation {self.aggregation!r} is none of {', '.join(Aggregation.__args__)}"  # type: ignore[attr-defined]
            )
        if (self.aggregation == "weighted") != bool(self.weights) or (
            self.weights and (len(self.weights) != len(self.tasks) or min(self.weights) <= 0)
        ):
            raise DefinitionError(
                f"suite {self.name!r}: aggregation 'weighted' takes one positive weight a member "
                f"({len(self.tasks)} members, weights {self.weights}); no other aggregation takes weights"
            )
