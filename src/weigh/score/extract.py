r"""Finding the answer in a reply, by rules that are short strings.

| rule | the answer is |
|---|---|
| `all` | the entire reply |
| `first_line`, `last_line` | the first or last line that is not blank |
| `after:TEXT` | the rest of the line after the last TEXT, e.g. `after:####` |
| `answer_is` | what follows the last "answer is" or "answer:", to the end of the sentence |
| `boxed` | the content of the last `\boxed{...}` |
| `number` | the last number |
| `code` | the last fenced code block |
| `regex:PATTERN` | the last match's first group (or all of it) |

Several rules are tried in order; the first that finds something wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from weigh.records.errors import DefinitionError, placed, suggest

Rules = str | tuple[str, ...] | None

NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+]?\.\d+")
_ANSWER_IS = re.compile(r"\b(?:final\s+)?answer\s*(?:is\b\s*:?|:)\s*(.+)", re.IGNORECASE)
_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n```|\Z)", re.DOTALL)


def find_answer(text: str, rules: Rules) -> str | None:
    """Return the answer that the first fitting rule finds in a reply, or None. `rules` None: the entire reply."""
    if rules is None:
        return text
    for rule in (rules,) if isinstance(rules, str) else rules:
        found = compile_rule(rule)(text)
        if found is not None and found.strip():
            return found.strip()
    return None


def check_rules(rules: Rules, where: str) -> None:
    """See that there are such rules. Raises `DefinitionError`; `where` is what they are of (`scorer 'regex'`)."""
    for rule in (rules,) if isinstance(rules, str) else rules or ():
        try:
            compile_rule(rule)
        except DefinitionError as error:
            raise placed(error, f"{where}: extract") from None


@lru_cache(maxsize=256)
def compile_rule(rule: str) -> Callable[[str], str | None]:
    """Turn a rule into a function. Raises `DefinitionError` for a rule that does not exist."""
    head, _, rest = rule.partition(":")
    if head == "after" and rest:
        return lambda text: _after(text, rest)
    if head == "regex" and rest:
        try:
            pattern = re.compile(rest, re.DOTALL)
        except re.error as error:
            raise DefinitionError(f"extract rule {rule!r}: {error}") from None
        return lambda text: _last_match(text, pattern)
    if rule in _NAMED:
        return _NAMED[rule]
    names = [*_NAMED, "after:TEXT", "regex:PATTERN"]
    raise DefinitionError(f"unknown extract rule {rule!r}{suggest(rule, names)} (rules: {', '.join(names)})")


def without_reasoning(text: str) -> str:
    """Drop what stands before the last `</think>`, where a server left the reasoning in the reply."""
    if "</think>" in text:
        return text.rpartition("</think>")[2].lstrip()
    return text


def _after(text: str, marker: str) -> str | None:
    _, found, rest = text.rpartition(marker)
    if not found:
        return None
    return rest.strip().split("\n", 1)[0]


def _last_match(text: str, pattern: re.Pattern[str]) -> str | None:
    matches = list(pattern.finditer(text))
    if not matches:
        return None
    last = matches[-1]
    found: str | None = last.group(1) if pattern.groups else last.group(0)
    return found


def _line(text: str, index: int) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[index] if lines else None


def _answer_is(text: str) -> str | None:
    found = _last_match(text, _ANSWER_IS)
    if found is None:
        return None
    found = found.strip()
    # A full stop ends the answer, but not the one inside 3.14 or in front of a small letter.
    end = re.search(r"\.(?=\**(?:\s+[A-Z]|\s*$))", found)
    return (found[: end.start()] if end and end.start() > 0 else found).strip("* ")


def _boxed(text: str) -> str | None:
    start = text.rfind("\\boxed")
    if start < 0:
        return None
    rest = text[start + len("\\boxed") :].lstrip()
    if not rest.startswith("{"):
        return rest.split()[0].rstrip("$.") if rest.split() else None
    depth = 0
    for position, character in enumerate(rest):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return rest[1:position]
    return None


_NAMED: dict[str, Callable[[str], str | None]] = {
    "all": lambda text: text,
    "first_line": lambda text: _line(text, 0),
    "last_line": lambda text: _line(text, -1),
    "answer_is": _answer_is,
    "boxed": _boxed,
    "number": lambda text: _last_match(text, NUMBER),
    "code": lambda text: _last_match(text, _FENCE),
}
