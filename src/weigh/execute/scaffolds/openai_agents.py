"""The loop of the `openai-agents` package over any provider of weigh's: its agent, our tokens, tools and limits.

The package asks a `Model` for each answer and calls a `FunctionTool` for each tool; both are bridges to the trial's
context here, so calls are metered, limited and written down as with every scaffold. Nothing is traced to anybody.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import msgspec
from agents.models.chatcmpl_converter import Converter
from agents.models.interface import Model
from openai.types.chat import ChatCompletionMessage

import agents
from weigh.define.own_file import run_file
from weigh.execute.limits import LimitReached
from weigh.execute.scaffolds.briefed import Briefed
from weigh.execute.scaffolds.conversation import REFUSED, Conversation
from weigh.execute.scaffolds.given import record_texts
from weigh.execute.stop import Abandoned
from weigh.protocols import ScaffoldContext
from weigh.records.errors import DefinitionError, Error, Failure, WeighError
from weigh.records.given import SYSTEM
from weigh.records.request import ChatRequest, Message, Output, Request, ToolCall, ToolSpec
from weigh.records.trajectory import Step, Trajectory
from weigh.records.workspace import Workspace

OURS = (LimitReached, Failure, Abandoned, WeighError)
"""What ends a trial; it has to get past the package, which turns a tool's exceptions into words for the model."""


class OpenAIAgents(Briefed):
    """See above.

    Args:
        agent: `FILE.py:NAME` of an `agents.Agent`, or of a function that makes one; it is given the model, and the
            harness's tools beside its own. None: an agent with the harness's system prompt and tools.
        skills: Of a workspace: `offered` or `loaded`, as with agents.
    """

    name = "openai_agents"
    helpers: tuple[str, ...] = ()
    runs_tools = True

    def __init__(self, agent: str | None = None, skills: str = "offered") -> None:
        super().__init__(skills)
        self._agent = _load(agent) if agent else None

    def withholds(self, workspace: Workspace, capabilities: Collection[str]) -> list[str]:
        """What the workspace has for the model goes into the system prompt, and an agent of one's own has its own."""
        if self._agent is not None:
            return ["an agent of one's own has its own instructions, and is told nothing else"]
        return super().withholds(workspace, capabilities)

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        trial = _Trial(await self.brief(request, context), context)
        model = _Model(trial)
        tools: list[Any] = [trial.tool(spec) for spec in context.tools]
        stop: Any = {"stop_at_tool_names": ["submit"]} if any(t.name == "submit" for t in context.tools) else None
        if self._agent is None:
            agent: Any = agents.Agent(name="weigh", instructions=trial.instructions or None, model=model, tools=tools)
        else:
            own = self._agent() if inspect.isfunction(self._agent) else self._agent
            agent = own.clone(model=model, tools=[*own.tools, *tools])
        if stop:
            agent.tool_use_behavior = stop
        config = agents.RunConfig(tracing_disabled=True)
        try:
            result = await agents.Runner.run(agent, trial.input, max_turns=None, run_config=config)
        except Exception as error:
            if trial.ended is not None:
                raise trial.ended from None
            if isinstance(error, agents.exceptions.ModelRefusalError):
                return msgspec.structs.replace(trial.conversation.trajectory(), stop_reason="refused")
            if isinstance(error, agents.exceptions.AgentsException):
                message = f"openai-agents: {type(error).__name__}: {error}"
                raise Failure(Error(kind="agent", code=type(error).__name__, message=message)) from error
            raise
        if trial.ended is not None:
            raise trial.ended
        return trial.trajectory(result.final_output)


class _Trial:
    """What the bridges of one trial share."""

    def __init__(self, request: Request, context: ScaffoldContext) -> None:
        self.conversation = Conversation(request, context)
        assert isinstance(request, ChatRequest)
        self.request, self.context = request, context
        self.ended: BaseException | None = None
        self._ids: set[str] = set()
        self.instructions = "\n\n".join(str(m.content) for m in request.messages if m.role == "system")
        self.input: Any = [{"role": m.role, "content": m.content} for m in request.messages if m.role != "system"]

    async def respond(self, request: ChatRequest) -> Output:
        if self.ended is not None:
            raise self.ended
        if self.conversation.turns == 0:
            self._record_given(request)
        began = self.context.seconds
        try:
            output = self.context.read_calls(await self.context.provider.respond(request))
        except OURS as ended:
            self.ended = ended
            raise
        self.conversation.turns += 1
        output = self.conversation.output = self._with_new_ids(output)
        self.context.steps.append(
            Step(
                source="model",
                message=output.text,
                reasoning=output.reasoning,
                tool_calls=output.tool_calls,
                usage=output.usage,
                seconds=round(self.context.seconds - began, 6),
                at=round(began, 6),
            )
        )
        return output

    def _record_given(self, request: ChatRequest) -> None:
        """What an agent of one's own brings: its instructions and its tools."""
        system = "\n\n".join(str(m.content) for m in request.messages if m.role == "system")
        if system != self.instructions:
            record_texts(self.context, {SYSTEM: system})
        if {tool.name for tool in request.tools} != {tool.name for tool in self.context.tools}:
            self.context.metadata["tools"] = [tool.name for tool in request.tools]

    def _with_new_ids(self, output: Output) -> Output:
        """The package takes a call with an id it has seen for a replay and never makes it; some servers count anew."""
        calls = tuple(
            c if c.id not in self._ids else msgspec.structs.replace(c, id=f"{c.id}_{self.conversation.turns}")
            for c in output.tool_calls
        )
        self._ids.update(c.id for c in calls)
        return output if calls == output.tool_calls else msgspec.structs.replace(output, tool_calls=calls)

    def tool(self, spec: ToolSpec) -> agents.FunctionTool:
        """A tool of the harness as one of the package's."""

        async def invoke(context: Any, arguments: str) -> str:
            made = next(
                (c for s in reversed(self.context.steps) for c in s.tool_calls if c.id == context.tool_call_id),
                ToolCall(id=context.tool_call_id, name=spec.name, raw=arguments),
            )
            try:
                (seen,) = await self.context.call_tools((made,))
            except OURS as ended:
                self.ended = ended
                raise
            for index in range(len(self.context.steps) - 1, -1, -1):
                step = self.context.steps[index]
                if any(c.id == made.id for c in step.tool_calls):
                    seen_so_far = (*step.observations, seen)
                    self.context.steps[index] = msgspec.structs.replace(step, observations=seen_so_far)
                    break
            if seen.metadata.get("final"):
                self.conversation.submitted = str(seen.metadata["answer"])
            return seen.content

        return agents.FunctionTool(
            name=spec.name,
            description=spec.description,
            params_json_schema=spec.parameters,
            on_invoke_tool=invoke,
            strict_json_schema=False,
        )

    def trajectory(self, final: Any) -> Trajectory:
        """What became of it; an agent with an output type gives JSON."""
        found = self.conversation.trajectory()
        if self.conversation.submitted is None and final is not None and not isinstance(final, str):
            plain = final.model_dump(mode="json") if hasattr(final, "model_dump") else final
            text = msgspec.json.encode(plain).decode()
            found = msgspec.structs.replace(found, output=msgspec.structs.replace(found.output, text=text))
        return found


class _Model(Model):
    """Answers the package's requests from the trial's provider."""

    def __init__(self, trial: _Trial) -> None:
        self._trial = trial

    async def get_response(
        self,
        system_instructions: str | None,
        input: Any,
        model_settings: agents.ModelSettings,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        **further: Any,
    ) -> agents.ModelResponse:
        messages = [_message(m) for m in Converter.items_to_messages(input)]
        if system_instructions:
            messages.insert(0, Message(role="system", content=system_instructions))
        offered = [Converter.tool_to_openai(t) for t in tools] + [Converter.convert_handoff_tool(h) for h in handoffs]
        request = msgspec.structs.replace(
            self._trial.request,
            messages=tuple(messages),
            tools=tuple(_spec(t) for t in offered),
            tool_choice=model_settings.tool_choice if isinstance(model_settings.tool_choice, str) else None,
            response_schema=None
            if output_schema is None or output_schema.is_plain_text()
            else output_schema.json_schema(),
        )
        output = await self._trial.respond(request)
        return _response(output)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("weigh never streams an agent's answers")


def _message(wire: Any) -> Message:
    """A message of the chat API as one of ours."""
    content = wire.get("content") or ""
    calls = tuple(
        ToolCall(id=c["id"], name=c["function"]["name"], **_arguments(c["function"]["arguments"]))
        for c in wire.get("tool_calls") or ()
    )
    role: Any = "system" if wire["role"] == "developer" else wire["role"]
    return Message(
        role=role,
        content=content if isinstance(content, str) else list(content),
        tool_calls=calls,
        tool_call_id=wire.get("tool_call_id"),
    )


def _arguments(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        return {"raw": text}
    return {"arguments": read} if isinstance(read, dict) else {"raw": text}


def _spec(wire: Any) -> ToolSpec:
    function = wire["function"]
    return ToolSpec(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
    )


def _response(output: Output) -> agents.ModelResponse:
    calls = [
        {
            "id": c.id,
            "type": "function",
            "function": {"name": c.name, "arguments": c.raw if c.raw is not None else json.dumps(c.arguments)},
        }
        for c in output.tool_calls
    ]
    refusal = output.text if output.finish_reason in REFUSED else None
    message = ChatCompletionMessage.model_validate(
        {
            "role": "assistant",
            "content": None if refusal is not None else output.text or None,
            "refusal": refusal,
            "tool_calls": calls or None,
        }
    )
    usage = output.usage
    prompt = (usage.new or 0) + (usage.cached or 0)
    return agents.ModelResponse(
        output=Converter.message_to_output_items(message),
        usage=agents.Usage(
            requests=1,
            input_tokens=prompt,
            output_tokens=usage.generated or 0,
            total_tokens=prompt + (usage.generated or 0),
        ),
        response_id=None,
    )


def _load(ref: str) -> Any:
    path, colon, name = ref.rpartition(":")
    if not colon or not Path(path).is_file():
        raise DefinitionError(f"scaffold 'openai_agents': agent is {ref!r}; write FILE.py:NAME of a file that is there")
    found = run_file(Path(path), "scaffold 'openai_agents': agent").get(name)
    if not isinstance(found, agents.Agent) and not inspect.isfunction(found):
        raise DefinitionError(f"scaffold 'openai_agents': {path} has no agent {name!r}, nor a function that makes one")
    return found
