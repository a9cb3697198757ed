"""From the names a harness gives to a set of tools, with everything that is wrong with them found at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weigh.define.decode import decode
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.tools.registry import find_tool
from weigh.execute.tools.tool import IMAGE, Tool
from weigh.execute.tools.toolbox import ToolSet
from weigh.records.errors import DefinitionError, suggest


def equip(
    names: Sequence[str], options: Mapping[str, Mapping[str, Any]], further: Sequence[Tool] = ()
) -> tuple[ToolSet, list[str]]:
    """The tools with their options, and the problems that were found.

    Args:
        names: As a harness lists them.
        options: By tool.
        further: Tools from elsewhere (of MCP servers).
    """
    tools: dict[str, Tool] = {}
    problems: list[str] = []
    for name in names:
        try:
            found = find_tool(name)
        except DefinitionError as error:
            problems.append(str(error))
            continue
        problems += _add(tools, found)
    for tool in further:
        problems += _add(tools, tool)
    settings: dict[str, Any] = {}
    if not problems:
        problems += [
            f"tool_options: no tool {name!r} in this harness{suggest(name, tools)}"
            for name in options
            if name not in tools
        ]
    for name, tool in tools.items():
        given = options.get(name, {})
        if tool.options is None:
            if given:
                problems.append(f"tool {name!r} has no options ({', '.join(given)} given)")
            continue
        try:
            settings[name] = decode(dict(given), tool.options, f"tool_options.{name}")
        except DefinitionError as error:
            problems.append(str(error))
            continue
        problem = tool.check(settings[name]) if tool.check else None
        if problem:
            problems.append(problem)
    return ToolSet(tuple(tools.values()), settings), problems


def sandbox_problems(tools: ToolSet, spec: SandboxSpec) -> Iterator[str]:
    """What the tools need that a sandbox of this specification does not have."""
    for tool in tools.tools.values():
        if not tool.needs_sandbox:
            continue
        if "network" in tool.needs and spec.network != "open":
            yield f"tool {tool.name!r} needs network in its sandbox: -o sandbox_options.network=open"
        for need in tool.needs:
            image = need.removeprefix(IMAGE)
            if need.startswith(IMAGE) and (spec.mode != "container" or spec.image != image):
                yield (
                    f"tool {tool.name!r} needs the image {image}: -o sandbox=container -o sandbox_options.image={image}"
                )


def _add(tools: dict[str, Tool], tool: Tool) -> list[str]:
    if tool.name in tools:
        return [f"two tools are called {tool.name!r}; leave one of them out"]
    tools[tool.name] = tool
    return []
