"""One request, one answer: the scaffold of most benchmarks."""

from __future__ import annotations

from weigh.protocols import ScaffoldContext
from weigh.records.request import Request
from weigh.records.trajectory import Trajectory

REFUSED = frozenset({"content_filter", "refusal"})
"""Finish reasons with which a provider says that it, or the model, would not answer."""


class SingleTurn:
    """Sends the request as it was rendered. An answer that the provider withheld is the outcome `refused`."""

    name = "single_turn"

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        output = await context.provider.respond(request)
        stop_reason = "refused" if output.finish_reason in REFUSED else None
        return Trajectory(request=request, output=output, usage=output.usage, stop_reason=stop_reason)
