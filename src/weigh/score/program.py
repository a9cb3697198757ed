"""From a model's reply to a program that can be run, fair to chat and to completion models alike.

A chat model writes all of the function, mostly in a Markdown fence; a base model continues the prompt in the middle of
the function and then goes on with something else. Both become: the prompt, and the function wanted. What had to be
mended is said (`repairs`), never hidden.
"""

from __future__ import annotations

import re
import textwrap
import warnings
from typing import Any

import msgspec

_FENCE = re.compile(r"```[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What will be run.

    Attributes:
        source: The program.
        answer: The part of it that the model wrote.
        repairs: What was done to it: `fence`, `cut` (text after the function), `indent` (a lost first indentation).
    """

    source: str
    answer: str
    repairs: tuple[str, ...] = ()


def python_program(reply: str, inputs: dict[str, Any]) -> Program:
    """Make a program of a reply. `inputs`: `prompt` and `entry_point`, where the task has them."""
    prompt, entry = str(inputs.get("prompt", "")), inputs.get("entry_point")
    repairs: list[str] = []
    code = reply
    if "```" in reply:
        code = without_fence(reply, str(entry or ""))
        repairs.append("fence")
    if not prompt:
        return Program(source=code, answer=code, repairs=tuple(repairs))
    if entry and re.search(rf"^(?:async\s+)?def\s+{re.escape(str(entry))}\b", code, re.MULTILINE):
        # All of the function is there. The prompt (its imports and helpers) still goes in front, if it can.
        before = prompt + "\n    pass\n"
        source = before + "\n" + code if _compiles(before) else code
        return Program(source=source, answer=code, repairs=tuple(repairs))
    body = _body(code)
    indent = _indent_of(prompt)
    if indent and body.strip() and not body.lstrip("\n")[0].isspace():
        first, newline, rest = body.lstrip("\n").partition("\n")
        # Either the reply begins at the margin throughout, or only its first line lost its indentation.
        for mended in (textwrap.indent(code.strip("\n"), indent), indent + first + newline + rest):
            if _compiles(_join(prompt, mended)):
                return Program(source=_join(prompt, mended), answer=mended, repairs=(*repairs, "indent"))
    if body != code.rstrip():
        repairs.append("cut")
    return Program(source=_join(prompt, body), answer=body, repairs=tuple(repairs))


def without_fence(reply: str, entry: str = "") -> str:
    """The code in a reply's fences: the last block that defines `entry`, else the longest one, else all of it."""
    blocks = [m.group(2) for m in _FENCE.finditer(reply)]
    if not blocks:
        return reply
    wanted = [b for b in blocks if entry and f"def {entry}" in b]
    return wanted[-1] if wanted else max(blocks, key=len)


def _body(code: str) -> str:
    """The indented lines a completion begins with; from the first line at the margin on it is another matter."""
    kept: list[str] = []
    for line in code.splitlines():
        margin = bool(line) and not line[0].isspace()
        # The first line may have lost its indentation; a closing bracket belongs to what is open.
        if margin and any(k.strip() for k in kept) and line[0] not in ")]}":
            break
        kept.append(line)
    return "\n".join(kept).rstrip()


def _join(prompt: str, body: str) -> str:
    return prompt + body if prompt.endswith("\n") or body[:1] in ("\n", "") else prompt + "\n" + body


def _indent_of(prompt: str) -> str:
    """The indentation of the prompt's last line: empty when the prompt does not end inside a function."""
    lines = [line for line in prompt.splitlines() if line.strip()]
    return lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())] if lines else ""


def _compiles(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model's odd escape sequences are not ours to report
            compile(source, "program", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
