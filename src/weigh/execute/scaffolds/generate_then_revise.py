"""The model answers, is asked to look at its answer again, and the revised one counts."""

from __future__ import annotations

import msgspec

from weigh.execute.scaffolds.briefed import Briefed
from weigh.execute.scaffolds.conversation import Conversation
from weigh.protocols import ScaffoldContext
from weigh.records.bounds import Count, check_bound
from weigh.records.request import Request
from weigh.records.trajectory import Trajectory

PROMPT = """Check your answer: look for mistakes and for anything that the question asked and you did not do. Then give
the complete final answer again, in the form the question asked for."""


class GenerateThenRevise(Briefed):
    """See above. Works with and without tools.

    Args:
        rounds: How often the model is asked to revise.
        prompt: The words for it.
        skills: Of a workspace: `offered` or `loaded`, as with agents.
    """

    name = "generate_then_revise"
    helpers: tuple[str, ...] = ()
    runs_tools = True

    def __init__(self, rounds: int = 1, prompt: str = PROMPT, skills: str = "offered") -> None:
        super().__init__(skills)
        check_bound(rounds, Count, "scaffold 'generate_then_revise': rounds")
        self.rounds, self.prompt = rounds, prompt

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        conversation = Conversation(await self.brief(request, context), context)
        await conversation.answer()
        first = conversation.output.text
        for _ in range(self.rounds):
            if conversation.submitted is not None:
                break
            conversation.say(self.prompt)
            await conversation.answer()
        found = conversation.trajectory()
        changed = found.output.text.strip() != first.strip()
        return msgspec.structs.replace(found, metadata={**found.metadata, "revised": changed})
