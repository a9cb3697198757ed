"""A helper model plays the user, and the model under test talks with it until the user has what it wanted.

The task's question is what the user wants. With `opening = "task"` it is also what the user says first; with `opening =
"user"` the model gets only what the simulated user makes of it. Tools work in between.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from weigh.execute.scaffolds.briefed import Briefed
from weigh.execute.scaffolds.conversation import Conversation
from weigh.protocols import ScaffoldContext
from weigh.records.bounds import Amount, Count, check_bound
from weigh.records.errors import DefinitionError
from weigh.records.request import ChatRequest, Message, Request, SamplingParams
from weigh.records.trajectory import Trajectory

STOP = "###STOP###"
PERSONA = """You play a person who talks with an assistant. This is what you want:

{goal}

Say what this person would say next, in one or two sentences, and nothing else. Do not solve it yourself and do not
give away what the person would not know. When you have what you want, or see that you will not get it, say {stop}"""


class UserSim(Briefed):
    """See above. Needs the helper role `user`.

    Args:
        persona: The simulated user's instructions; `{goal}` and `{stop}` are filled in.
        opening: Who says the first words.
        stop: What the user says to end it.
        exchanges: The most messages of the user after the first; then the last answer counts.
        max_tokens, temperature: Of the simulated user.
        skills: Of a workspace: `offered` or `loaded`, as with agents.
    """

    name = "user_sim"
    helpers = ("user",)
    runs_tools = True

    def __init__(
        self,
        persona: str = PERSONA,
        opening: Literal["task", "user"] = "task",
        stop: str = STOP,
        exchanges: int = 8,
        max_tokens: int = 200,
        temperature: float = 0.0,
        skills: str = "offered",
    ) -> None:
        super().__init__(skills)
        if opening not in ("task", "user"):
            raise DefinitionError(f"scaffold 'user_sim': opening is 'task' or 'user', not {opening!r}")
        for key, value, kind in (
            ("exchanges", exchanges, Count), ("max_tokens", max_tokens, Count), ("temperature", temperature, Amount)
        ):  # fmt: skip
            check_bound(value, kind, f"scaffold 'user_sim': {key}")
        self.persona, self.opening, self.stop, self.exchanges = persona, opening, stop, exchanges
        self.sampling = SamplingParams(max_tokens=max_tokens, temperature=temperature)

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        goal = _goal(request)
        request = await self.brief(request, context)
        if self.opening == "user" and isinstance(request, ChatRequest):
            before = tuple(m for m in request.messages if m.role == "system")
            conversation = Conversation(msgspec.structs.replace(request, messages=before), context)
            await self._user(conversation, goal)
        else:
            conversation = Conversation(request, context)
        said = 0
        while True:
            await conversation.answer()
            if conversation.submitted is not None or said == self.exchanges or not await self._user(conversation, goal):
                break
            said += 1
        found = conversation.trajectory()
        return msgspec.structs.replace(found, request=request, metadata={**found.metadata, "exchanges": said + 1})

    async def _user(self, conversation: Conversation, goal: str) -> bool:
        """Let the user speak. Returns whether it goes on."""
        persona = self.persona.replace("{goal}", goal).replace("{stop}", self.stop)
        # Seen from the user's side, the roles are the other way round; calls of tools it does not see.
        turned = [
            Message(role="assistant" if m.role == "user" else "user", content=m.content)
            for m in conversation.messages
            if m.role in ("user", "assistant") and m.content
        ]
        if not turned or turned[0].role == "assistant":
            turned.insert(0, Message(role="user", content="Hello, how can I help you?"))
        output = await conversation.context.ask(
            "user", ChatRequest(messages=(Message(role="system", content=persona), *turned), sampling=self.sampling)
        )
        words = output.text.strip()
        if not words or self.stop in words:
            return False
        conversation.say(words, usage=output.usage)
        return True


def _goal(request: Request) -> str:
    if isinstance(request, ChatRequest):
        for message in reversed(request.messages):
            if message.role == "user":
                return message.content if isinstance(message.content, str) else str(message.content)
    return ""
