"""What a workspace has for the model, its instructions and Skills, put into a chat: for scaffolds without a program.

An agent program has ways of its own for both; here they go into the system message. Skills are linked below the home
folder, as for agents, and the model reads them there with a command.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from weigh.define.skill import SkillReader
from weigh.execute.agents.agent import check_way, skill_links, skills_loaded, skills_offered
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.scaffolds.given import record_workspace
from weigh.protocols import ScaffoldContext
from weigh.records.digest import digest
from weigh.records.errors import Error, Failure
from weigh.records.request import ChatRequest, Message, Request
from weigh.records.workspace import Workspace

_HOME = "~"  # so that the model is told the same in every sandbox
_LINK = 'mkdir -p "$HOME/$1" && shift && while [ $# -gt 0 ]; do ln -s "$2" "$HOME/$1" && shift 2 || exit 1; done'
_HOW = "They are outside the working folder: read them with a command, such as `cat`."
_READERS = frozenset({"bash", "python"})


class Briefed:
    """A scaffold that leads a conversation, and begins it with what the workspace has for the model.

    Args:
        skills: `offered`: the model sees what each is for and may read it. `loaded`: their text stands before it.

    Raises:
        DefinitionError: `skills` is neither.
    """

    def __init__(self, skills: str = "offered") -> None:
        self.skills = check_way(skills)
        self._reader = SkillReader()

    def withholds(self, workspace: Workspace, capabilities: Collection[str]) -> list[str]:
        """Why the model would not see what the workspace has for it."""
        if workspace.skills and self.skills == "offered" and not _READERS & set(capabilities):
            return ["no tool of it can read a Skill that is offered; add `bash`, or say scaffold_options.skills=loaded"]
        return []

    def told(self, workspace: Workspace) -> str:
        """What the workspace adds to the system message; empty where it has nothing for the model."""
        skills = self._reader.read(workspace.skills)
        if self.skills == "loaded":
            told = skills_loaded(skills, _HOME)
        else:
            told = f"{skills_offered(skills, _HOME)}\n{_HOW}" if skills else ""
        return "\n\n".join(text for text in (workspace.instructions, told) if text)

    def identity_of(self, workspace: Workspace) -> str:
        """Digest of what the model is told besides the rendered request; part of the arm's."""
        return digest(self.told(workspace))

    def sandbox(self, spec: SandboxSpec, workspace: Workspace | None) -> SandboxSpec:
        """The sandbox with the Skills' folders."""
        shown = workspace.skills if workspace else ()
        return msgspec.structs.replace(spec, readonly=tuple(dict.fromkeys((*spec.readonly, *shown))))

    async def brief(self, request: Request, context: ScaffoldContext) -> Request:
        """The request with what the workspace adds to it; the Skills can be read in the sandbox from now on.

        Raises:
            Failure: Kind `sandbox`, when they cannot be put there.
        """
        workspace = context.workspace
        if workspace is None or not isinstance(request, ChatRequest) or not (text := self.told(workspace)):
            return request
        skills = self._reader.read(workspace.skills)
        if skills and context.sandbox is not None:
            links = [word for link in skill_links(skills).items() for word in link]
            folder = links[0].partition("/")[0]
            ended = await context.sandbox.exec(["/bin/sh", "-c", _LINK, "sh", folder, *links], timeout=30.0)
            if ended.exit_code != 0:
                message = f"the Skills cannot be put into the sandbox: {ended.stderr.strip()[:300]}"
                raise Failure(Error(kind="sandbox", code="skills", message=message))
        record_workspace(context, skills, self.skills, workspace.instructions)
        first, *rest = request.messages
        if first.role == "system" and isinstance(first.content, str):
            messages = (msgspec.structs.replace(first, content=f"{first.content}\n\n{text}"), *rest)
        else:
            messages = (Message(role="system", content=text), *request.messages)
        return msgspec.structs.replace(request, messages=messages)
