"""The tools of a coder: a shell, files of the workspace, and a way to say that one is done."""

from __future__ import annotations

import msgspec

from weigh.execute.tools.tool import ToolContext, ToolResult, tool
from weigh.protocols import ExecResult
from weigh.records.bounds import Positive


class CommandOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    seconds: How long one command may take.
    """

    seconds: Positive = 60.0


def shown(ended: ExecResult) -> ToolResult:
    """How a command ended, as a model is told."""
    parts = [ended.stdout.rstrip("\n")]
    if ended.stderr.strip():
        parts.append(f"[stderr]\n{ended.stderr.rstrip()}" if ended.stdout.strip() else ended.stderr.rstrip())
    if ended.limit == "deadline" or ended.timed_out:
        parts.append(f"[killed after {ended.seconds:.0f} s: it took too long]")
    elif ended.limit:
        parts.append(f"[killed: over the limit of {ended.limit.replace('_', ' ')}]")
    elif ended.exit_code:
        parts.append(f"[exit code {ended.exit_code}]")
    if ended.truncated:
        parts.append("[output was cut]")
    metadata = {"exit_code": ended.exit_code}
    if ended.limit:
        metadata["limit"] = ended.limit  # type: ignore[assignment]
    text = "\n".join(p for p in parts if p) or "(no output)"
    return ToolResult(content=text, is_error=ended.exit_code != 0, metadata=metadata)


@tool(needs=("bash",), seconds=600.0, options=CommandOptions)
async def bash(command: str, context: ToolContext) -> ToolResult:
    """Run a command in a shell. Each call starts a new shell in the workspace; files stay.

    Args:
        command: The command line, e.g. `ls -la && python3 test.py`.
    """
    options = context.options if isinstance(context.options, CommandOptions) else CommandOptions()
    shell = 'if command -v bash >/dev/null; then exec bash -c "$1"; else exec sh -c "$1"; fi'
    return shown(await context.box.exec(["sh", "-c", shell, "sh", command], timeout=options.seconds))


@tool(needs=("files",))
async def read(path: str, context: ToolContext, first_line: int = 1, lines: int = 400) -> str:
    """Read a text file of the workspace, with line numbers.

    Args:
        path: Relative to the workspace.
        first_line: Where to begin, counted from 1.
        lines: How many lines to show.
    """
    text = (await context.box.read_file(path)).decode(errors="replace").splitlines()
    start = max(1, first_line)
    part = text[start - 1 : start - 1 + max(1, lines)]
    if not part:
        return f"(the file has {len(text)} lines)"
    rest = len(text) - (start - 1 + len(part))
    body = "\n".join(f"{start + i:5d}  {line}" for i, line in enumerate(part))
    return body + (f"\n({rest} more lines)" if rest else "")


@tool(needs=("files",))
async def write(path: str, content: str, context: ToolContext) -> str:
    """Write a file of the workspace; one that is there is replaced.

    Args:
        path: Relative to the workspace; folders on the way are made.
        content: All of the file.
    """
    data = content.encode()
    await context.box.write_file(path, data)
    return f"wrote {len(data)} bytes to {path}"


@tool(needs=("files",))
async def edit(path: str, old: str, new: str, context: ToolContext, all: bool = False) -> str:
    """Replace a piece of text in a file of the workspace.

    Args:
        path: Relative to the workspace.
        old: The text to replace, exactly as it stands in the file.
        new: What to put there.
        all: Replace every occurrence; else there must be exactly one.
    """
    text = (await context.box.read_file(path)).decode()
    count = text.count(old) if old else 0
    if count == 0:
        raise ValueError(f"{path} does not contain that text; read the file and copy it exactly")
    if count > 1 and not all:
        raise ValueError(f"{path} contains that text {count} times; give more of it, or set all")
    await context.box.write_file(path, text.replace(old, new).encode())
    return f"replaced {count} occurrence{'s' if count > 1 else ''} in {path}"


@tool
def submit(answer: str) -> ToolResult:
    """Give the final answer. Nothing can be done after it.

    Args:
        answer: The final answer, complete.
    """
    return ToolResult(content="submitted", final=True, answer=answer)
