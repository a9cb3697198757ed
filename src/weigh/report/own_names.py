"""How often the user's own names stand in what is published as it is: counted where redaction would replace them."""

from __future__ import annotations

from collections.abc import Iterable

from weigh.report.redact import HOME, HOST, USER, Machine, Rule, literal_rules

_TOLD = {HOME: "your home folder", USER: "your user name", HOST: "a host name"}


def count_names(machine: Machine, texts: Iterable[str]) -> dict[str, int]:
    """By what it is: how often the home folder, the user's name and the names of hosts stand in texts, also in JSON.

    A name within the home folder's path counts as that, and the longest name of a host once. Names that say nothing
    about anybody (`root`) do not count.
    """
    rules = [rule for rule in literal_rules(machine) if rule.kind in _TOLD]
    found: dict[str, int] = {}
    for text in texts:
        for rule in rules:
            count = _count(rule, text)
            if count:
                found[_TOLD[rule.kind]] = found.get(_TOLD[rule.kind], 0) + count
                text = text.replace(rule.literal, "~")  # a shorter name in it is not counted again
    return found


def _count(rule: Rule, text: str) -> int:
    """Occurrences as whole words; looked for letter by letter first, since most texts hold none."""
    count = 0
    at = text.find(rule.literal)
    while at >= 0:
        count += rule.pattern.match(text, at) is not None
        at = text.find(rule.literal, at + 1)
    return count
