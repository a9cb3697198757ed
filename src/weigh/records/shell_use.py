"""What the programs of a command line do to files, which code is written into them, and whether they ask for help."""

from __future__ import annotations

import re

from weigh.records.shell import Simple

_SHOW = frozenset({"cat", "head", "tail", "less", "more", "nl", "bat", "tac"})
_SEARCH = frozenset({"grep", "egrep", "fgrep", "rg", "awk", "sed"})
_INTERPRETERS = {"python": "-c", "pypy": "-c", "ipython": "-c", "node": "-e", "ruby": "-e", "perl": "-e"}
_HUMAN = frozenset({"ls", "du", "df", "free", "sort", "grep", "egrep", "rg", "cat", "tree", "chown", "ln", "psql"})
"""Programs of which `-h` asks for something else than help."""
_PLAIN = _HUMAN | {
    "cd",
    "echo",
    "printf",
    "head",
    "tail",
    "less",
    "mkdir",
    "rm",
    "touch",
    "cp",
    "mv",
    "python",
    "python3",
}
"""Programs whose first argument is never a request for help."""


def inline_code(command: Simple) -> tuple[str, ...]:
    """Code within a command line: `python -c CODE`, `python - <<EOF`, `cat > FILE <<EOF`, `echo CODE > FILE`."""
    flag = _INTERPRETERS.get(re.sub(r"[\d.]+$", "", command.program))
    if flag is not None:
        given = command.after(flag)
        if given is not None:
            return (given,)
        return (command.heredoc,) if command.heredoc is not None and not command.operands else ()
    if not files_written(command):
        return ()
    if command.heredoc is not None:
        return (command.heredoc,)
    return (" ".join(command.operands),) if command.program in ("echo", "printf") and command.operands else ()


def files_read(command: Simple) -> tuple[str, ...]:
    """Files whose text a command shows or is fed; a search through folders reads none by name."""
    own: tuple[str, ...] = ()
    if command.program in _SHOW:
        own = tuple(w for w in command.operands if not w.isdigit())
    elif command.program in _SEARCH and not _has_letter(command, "i" if command.program == "sed" else "rR"):
        own = command.operands[0 if "-e" in command.words else 1 :]
        own = tuple(w for w in own if not w.endswith("/") and w not in (".", ".."))
    return tuple(dict.fromkeys((*own, *command.inputs)))


def files_written(command: Simple) -> tuple[str, ...]:
    """Files that a command writes, as far as its line says so."""
    own: tuple[str, ...] = ()
    if command.program in ("tee", "touch"):
        own = command.operands
    elif command.program in ("cp", "mv") and len(command.operands) > 1:
        own = command.operands[-1:]
    elif command.program == "sed" and _has_letter(command, "i"):
        own = command.operands[0 if "-e" in command.words else 1 :]
    return tuple(dict.fromkeys((*own, *command.outputs)))


def asks_help(command: Simple) -> bool:
    """Whether it looks something up: `--help`, `-h`, `help` as first argument, `man`, `info`, `pydoc`, `help(...)`."""
    words = command.words
    if command.program in ("man", "info", "apropos", "pydoc", "pydoc3"):
        return len(words) > 1
    if "--help" in words[1:] or "pydoc" in words[1:3] or ("-h" in words[1:] and command.program not in _HUMAN):
        return True
    if words[1:2] == ("help",) and command.program not in _PLAIN:
        return True
    return any(calls_help(code) for code in inline_code(command))


def calls_help(code: str) -> bool:
    """Whether Python code calls `help(...)`, or prints a docstring or a signature."""
    return (
        re.search(r"(?<![\w.])help\(\s*[\w'\"]|\.__doc__\b|\binspect\.(signature|getsource|getdoc)\(", code) is not None
    )


def _has_letter(command: Simple, letters: str) -> bool:
    """Whether a short option has one of the letters: `-rn` has `r`."""
    return any(re.match(rf"-[a-zA-Z]*[{letters}]", w) for w in command.words[1:] if not w.startswith("--"))
