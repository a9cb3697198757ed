"""One request, one answer: the scaffold of most benchmarks."""

from __future__ import annotations

from weigh.execute.scaffolds.conversation import REFUSED
from weigh.protocols import ScaffoldContext
from weigh.records.request import Request
from weigh.records.trajectory import Trajectory


class SingleTurn:
    """Sends the request as it was rendered. An answer that the provider withheld is the outcome `refused`."""

    name = "single_turn"
    helpers: tuple[str, ...] = ()
    runs_tools = False

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        output = await context.provider.respond(request)
        stop_reason = "refused" if output.finish_reason in REFUSED else None
        return Trajectory(request=request, output=output, usage=output.usage, stop_reason=stop_reason)
