"""`@tool` turns a typed function into something a model can call.

    @tool
    def exchange_rate(base: str, quote: Literal["EUR", "USD"] = "EUR") -> float:
        \"\"\"Say how much one unit of a currency costs.

        Args:
            base: The currency's three letters.
        \"\"\"

It may be asynchronous, and it may take a parameter `context` that the model does not see: the `ToolContext`, with the
trial's sandbox. What it returns is shown to the model as text; what it raises is shown as an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, overload

import msgspec

from weigh.execute.tools.schema import Signature, signature_of
from weigh.protocols import Sandbox
from weigh.records.errors import DefinitionError
from weigh.records.request import ToolSpec

IN_SANDBOX = frozenset({"bash", "python", "files"})
"""Capabilities that only a sandbox has."""
CAPABILITIES = IN_SANDBOX | {"network"}
IMAGE = "image:"


class ToolContext:
    """What a tool may use during one trial.

    Attributes:
        sandbox: The trial's own; None when no tool of the harness needs one.
        state: What a tool keeps between its calls within a trial, by the tool's choice of key. Values with a
            coroutine method `aclose` are closed when the trial ends.
        options: The harness's options of this tool.
    """

    def __init__(self, sandbox: Sandbox | None, state: dict[str, Any], options: dict[str, Any] | None = None) -> None:
        self.sandbox, self.state, self.options = sandbox, state, options or {}

    @property
    def box(self) -> Sandbox:
        """The sandbox, for tools that declared that they need one."""
        if self.sandbox is None:
            raise RuntimeError("there is no sandbox; declare what the tool needs: @tool(needs=('bash',))")
        return self.sandbox


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool may return to say more than a text.

    Attributes:
        content: What the model is shown.
        is_error: Whether the call failed.
        final: The trial ends with `answer`, as after `submit`.
        answer: The final answer.
        metadata: Facts for the trajectory.
    """

    content: str = ""
    is_error: bool = False
    final: bool = False
    answer: str = ""
    metadata: dict[str, Any] = {}


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """Something a model can call.

    Attributes:
        name: Letters, digits, `_` and `-`.
        description: What the model is told.
        function: Does it. A tool with `signature.struct` gets its parameters by name, one without all as a mapping.
        signature: What it takes.
        needs: Capabilities: `bash`, `python`, `files` (of a sandbox), `network`, `image:NAME`.
        seconds: The longest one call may take.
        options: A struct of what a harness can set (`tool_options.NAME.KEY`); None when nothing.
        check: Gives the problem of a set of options before anything runs, or None.
    """

    name: str
    description: str
    function: Callable[..., Any]
    signature: Signature
    needs: frozenset[str] = frozenset()
    seconds: float = 120.0
    options: type[msgspec.Struct] | None = None
    check: Callable[[Any], str | None] | None = None

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""
        return ToolSpec(name=self.name, description=self.description, parameters=self.signature.parameters)

    @property
    def needs_sandbox(self) -> bool:
        """Whether a trial with this tool has a sandbox."""
        return any(n in IN_SANDBOX or n.startswith(IMAGE) for n in self.needs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself stays callable."""
        return self.function(*args, **kwargs)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    needs: Collection[str] = (),
    seconds: float = 120.0,
    register: bool = False,
    options: type[msgspec.Struct] | None = None,
    check: Callable[[Any], str | None] | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    needs: Collection[str] = (),
    seconds: float = 120.0,
    register: bool = False,
    options: type[msgspec.Struct] | None = None,
    check: Callable[[Any], str | None] | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function.

    Args:
        function: Typed; its docstring is the description, its `Args:` section describes the parameters.
        name: Instead of the function's own.
        description: Instead of the docstring.
        needs: Capabilities, see `Tool`.
        seconds: The longest one call may take.
        register: Whether every harness can name it.
        options: A struct of what a harness can set; the function finds it in `context.options`.
        check: Gives the problem of the options before anything runs.

    Raises:
        DefinitionError: A parameter without a type, no description, an unknown capability, a name that is taken.
    """

    def make(function: Callable[..., Any]) -> Tool:
        signature = signature_of(function)
        called = name or function.__name__
        unknown = sorted(n for n in needs if n not in CAPABILITIES and not n.startswith(IMAGE))
        if unknown:
            known = ", ".join(sorted(CAPABILITIES))
            raise DefinitionError(f"tool {called!r}: unknown capability {unknown[0]!r} (known: {known}, image:NAME)")
        said = description or signature.description
        if not said:
            raise DefinitionError(f"tool {called!r} has no description: give it a docstring, it is all a model knows")
        made = Tool(
            name=called, description=said, function=function, signature=signature, needs=frozenset(needs),
            seconds=seconds, options=options, check=check,
        )  # fmt: skip
        if register:
            register_tool(made)
        return made

    return make if function is None else make(function)


REGISTERED: dict[str, Tool] = {}
"""Tools by name that every harness can use; `register_tool` adds to them."""


def register_tool(tool: Tool) -> Tool:
    """Let every harness name this tool.

    Raises:
        DefinitionError: Another tool has the name.
    """
    if tool.name in REGISTERED and REGISTERED[tool.name].function is not tool.function:
        raise DefinitionError(f"tool {tool.name!r} is already registered; choose another name")
    REGISTERED[tool.name] = tool
    return tool
