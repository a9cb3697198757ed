"""The page's ES modules as one classic script: a page from a disk may not load modules, and nothing has to be built.

Each module becomes a function of its own, run once after those it imports, so names need only be unique within a file.
Only the forms that the modules use are known: `import { a, b } from "./x.js"` and `export function|const|let|class`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (async function|function|const|let|class) ", re.MULTILINE)
_CONST = re.compile(r"^export const (.+);$", re.MULTILINE)
_NAMED = re.compile(r"^export (?:async function|function|class) (\w+)", re.MULTILINE)


def bundle(modules: Mapping[str, str], entry: str) -> str:
    """One script that runs `entry`.

    Raises:
        ValueError: A module is not there, imports go in a circle, or a form is used that is not known here.
    """
    order: list[str] = []
    _visit(modules, entry, order, ())
    parts = [f"const {_variable(name)} = (() => {{\n{_body(modules[name])}\n}})();" for name in order]
    return "(() => {\n'use strict';\n" + "\n".join(parts) + "\n})();\n"


def _visit(modules: Mapping[str, str], name: str, order: list[str], above: tuple[str, ...]) -> None:
    if name in order:
        return
    if name in above:
        raise ValueError(f"modules import each other in a circle: {' > '.join((*above, name))}")
    if name not in modules:
        raise ValueError(f"there is no module {name} (imported by {above[-1] if above else 'nobody'})")
    for _, other in _IMPORT.findall(modules[name]):
        _visit(modules, other, order, (*above, name))
    order.append(name)


def _body(source: str) -> str:
    names = _NAMED.findall(source)
    for line in _CONST.findall(source):
        names += re.findall(r"(?:^|, )(\w+) = ", line)
    body = _IMPORT.sub(lambda m: f"const {{ {m[1]} }} = {_variable(m[2])};\n", source)
    body = _EXPORT.sub(r"\1 ", body)
    left = re.search(r"^(import|export)\b.*", body, re.MULTILINE)
    if left:
        raise ValueError(f"this form is not known: {left[0]}")
    return f"{body}\nreturn {{ {', '.join(names)} }};"


def _variable(name: str) -> str:
    return "module_" + re.sub(r"\W", "_", name.removesuffix(".js"))
