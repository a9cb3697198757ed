"""Arguments from three places with one meaning: the command line, then `WEIGH_<FLAG>`, then the file given with `-c`.

A flag is declared once, in a command's `add_arguments`; its environment variable, its key in a file, the tolerance for
`_` and `-`, and the hint at the closest name when it is mistyped follow from that.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from weigh.define.yaml_text import read_yaml

DEFAULT_STORE = "weigh-store"
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off", "")


class UsageError(Exception):
    """A command line that cannot be carried out as written; its text is complete."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of exiting and accepts no abbreviations."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help)")


def closest(name: str, valid: Iterable[str]) -> str:
    """A clause with the closest valid names, or an empty string. (As `records.errors.suggest`, without its imports.)"""
    close = difflib.get_close_matches(name, list(valid), n=3, cutoff=0.5)
    return "; did you mean " + " or ".join(repr(c) for c in close) + "?" if close else ""


def build(name: str, command: ModuleType) -> Parser:
    """The parser of one command, with the flags that all commands share."""
    parser = Parser(
        prog=f"weigh {name}",
        description=command.HELP,
        epilog="Every flag can also be set as WEIGH_<FLAG> in the environment or as a key of the file given with -c.",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    shared = parser.add_argument_group("shared by all commands")
    shared.add_argument("-c", "--config", metavar="FILE", help="a TOML or YAML file with flags as keys")
    shared.add_argument("--debug", action="store_true", help="show tracebacks")
    for action in options(parser):
        # Written out here, since `parse` takes argparse's own defaults away to see what was typed.
        action.help = (action.help or "").replace("%(default)s", str(action.default))
    return parser


def add_store(parser: argparse._ActionsContainer) -> None:
    """`--store`: where runs are kept."""
    parser.add_argument(
        "--store", metavar="DIR", default=DEFAULT_STORE, help="where runs are kept (default: %(default)s)"
    )


def add_format(parser: argparse._ActionsContainer) -> None:
    """`--format`: how a table is printed."""
    parser.add_argument(
        "--format",
        choices=("table", "md", "json", "csv"),
        default="table",
        help="how to print it (default: %(default)s)",
    )


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The actions that are flags, `--help` left out."""
    return [a for a in parser._actions if a.option_strings and a.dest != "help"]


def long_name(action: argparse.Action) -> str:
    """A flag's long name without dashes, e.g. `allow-errors`."""
    return max(action.option_strings, key=len).lstrip("-")


def environment_name(action: argparse.Action) -> str:
    """The variable that sets a flag, e.g. `WEIGH_ALLOW_ERRORS`."""
    return "WEIGH_" + long_name(action).upper().replace("-", "_")


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line and fill in what it leaves open from the environment, the file and the defaults."""
    defaults = {a.dest: a.default for a in options(parser)}
    for action in options(parser):
        action.default = argparse.SUPPRESS
    args, unknown = parser.parse_known_args(normalise(words))
    if unknown:
        raise UsageError(_unknown(parser, unknown[0]))
    file = getattr(args, "config", None) or os.environ.get("WEIGH_CONFIG")
    given = read_config(Path(file), parser) if file else {}
    for action in options(parser):
        if hasattr(args, action.dest):
            continue
        variable = environment_name(action)
        if variable in os.environ:
            value = convert(parser, action, os.environ[variable], variable)
        elif long_name(action) in given:
            value = convert(parser, action, given[long_name(action)], f"{file}: {long_name(action)}")
        else:
            value = defaults[action.dest]
        setattr(args, action.dest, value)
    return args


def normalise(words: Sequence[str]) -> list[str]:
    """`--allow_errors=2` and `--allow-errors=2` alike; what follows a bare `--` is left as it is."""
    result: list[str] = []
    for index, word in enumerate(words):
        if word == "--":
            return result + list(words[index:])
        name, equals, value = word.partition("=")
        result.append(name.replace("_", "-") + equals + value if word.startswith("--") else word)
    return result


def _unknown(parser: argparse.ArgumentParser, word: str) -> str:
    name = word.partition("=")[0]
    if not name.startswith("-"):
        return f"{parser.prog}: unexpected argument '{word}' ({parser.prog} --help)"
    valid = [s for a in parser._actions for s in a.option_strings]
    return f"{parser.prog}: unknown flag '{name}'{closest(name, valid)} ({parser.prog} --help)"


def read_config(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Read a TOML or YAML file whose keys are flags. Unknown keys are refused with the closest name."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the file given with -c: {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{path}: it is not UTF-8 text; save it as UTF-8") from None
    if path.suffix.lower() in (".yaml", ".yml"):
        try:
            # Scalars stay text, as on the command line: to YAML 1.1 the key `yes` would be a truth value.
            data = read_yaml(text, plain=False) or {}
        except ValueError as error:
            raise UsageError(f"{path}: not valid YAML: {error}") from error
    else:
        import tomllib

        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{path}: not valid TOML: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(
            f"{path}: expected keys and values (the flags of `{parser.prog}`), found a {type(data).__name__}"
        )
    valid = [long_name(a) for a in options(parser)]
    given = {str(key).replace("_", "-"): value for key, value in data.items()}
    for key in given:
        if key not in valid:
            raise UsageError(f"{path}: `{parser.prog}` has no flag '{key}'{closest(key, valid)}")
    return given


def convert(parser: argparse.ArgumentParser, action: argparse.Action, value: Any, where: str) -> Any:
    """Turn a value from the environment or a file into what the same text on the command line would give."""
    if action.nargs == 0:
        text = str(value).lower()
        if text not in _TRUE + _FALSE:
            raise UsageError(f"{where}: expected true or false, found '{value}'")
        return text in _TRUE if action.const is True else text not in _TRUE
    if isinstance(action, argparse._AppendAction) or action.nargs in ("*", "+"):
        return [_scalar(action, item, where) for item in _items(value)]
    if isinstance(value, (dict, list)):
        raise UsageError(f"{where}: expected one value, found a {type(value).__name__}")
    return _scalar(action, value, where)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return shlex.split(value)
    if isinstance(value, dict):
        return [f"{key}={text}" for key, text in _flatten(value, "").items()]
    return list(value) if isinstance(value, list) else [value]


def _flatten(table: dict[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = str(value).lower() if isinstance(value, bool) else str(value)
    return flat


def _scalar(action: argparse.Action, value: Any, where: str) -> Any:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if action.choices is not None and text not in action.choices:
        choices = [str(c) for c in action.choices]
        raise UsageError(f"{where}: '{text}' is not one of {', '.join(choices)}{closest(text, choices)}")
    if action.type is None:
        return text
    try:
        return action.type(text)  # type: ignore[operator]
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise UsageError(f"{where}: {error}") from error
