"""What a model acts with: scaffold, tools, servers of tools, a sandbox and helper models; found and checked before
the first token, opened for the length of a run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.harness import Harness
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.seed import seeded_spec
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.scaffolds.registry import make_scaffold
from weigh.execute.tools.equip import equip, sandbox_problems
from weigh.execute.tools.mcp import McpServers
from weigh.execute.tools.toolbox import ToolSet
from weigh.pipeline.request import Setting
from weigh.pipeline.sandbox import sandbox_spec
from weigh.protocols import Scaffold
from weigh.records.digest import digest_bytes
from weigh.records.errors import CapabilityError, DefinitionError, Failure, WeighError, placed
from weigh.records.workspace import Workspace


class Acting(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        setting: What it was found for.
        tools: What the model may call.
        sandbox: What each trial's sandbox allows; None when trials have none.
        servers: MCP servers of the harness, not started.
        scaffold: What the scaffold is besides its name and options (the version of an agent program), as it says.
        warnings: Lines for people.
        helpers: Roles of helper models that the scaffold asks.
        told: Digest of what the scaffold adds to the rendered request for the workspace's sake.
    """

    setting: Setting
    tools: ToolSet
    sandbox: SandboxSpec | None
    servers: McpServers
    scaffold: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    told: str = ""


async def find_acting(setting: Setting) -> tuple[Acting, list[str]]:
    """Resolve and check what a setting names; MCP servers are started to see what they offer, and stopped.

    Returns:
        What was found, and every problem, in words for the user.
    """
    harness = setting.harness
    problems = [f"the variable {name} is not set (harness '{harness.name}' needs it)"
                for name in harness.required_secrets if not os.environ.get(name)]  # fmt: skip
    scaffold, problem = _scaffold(harness)
    problems += problem
    servers, tools = McpServers({}), ToolSet()
    try:
        servers = McpServers(harness.mcp)
        async with servers:
            offered = servers.tools
        tools, found = equip(harness.tools, harness.tool_options, offered)
        problems += found
    except (WeighError, Failure) as error:
        problems.append(str(error))
    identity: dict[str, Any] = {}
    if scaffold is not None:
        problems += _misfits(harness, scaffold)
        problems += getattr(scaffold, "problems", list)()
        identity = getattr(scaffold, "identity", dict)()
    choice = harness.tool_choice
    if choice not in (None, "auto", "none", "required") and choice not in tools.tools and not problems:
        problems.append(f"tool_choice is {choice!r}, and harness '{harness.name}' has no such tool")
    spec, warnings = None, list[str]()
    if tools.needs_sandbox or getattr(scaffold, "needs_sandbox", False) or setting.workspace is not None:
        try:
            spec = sandbox_spec(harness)
        except WeighError as error:
            problems.append(str(error))
        else:
            spec = seeded_spec(spec, setting.workspace)
            if scaffold is not None:
                problems += _withheld(setting, scaffold, tools)
                problems += getattr(scaffold, "misfits", _nothing)(spec)
                warnings += getattr(scaffold, "warnings", _nothing)(spec)
            problems += sandbox_problems(tools, spec)
            probe = await available(spec.mode)
            if not probe.ok:
                who = (
                    ", ".join(t.name for t in tools.tools.values() if t.needs_sandbox) or f"scaffold {harness.scaffold}"
                )
                problems.append(
                    f"{who} of harness '{harness.name}' need a sandbox, but {spec.mode} does not work here: "
                    f"{probe.reason}. {probe.how_to_get}".rstrip()
                )
    acting = Acting(
        setting=setting,
        tools=tools,
        sandbox=spec,
        servers=servers,
        scaffold=identity,
        warnings=tuple(warnings),
        helpers=tuple(getattr(scaffold, "helpers", ())),
        told="" if problems else _told(setting.workspace, scaffold),
    )
    return acting, problems


def _withheld(setting: Setting, scaffold: Scaffold, tools: ToolSet) -> list[str]:
    """Why the model would not see what the workspace has for it: two tiers would silently be one."""
    workspace, harness = setting.workspace, setting.harness
    if workspace is None or not _has_words(workspace):
        return []
    capabilities = {need for tool in tools.tools.values() for need in tool.needs}
    if hasattr(scaffold, "withholds"):
        reasons = scaffold.withholds(workspace, capabilities)
    else:
        reasons = [
            f"scaffold {harness.scaffold} gives the model neither instructions nor Skills; leave these out, or use "
            "an agent that does (coder, pi)"
        ]
    tier = f"tier {setting.axes['tier']!r}: " if "tier" in setting.axes else ""
    return [f"{tier}harness '{harness.name}': {reason}" for reason in reasons]


def _told(workspace: Workspace | None, scaffold: Scaffold | None) -> str:
    """Digest of what a scaffold adds to the rendered request for a workspace's sake; empty where it adds nothing."""
    digest_of = getattr(scaffold, "identity_of", None)
    return "" if digest_of is None or workspace is None or not _has_words(workspace) else str(digest_of(workspace))


def _has_words(workspace: Workspace) -> bool:
    """Whether a workspace has something for the model and not only for the sandbox."""
    return bool(workspace.instructions or workspace.skills)


def _nothing(spec: SandboxSpec) -> list[str]:
    return []


def _scaffold(harness: Harness) -> tuple[Scaffold | None, list[str]]:
    try:
        return make_scaffold(harness.scaffold, harness.scaffold_options), []
    except WeighError as error:
        return None, [str(placed(error, f"harness '{harness.name}'"))]


def _misfits(harness: Harness, scaffold: Scaffold) -> list[str]:
    """Where scaffold, tools and helpers do not go together."""
    found = []
    if (harness.tools or harness.mcp) and not getattr(scaffold, "runs_tools", True):
        found.append(
            f"harness '{harness.name}' has tools, but the scaffold {harness.scaffold} calls none: -o scaffold=tool_loop"
        )
    found += [
        f"scaffold {harness.scaffold} needs a helper model: -o helpers.{role}=PROVIDER/NAME"
        for role in getattr(scaffold, "helpers", ())
        if role not in harness.helpers
    ]
    return found


def own_code(harness: Harness) -> dict[str, str]:
    """Digests of the files of the user's own that a harness runs (`FILE.py:NAME`), by reference."""
    texts = [harness.scaffold, *harness.tools, *harness.scaffold_options.values()]
    files = {text: Path(text.rpartition(":")[0]) for text in texts if isinstance(text, str) and ".py:" in text}
    return {text: digest_bytes(file.read_bytes()) for text, file in files.items() if file.is_file()}


def together(problems: Sequence[str], errors: Sequence[WeighError]) -> None:
    """Raise everything that is wrong as one message; nothing, where nothing is.

    Raises:
        WeighError: The one error as it is, or all of them, one a line.
    """
    if len(errors) == 1 and not problems:
        raise errors[0]
    lines = dict.fromkeys([*problems, *(line for error in errors for line in str(error).splitlines())])
    if lines:
        kind = CapabilityError if all(isinstance(e, CapabilityError) for e in errors) and errors else DefinitionError
        raise kind("\n".join(lines))
