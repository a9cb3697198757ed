"""The `weigh` command: find the command that was asked for, import that one only, and turn failures into exit codes.

Exit codes: 0 done, 1 trials failed (or a gate did not pass), 2 the command cannot be carried out as written, 3 a gate
cannot tell, 70 a bug in weigh, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from weigh.cli.commands import ALIASES, COMMANDS, GROUPS

BUG = 70
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words or os.environ.get("WEIGH_DEBUG", "") not in ("", "0", "false", "no")
    terminal = importlib.import_module("weigh.cli.terminal")
    try:
        with terminal.guarded():
            code = dispatch(words)
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("weigh: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has gone; point stdout at nothing so that the interpreter's own flush stays quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:  # the last line of defence: shown, with an exit code, never swallowed
        if debug:
            raise
        text, code = importlib.import_module("weigh.cli.failures").describe(error)
        terminal.say(terminal.filled(f"weigh: {text}"))
        return int(code)


def dispatch(words: list[str]) -> int:
    """Find the command that `words` begin with and run it."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"weigh {importlib.import_module('weigh._version').__version__}")
        return 0
    for length in (2, 1):
        name = " ".join(words[:length])
        name = ALIASES.get(name, name)
        if name in COMMANDS:
            return run_command(name, words[length:])
    flags = importlib.import_module("weigh.cli.flags")
    if words[0] in GROUPS:
        if len(words) == 1 or words[1] in ("-h", "--help"):
            print(overview(words[0]))
            return 0 if len(words) > 1 else 2
        valid = [c.split()[1] for c in (*COMMANDS, *ALIASES) if c.startswith(words[0] + " ")]
        raise flags.UsageError(
            f"`weigh {words[0]}` knows no '{words[1]}'{flags.closest(words[1], valid)} (valid: {', '.join(valid)})"
        )
    valid = sorted({c.split()[0] for c in COMMANDS})
    raise flags.UsageError(f"unknown command '{words[0]}'{flags.closest(words[0], valid)} (weigh --help lists them)")


def run_command(name: str, words: list[str]) -> int:
    """Import one command, parse its arguments, run it."""
    flags = importlib.import_module("weigh.cli.flags")
    command = importlib.import_module(COMMANDS[name].module)
    parser = flags.build(name, command)
    return int(command.run(flags.parse(parser, words)))


def overview(group: str | None = None) -> str:
    """The list of commands, all of them or those of one group."""
    lines = [
        "weigh: is this really better, by how much, at what cost, and where?",
        "",
        f"usage: weigh {group or 'COMMAND'} ...",
        "",
    ]
    section = ""
    for name, command in COMMANDS.items():
        if group and name.split()[0] != group:
            continue
        if command.section != section and not group:
            section = command.section
            lines.append(section)
        lines.append(f"  {name:<16} {command.help}")
    lines += [
        "",
        "weigh COMMAND --help explains one command. Every flag can also be set as WEIGH_<FLAG> (WEIGH_CONCURRENCY=8)",
        "or as a key of a TOML or YAML file given with -c; the command line wins over both. --debug shows tracebacks.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
