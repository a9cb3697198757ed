"""Calls tools for one trial and turns whatever happens into an observation: text, error and time.

A tool that raises, a command that fails, arguments that do not fit, a tool that does not exist: all are told to the
model. Only a sandbox that broke is a failure of the trial.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from weigh.execute.stop import Abandoned
from weigh.execute.tools.repair import calls_in_text, mend
from weigh.execute.tools.schema import CONTEXT, ArgumentError, convert
from weigh.execute.tools.tool import Tool, ToolContext, ToolResult
from weigh.protocols import Sandbox
from weigh.records.errors import Failure, suggest
from weigh.records.request import Output, ToolCall, ToolSpec
from weigh.records.trajectory import Observation

SHOWN = 20_000
"""The most characters of a result that a model is shown."""

_BROKEN = frozenset({"no_file", "path"})
"""Codes of sandbox failures that are the model's doing: a file that is not there, a path that leaves the workspace."""


class ToolSet:
    """The tools of a harness with their options. Shared by all trials.

    Args:
        tools: With different names.
        options: By tool, as the harness's checked structs.
        shown: The most characters of a result.
    """

    def __init__(
        self, tools: Sequence[Tool] = (), options: Mapping[str, Any] | None = None, *, shown: int = SHOWN
    ) -> None:
        self.tools = {t.name: t for t in tools}
        self.options = dict(options or {})
        self.shown = shown

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What a model is told of them."""
        return tuple(t.spec for t in self.tools.values())

    @property
    def needs_sandbox(self) -> bool:
        """Whether a trial with these tools has a sandbox."""
        return any(t.needs_sandbox for t in self.tools.values())


class Toolbox:
    """The tools of one trial, with what they keep between calls.

    Attributes:
        calls: How many calls were made.
        malformed: How many could not be understood, even mended.
        repaired: How many had to be mended.
        errors: How many gave an error.
        seconds: Spent in tools.
    """

    def __init__(self, tools: ToolSet, sandbox: Sandbox | None = None) -> None:
        self._set, self.sandbox = tools, sandbox
        self._state: dict[str, Any] = {}
        self.calls = self.malformed = self.repaired = self.errors = 0
        self.seconds = 0.0

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return self._set.specs

    def read(self, output: Output, turn: int) -> Output:
        """The output with calls mended, and counted; where there is none, one that was written as text is taken."""
        if not output.tool_calls:
            calls = calls_in_text(output.text, self._set.tools, turn)
            if not calls:
                return output
            self.repaired += len(calls)
            return msgspec.structs.replace(
                output, text="", tool_calls=tuple(mend(c, self._set.tools)[0] for c in calls)
            )
        mended = [mend(call, self._set.tools) for call in output.tool_calls]
        if not any(changed for _, changed in mended):
            return output
        self.repaired += sum(changed and call.raw is None for call, changed in mended)
        return msgspec.structs.replace(output, tool_calls=tuple(call for call, _ in mended))

    def counts(self) -> dict[str, int]:
        """Counters for the trajectory's metadata; those that are 0 are left out, but for the calls."""
        found = {"tool_errors": self.errors, "malformed_calls": self.malformed, "repaired_calls": self.repaired}
        return {"tool_calls": self.calls, **{name: value for name, value in found.items() if value}}

    async def call(self, calls: Sequence[ToolCall]) -> tuple[Observation, ...]:
        """Make calls at the same time. Raises `Failure` (kind `sandbox`) when the sandbox broke."""
        began = time.perf_counter()
        try:
            if len(calls) == 1:
                return (await self._one(calls[0]),)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(call)) for call in calls]
            return tuple(t.result() for t in tasks)
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        finally:
            self.seconds += time.perf_counter() - began

    async def close(self) -> None:
        """Close what tools keep."""
        state, self._state = self._state, {}
        for value in state.values():
            if hasattr(value, "aclose"):
                await value.aclose()

    async def _one(self, call: ToolCall) -> Observation:
        self.calls += 1
        began = time.perf_counter()
        result, metadata = await self._result(call)
        content = result.content
        if len(content) > self._set.shown:
            half = self._set.shown // 2
            metadata["cut_characters"] = len(content) - 2 * half
            content = f"{content[:half]}\n[... {len(content) - 2 * half} characters left out ...]\n{content[-half:]}"
        self.errors += result.is_error
        metadata.update(result.metadata)
        if result.final:
            metadata.update(final=True, answer=result.answer)
        return Observation(
            call_id=call.id, tool=call.name, content=content, is_error=result.is_error,
            seconds=round(time.perf_counter() - began, 6), metadata=metadata,
        )  # fmt: skip

    async def _result(self, call: ToolCall) -> tuple[ToolResult, dict[str, Any]]:
        """What came of a call, and facts about it."""
        tool = self._set.tools.get(call.name)
        if tool is None:
            self.malformed += 1
            names = ", ".join(self._set.tools)
            hint = suggest(call.name, self._set.tools)
            return _error(f"there is no tool {call.name!r}{hint} (there are: {names})"), {"malformed": "name"}
        if call.raw is not None:
            self.malformed += 1
            return _error(f"the arguments of {call.name} are no JSON object: {call.raw[:200]}"), {"malformed": "json"}
        arguments: dict[str, Any] = call.arguments
        if tool.signature.struct is not None:
            try:
                arguments, repaired = convert(tool.signature.struct, call.arguments)
            except ArgumentError as error:
                self.malformed += 1
                return _error(f"{call.name}: {error}"), {"malformed": "arguments"}
            self.repaired += repaired
        context = ToolContext(self.sandbox, self._state, self._set.options.get(tool.name))
        try:
            async with asyncio.timeout(tool.seconds) as deadline:
                return _result_of(await _invoke(tool, arguments, context)), {}
        except TimeoutError as error:
            if not deadline.expired():
                return _raised(error)
            return _error(f"{call.name} did not end within {tool.seconds:g} s"), {"timed_out": True}
        except Failure as failure:
            if failure.error.kind == "sandbox" and failure.error.code not in _BROKEN:
                raise
            return _error(failure.error.message), {"raised": failure.error.code or failure.error.kind}
        except Abandoned:
            raise
        except Exception as error:  # noqa: BLE001 - a tool that raises is an observation for the model
            return _raised(error)


async def _invoke(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> Any:
    if tool.signature.struct is None:
        return await tool.function(arguments)
    if tool.signature.wants_context:
        arguments = {**arguments, CONTEXT: context}
    if inspect.iscoroutinefunction(tool.function):
        return await tool.function(**arguments)
    value = await asyncio.to_thread(tool.function, **arguments)
    return await value if inspect.isawaitable(value) else value


def _result_of(value: Any) -> ToolResult:
    if isinstance(value, ToolResult):
        return value
    if value is None:
        return ToolResult(content="done")
    if isinstance(value, str):
        return ToolResult(content=value)
    try:
        return ToolResult(content=msgspec.json.encode(value).decode())
    except (TypeError, ValueError):
        return ToolResult(content=str(value))


def _error(text: str) -> ToolResult:
    return ToolResult(content=f"error: {text}", is_error=True)


def _raised(error: BaseException) -> tuple[ToolResult, dict[str, Any]]:
    said = str(error).strip()[:2000]
    return _error(f"{type(error).__name__}: {said}" if said else type(error).__name__), {"raised": type(error).__name__}
