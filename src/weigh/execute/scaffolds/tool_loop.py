"""Ask, call what the model calls, show it what came of it, ask again, until it answers without a call.

That is all: one linear history, the calls of one turn made at the same time. Limits are kept by the trial's context;
calls are mended there too, and counted.
"""

from __future__ import annotations

from weigh.execute.scaffolds.briefed import Briefed
from weigh.execute.scaffolds.conversation import Conversation
from weigh.protocols import ScaffoldContext
from weigh.records.request import Request
from weigh.records.trajectory import Trajectory


class ToolLoop(Briefed):
    """See above.

    Args:
        note: A line put after each tool result, e.g. "If this settles the question, answer it." Small models stop
            sooner with one.
        skills: Of a workspace: `offered` or `loaded`, as with agents.
    """

    name = "tool_loop"
    helpers: tuple[str, ...] = ()
    runs_tools = True

    def __init__(self, note: str = "", skills: str = "offered") -> None:
        super().__init__(skills)
        self.note = note

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        conversation = Conversation(await self.brief(request, context), context, note=self.note)
        await conversation.answer()
        return conversation.trajectory()
