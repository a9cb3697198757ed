"""What the package in a repository is called: its distribution's name and its module, read and not run."""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Sequence
from typing import Any

import msgspec

NAMED_IN = ("pyproject.toml", "setup.cfg", "setup.py")
"""Files that may say what a distribution is called."""

_TOPS = ("src/", "lib/", "")
"""Where packages lie in a repository."""

_NO_LIBRARY = {
    "setup", "conftest", "noxfile", "tasks", "fabfile", "test", "tests", "testing", "doc", "docs", "example",
    "examples", "benchmark", "benchmarks", "scripts", "tools", "build", "dist",
}  # fmt: skip
"""What lies beside a library and is not it."""


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What a package is called.

    Attributes:
        distribution: On an index and for `importlib.metadata`; None where the repository does not say it.
        module: What Python imports; None where it cannot be told.
    """

    distribution: str | None = None
    module: str | None = None


def find_names(texts: dict[str, str], paths: Sequence[str], likely: str) -> Names:
    """The names of a repository's package.

    Args:
        texts: Of `pyproject.toml`, `setup.cfg` and `setup.py`, those that are there.
        paths: All files, relative.
        likely: What the repository itself is called; counts only where it is the name of a module in it.
    """
    project = _toml(texts.get("pyproject.toml", ""))
    name = _said(project) or _in_setup_cfg(texts.get("setup.cfg", "")) or _in_setup_py(texts.get("setup.py", ""))
    flit = _text(project, "tool", "flit", "module", "name")
    found = [pair for top in _TOPS for pair in _modules(paths, top)]
    named = [module for wanted in (name, likely) for module, _ in found if wanted and _plain(module) == _plain(wanted)]
    packages = list(dict.fromkeys(module for module, is_package in found if is_package))
    only = packages[0] if len(packages) == 1 else None
    return Names(distribution=name, module=flit or (named[0] if named else only))


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}  # it says no name; building it will say what is wrong


def _said(project: dict[str, Any]) -> str | None:
    places = (("project", "name"), ("tool", "poetry", "name"), ("tool", "flit", "metadata", "dist-name"))
    return next((name for place in places if (name := _text(project, *place)) is not None), None)


def _text(table: Any, *keys: str) -> str | None:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, str) and table else None


def _in_setup_cfg(text: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return parser.get("metadata", "name", fallback="").strip() or None


def _in_setup_py(text: str) -> str | None:
    """The name that `setup(name="...")` gives in so many words, also by a constant of the file."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    constants = {
        target.id: node.value.value
        for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "setup":
            for given in node.keywords:
                value = given.value
                if given.arg == "name":
                    found = constants.get(value.id) if isinstance(value, ast.Name) else getattr(value, "value", None)
                    return found if isinstance(found, str) and found else None
    return None


def _modules(paths: Sequence[str], top: str) -> list[tuple[str, bool]]:
    """The modules that lie directly in a folder, and whether each is a package."""
    pattern = re.compile(rf"{re.escape(top)}([A-Za-z]\w*)(/__init__)?\.py")
    found = [(match[1], match[2] is not None) for path in paths if (match := pattern.fullmatch(path))]
    return [(name, is_package) for name, is_package in found if name.lower() not in _NO_LIBRARY]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()
