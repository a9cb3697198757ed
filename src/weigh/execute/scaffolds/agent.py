"""A command-line coding agent as a scaffold: it runs in the trial's sandbox and talks to the model gateway only.

One gateway serves all trials of an arm; each trial has a session of its own, with its own address and token, whose
provider is the trial's context, so that an agent's calls are metered, tried again and limited like anybody's. Of the
user's machine the agent sees its own installation, read-only, and what the sandbox shows; its key is that token, which
is worth nothing after the trial.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.skill import SkillReader
from weigh.execute.agents.agent import Agent, Assignment, Installation, check_way, skills_loaded
from weigh.execute.agents.install import find_agent, find_node, missing
from weigh.execute.agents.registry import agent_by_name
from weigh.execute.gateway.open import open_gateway
from weigh.execute.program import INSIDE_PORT, inside_url
from weigh.execute.sandboxes.bubblewrap import HOME
from weigh.execute.sandboxes.spec import WORKSPACE, SandboxSpec
from weigh.execute.scaffolds.agent_prompt import read_prompt
from weigh.execute.scaffolds.agent_trial import AgentTrial
from weigh.execute.scaffolds.given import record_workspace
from weigh.protocols import ScaffoldContext
from weigh.records.bounds import Count, check_bound
from weigh.records.errors import CapabilityError
from weigh.records.request import Request
from weigh.records.trajectory import Trajectory
from weigh.records.workspace import Workspace

MODES = ("bubblewrap", "container", "local")


class AgentScaffold:
    """See above.

    Args:
        agent: The adapter, or the name of one that ships with weigh.
        version: Another version than the one the adapter pins.
        max_tokens: The most tokens of one answer of the model.
        context_window: How many tokens the model can see; some agents act on it.
        calls: The most calls of the model; over it the trial ends as `limit:calls`.
        skills: `offered`: the agent sees what each is for and reads it if it likes, as at work. `loaded`: their text
            stands before it from the start, as when a user calls one by name.

    Raises:
        DefinitionError: One of them cannot be.
    """

    helpers: tuple[str, ...] = ()
    runs_tools = False
    needs_sandbox = True

    def __init__(
        self,
        agent: Agent | str,
        /,
        *,
        version: str | None = None,
        max_tokens: int = 4096,
        context_window: int = 32768,
        calls: int | None = None,
        skills: str = "offered",
    ) -> None:
        self.agent = agent_by_name(agent) if isinstance(agent, str) else agent
        self.name = self.agent.name
        self._version = version
        for key, value, kind in (
            ("version", version, str | None), ("calls", calls, Count | None), ("max_tokens", max_tokens, Count),
            ("context_window", context_window, Count),
        ):  # fmt: skip
            check_bound(value, kind, f"scaffold '{self.name}': {key}")
        self.max_tokens, self.context_window, self.calls = max_tokens, context_window, calls
        self.skills = check_way(skills)
        self._reader = SkillReader()
        self._gateway: Any = None
        self._program: Installation | None = None
        self._direct = False

    # What the pipeline asks before the first token

    def problems(self) -> list[str]:
        """What keeps the agent from working here."""
        return missing(self.agent, self._version)

    def identity(self) -> dict[str, Any]:
        """The agent's version, and that of what runs it."""
        found: dict[str, Any] = {"agent": self.name, "version": self._version or self.agent.version}
        if self.agent.kind == "npm":
            node = find_node()
            found["node"] = ".".join(map(str, node[1])) if node else None
        return found

    def withholds(self, workspace: Workspace, capabilities: Collection[str]) -> list[str]:
        """Nothing: each agent is given instructions and Skills its own way."""
        return []

    def misfits(self, spec: SandboxSpec) -> list[str]:
        """Why an agent cannot work in such a sandbox."""
        if spec.mode not in MODES:
            return [f"agent {self.name} cannot work in sandbox={spec.mode}: it needs {' or '.join(MODES)}"]
        if spec.mode == "container" and spec.network == "open":
            return [f"agent {self.name} cannot reach its model from a container with an open network; use bubblewrap"]
        if spec.mode == "container" and not Path("/proc").is_dir():
            # An engine in a virtual machine (macOS) cannot bind a socket of the host.
            return [f"agent {self.name}: containers reach the gateway by a socket, which works on Linux only"]
        return []

    def warnings(self, spec: SandboxSpec) -> list[str]:
        """What a user should know who asks for such a sandbox."""
        if spec.mode == "local":
            return [
                f"sandbox=local: agent {self.name} and what the model has it do run unprotected, with your rights: "
                "your files and the network are open to it"
            ]
        return []

    # For the length of an arm

    async def __aenter__(self) -> AgentScaffold:
        self._program = find_agent(self.agent, self._version)
        if self._program is None:
            raise CapabilityError("\n".join(self.problems()))
        self._gateway = open_gateway()
        await self._gateway.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            await gateway.__aexit__(*exc)

    def sandbox(self, spec: SandboxSpec, workspace: Workspace | None) -> SandboxSpec:
        """The sandbox with the agent's installation, the skills' folders and the way to the gateway."""
        assert self._gateway is not None and self._program is not None
        shown = [self._program.path, *_interpreters(self._program), *(workspace.skills if workspace else ())]
        # In an open network the sandbox shares this machine's loopback, and `local` has it anyway.
        self._direct = spec.mode == "local" or spec.network == "open"
        return msgspec.structs.replace(
            spec,
            readonly=tuple(dict.fromkeys((*spec.readonly, *shown))),
            network="open" if spec.network == "open" else "gateway",
            gateway_socket=None if spec.network == "open" else self._gateway.socket,
        )

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        assert self._gateway is not None and self._program is not None and context.sandbox is not None
        prompt, system = read_prompt(request)
        home, place = await _places(context)
        workspace = context.workspace
        skills = self._reader.read(workspace.skills) if workspace else ()
        loaded = skills if self.skills == "loaded" else ()
        told = [system, workspace.instructions if workspace else ""]
        if loaded and not self.agent.loads_skills:
            told.append(skills_loaded(loaded, home))
        record_workspace(context, skills, self.skills, workspace.instructions if workspace else "")
        trial = AgentTrial(self.agent, self._program, self._gateway, request, context, calls=self.calls)
        assignment = Assignment(
            prompt=prompt,
            instructions="\n\n".join(text for text in told if text),
            skills=() if loaded else skills,
            loaded=loaded,
            model=trial.session.model,
            url=self._gateway.url_of(trial.session) if self._direct else inside_url(trial.session),
            token=trial.session.token,
            home=home,
            workspace=place,
            max_tokens=self.max_tokens,
            context_window=self.context_window,
        )
        try:
            return await trial.run(assignment, port=0 if self._direct else INSIDE_PORT)
        finally:
            self._gateway.close(trial.session)


async def _places(context: ScaffoldContext) -> tuple[str, str]:
    """Home and workspace as the sandbox sees them."""
    assert context.sandbox is not None
    if context.sandbox.mode in ("bubblewrap", "container"):
        return HOME, WORKSPACE
    ended = await context.sandbox.exec(["/bin/sh", "-c", 'printf "%s\\n" "$HOME"; pwd'], timeout=30.0)
    home, place = ended.stdout.split("\n")[:2]
    return home, place


def _interpreters(program: Installation) -> Sequence[str]:
    """Folders of its node and of the Python of its virtual environment, where a sandbox does not show them anyway."""
    python = Path(program.path) / "bin" / "python"
    found = [program.node, str(python.resolve()) if python.exists() else None]
    return [str(Path(f).parent.parent) for f in found if f is not None and not f.startswith(("/usr/", "/bin/"))]


class Pi(AgentScaffold):
    """The agent pi."""

    def __init__(self, **options: Any) -> None:
        super().__init__("pi", **options)


class OpenCode(AgentScaffold):
    """The agent opencode."""

    def __init__(self, **options: Any) -> None:
        super().__init__("opencode", **options)


class QwenCode(AgentScaffold):
    """The agent Qwen Code."""

    def __init__(self, **options: Any) -> None:
        super().__init__("qwen_code", **options)


class MiniSweAgent(AgentScaffold):
    """The agent mini-swe-agent."""

    def __init__(self, **options: Any) -> None:
        super().__init__("mini_swe_agent", **options)
