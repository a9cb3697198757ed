"""What a formatter is: it turns a question into a request.

A formatter is a frozen value. `bind` is given what is the same for all questions (the few-shot examples, the sampling,
the instruction), renders it once, and returns a function that renders one question; so a long few-shot prefix costs
nothing per question. `render` does both in one step and is all that a formatter of one's own needs to define.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from weigh.records.digest import digest
from weigh.records.errors import DefinitionError
from weigh.records.instance import Instance
from weigh.records.request import Request, SamplingParams

Kind = Literal["chat", "completion", "loglikelihood"]
Render = Callable[[Instance], Request]


class Formatter(msgspec.Struct, frozen=True, kw_only=True):
    """How a question becomes a request. Subclasses define `bind`, or `render`, which is simpler and slower.

    Attributes:
        name: Names the formatter in specs: `task::formatter=chat`.
        capability: What a provider must offer: `chat`, `completion` or `loglikelihood`.
    """

    name: ClassVar[str] = ""
    capability: ClassVar[Kind] = "chat"

    def render(
        self, instance: Instance, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str
    ) -> Request:
        """Render one question after the examples."""
        return self.bind(fewshot, sampling, instruction)(instance)

    def bind(self, fewshot: Sequence[Instance], sampling: SamplingParams, instruction: str) -> Render:
        """Render what all questions share, and return what renders the rest."""
        if type(self).render is Formatter.render:
            raise DefinitionError(f"formatter {type(self).__name__} defines neither bind nor render")
        return lambda instance: self.render(instance, fewshot, sampling, instruction)

    def check(self, instance: Instance) -> None:
        """Refuse an instance this form cannot ask; called for every instance before anything runs."""

    def settings(self) -> dict[str, Any]:
        """Its class and settings in plain values."""
        return {"formatter": type(self).__name__, **msgspec.structs.asdict(self)}

    def digest(self) -> str:
        """Identity of the formatter."""
        return digest(self.settings())
