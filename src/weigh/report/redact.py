"""Take secrets and the user's own names out of what is published, and say what was found.

    redactor = Redactor(this_machine())
    shown = redactor.value(payload, where="trial k3f2")     # plain data of the same form
    for line in describe(redactor.findings): ...

The same secret gets the same placeholder everywhere (`<secret:openai-key#1>`, numbered as they are met), the home
folder becomes `~`, user and host `<user>` and `<host>`. Only strings change, never the form of the data.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.config_file import read_config
from weigh.define.decode import decode
from weigh.records.errors import DefinitionError, suggest
from weigh.records.secrets import SHAPES, names_a_secret
from weigh.report.anchors import Anchors

HOME, USER, HOST, WORD, VARIABLE, FIELD = "home-path", "user-name", "host-name", "word", "variable", "field"
_FIXED = {HOME: "~", USER: "<user>", HOST: "<host>"}
_COMMON = frozenset(
    {"root", "user", "admin", "ubuntu", "debian", "runner", "nobody", "home", "test", "agent", "docker", "localhost"}
)
"""Names of users and hosts that say nothing about anybody."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What is the user's own, and must not be published.

    Attributes:
        homes: Home folders.
        users, hosts: Names.
        values: Secret values by the name of the variable that holds them.
    """

    homes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    values: dict[str, str] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user adds to the rules, from a file (`redact.toml`) or from flags.

    Attributes:
        patterns: Regular expressions by a kind of one's own; a group `v` marks the part to replace.
        words: Texts that are replaced wherever they stand.
        keep: Kinds that are left as they are.
    """

    patterns: dict[str, str] = {}
    words: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One secret in one place.

    Attributes:
        kind: What it is.
        placeholder: What stands there now.
        where: As the caller named the place.
        count: How often it stood there.
        excerpt: Its beginning and length: enough to know it again, not to use it.
    """

    kind: str
    placeholder: str
    where: str
    count: int
    excerpt: str


class Rule(msgspec.Struct, frozen=True):
    """What is replaced.

    Attributes:
        anchors: In lower case, texts with one of which every match begins; none where that is not known.
        literal: The text itself, where it is known to the letter.
    """

    kind: str
    pattern: re.Pattern[str]
    anchors: tuple[str, ...]
    literal: str = ""


def this_machine(hosts: Iterable[str] = ()) -> Machine:
    """The user's home, name, host and the secrets in the variables of this process.

    Args:
        hosts: Further names of hosts, such as those that stored runs name.
    """
    homes = dict.fromkeys([str(Path.home()), os.path.realpath(Path.home())])
    return Machine(
        homes=tuple(homes),
        users=(getpass.getuser(),),
        hosts=tuple(dict.fromkeys([socket.gethostname(), *hosts])),
        values={k: v for k, v in os.environ.items() if names_a_secret(k) and len(v) >= 8},
    )


def load_settings(file: Path | None, patterns: Iterable[str] = ()) -> Settings:
    """Settings of a file (TOML, YAML, JSON) and of flags (`NAME=REGEX`, or a REGEX alone).

    Raises:
        DefinitionError: The file or a pattern cannot be used.
    """
    settings = decode(read_config(file), Settings, str(file)) if file else Settings()
    added = dict(settings.patterns)
    for number, text in enumerate(patterns, 1):
        name, equals, regex = text.partition("=")
        named = bool(equals) and re.fullmatch(r"[a-z][a-z0-9-]*", name) is not None
        added[name if named else f"pattern-{number}"] = regex if named else text
    return msgspec.structs.replace(settings, patterns=added)


class Redactor:
    """Replaces secrets in texts and plain data, and remembers what it found.

    Args:
        machine: What is the user's own.
        settings: What the user adds.

    Raises:
        DefinitionError: A pattern is no regular expression, or a kind to keep is unknown.
    """

    def __init__(self, machine: Machine | None = None, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        rules = [*literal_rules(machine or Machine(), settings), *_shape_rules(), *_own_rules(settings)]
        kinds = {r.kind for r in rules} | {FIELD, *_FIXED}
        for kind in settings.keep:
            if kind not in kinds:
                raise DefinitionError(f"redact: keep: unknown kind {kind!r}{suggest(kind, kinds)}")
        self._rules = [r for r in rules if r.kind not in settings.keep]
        self._anchors = Anchors([r.anchors for r in self._rules])
        self._fields = FIELD not in settings.keep
        self._names: dict[tuple[str, str], str] = {}
        self._numbers: dict[str, int] = {}
        self._found: dict[tuple[str, str], Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found so far, in the order it was met."""
        return tuple(self._found.values())

    def text(self, text: str, where: str = "") -> str:
        """A text without secrets."""
        return self._text(text, where, self._matching(text))

    def value(self, value: Any, where: str = "") -> Any:
        """Plain data (dict, list, tuple, text, numbers) without secrets; the same object when there was none."""
        strings: list[str] = []
        field = _collect(value, strings)
        rules = self._matching("\0".join(strings))
        if not rules and not (field and self._fields):
            return value
        return self._value(value, where, rules, "")

    def suspects(self, text: str) -> bool:
        """Whether a text, also one of JSON as it stands, may hold something; quick, to leave most of a store unread."""
        return bool(self._matching(text))

    def _matching(self, text: str) -> list[Rule]:
        """The rules that match somewhere, and those of which nobody knows where to look: most texts hold nothing."""
        found = {number for number, rule in enumerate(self._rules) if not rule.anchors}
        for place, numbers in self._anchors.places(text):
            for number in numbers:
                if number not in found and self._rules[number].pattern.match(text, place):
                    found.add(number)
        return [self._rules[number] for number in sorted(found)]

    def _value(self, value: Any, where: str, rules: list[Rule], name: str) -> Any:
        if isinstance(value, str):
            if self._fields and _is_secret_field(name, value):
                return self._replace(FIELD, value, where)
            return self._text(value, where, rules)
        if isinstance(value, Mapping):
            out: dict[Any, Any] = {}
            for key, inner in value.items():
                shown = self._text(key, where, rules) if isinstance(key, str) else key
                while shown in out:  # two keys may not become one
                    shown = f"{shown}'"
                out[shown] = self._value(inner, where, rules, str(key))
            return out
        if isinstance(value, (list, tuple)):
            items = [self._value(inner, where, rules, name) for inner in value]
            return items if isinstance(value, list) else tuple(items)
        return value

    def _text(self, text: str, where: str, rules: list[Rule]) -> str:
        if not rules or len(text) < 3:
            return text
        lower = text.lower() if len(rules) > 1 else None
        for rule in rules:
            if lower is None or not rule.anchors or any(a in lower for a in rule.anchors):
                text = rule.pattern.sub(self._replacer(rule.kind, where), text)
        return text

    def _replacer(self, kind: str, where: str) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            groups = match.groupdict()
            inner = next((g for g in ("v", "w") if groups.get(g) is not None), None)
            whole = match.group()
            if inner is None:
                return self._replace(kind, whole, where) if whole else whole
            begin, end = match.start(inner) - match.start(), match.end(inner) - match.start()
            return whole[:begin] + self._replace(kind, whole[begin:end], where) + whole[end:]

        return replace

    def _replace(self, kind: str, secret: str, where: str) -> str:
        placeholder = _FIXED.get(kind) or self._names.get((kind, secret))
        if placeholder is None:
            number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
            placeholder = self._names[kind, secret] = f"<secret:{kind}#{number}>"
        found = self._found.get((placeholder, where))
        if found is None:
            excerpt = "" if kind in _FIXED else _masked(secret)
            found = Finding(kind=kind, placeholder=placeholder, where=where, count=0, excerpt=excerpt)
        self._found[placeholder, where] = msgspec.structs.replace(found, count=found.count + 1)
        return placeholder


def describe(findings: Iterable[Finding], *, places: int = 3) -> list[str]:
    """A line for each secret: what, how often, where, and how it begins. What is only a name comes last."""
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.placeholder, []).append(finding)
    lines = []
    for held in sorted(grouped.values(), key=lambda f: f[0].kind in _FIXED):
        times = sum(f.count for f in held)
        named = [f.where for f in held if f.where]
        more = f" and {len(named) - places} more" if len(named) > places else ""
        where = f" in {', '.join(named[:places])}{more}" if named else ""
        begins = f": {held[0].excerpt}" if held[0].excerpt else f", shown as {held[0].placeholder}"
        lines.append(f"{held[0].kind}, {times} {'time' if times == 1 else 'times'}{where}{begins}")
    return lines


def _collect(value: Any, strings: list[str]) -> bool:
    """All strings of plain data; whether one of them is secret by the name it stands under."""
    secret = False
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        name, item = waiting.pop()
        if isinstance(item, str):
            strings.append(item)
            secret = secret or (name != "" and _is_secret_field(name, item))
        elif isinstance(item, Mapping):
            for key, inner in item.items():
                strings.append(str(key))
                waiting.append((str(key), inner))
        elif isinstance(item, (list, tuple)):
            waiting.extend((name, inner) for inner in item)
    return secret


_SURE = re.compile(r"(?:pass(?:word|wd|phrase)|authorization|cookie|(?:api|access|secret|private)[_-]?key)s?$", re.I)


def _is_secret_field(name: str, value: str) -> bool:
    """Whether the value under a key is secret: by its name alone, or by a name such as `token` and its look.

    A key that merely ends in `key` or `token` often holds a digest or a word (`key` of a trial, `token` of a model).
    """
    if len(value) < 4 or value.startswith(("<", "***", "$")):
        return False
    if _SURE.search(name):
        return " " not in value or name.lower().endswith(("authorization", "cookie"))
    sounds = names_a_secret(name) and not name.lower().endswith("key")
    return sounds and re.fullmatch(r"(?=.*[0-9])(?=.*[A-Za-z])[\w.~+/=-]{16,}", value) is not None


def _masked(secret: str) -> str:
    shown = secret[: 4 if len(secret) >= 16 else 1]
    return f"{shown}... ({len(secret)} characters)"


def _shape_rules() -> list[Rule]:
    return [Rule(s.kind, re.compile(s.pattern), s.anchors) for s in SHAPES]


def _own_rules(settings: Settings) -> list[Rule]:
    rules = []
    for kind, pattern in settings.patterns.items():
        try:
            rules.append(Rule(kind, re.compile(pattern), ()))
        except re.error as error:
            raise DefinitionError(f"redact: pattern {kind!r} is no regular expression: {error}") from None
    return rules


def literal_rules(machine: Machine, settings: Settings | None = None) -> list[Rule]:
    """What is known to the letter, the longest first: a value may hold another."""
    rules = []
    for kind, texts in ((VARIABLE, machine.values.values()), (WORD, settings.words if settings else ())):
        known = sorted({t for t in texts if t}, key=lambda t: (-len(t), t))
        rules += [Rule(kind, re.compile(re.escape(text)), _beginning(text), text) for text in known]
    for home in sorted({h.rstrip("/\\") for h in machine.homes}, key=len, reverse=True):
        if len(home) > 1:
            pattern = re.compile(r"(?<![\w.~])" + re.escape(home) + r"(?![\w-])")
            rules.append(Rule(HOME, pattern, _beginning(home), home))
    for kind, names in ((HOST, machine.hosts), (USER, machine.users)):
        telling = sorted({n for n in names if len(n) >= 3 and n.lower() not in _COMMON}, key=lambda n: (-len(n), n))
        rules += [Rule(kind, re.compile(_name_pattern(name)), _beginning(name), name) for name in telling]
    return rules


def _beginning(text: str) -> tuple[str, ...]:
    """What is ASCII at the beginning of a text, as an anchor; none where it begins with another letter."""
    ascii_part = re.match(r"[\x00-\x7f]*", text)
    return (ascii_part[0].lower(),) if ascii_part and ascii_part[0] else ()


def _name_pattern(name: str) -> str:
    """A name as a whole word; one that may well be a word of a text (`mark`) only where a name stands."""
    word = rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])"
    if len(name) >= 6 or not name.isalpha():
        return word
    return rf"(?:(?<=[/\\]){word}(?=[/\\\s\"'\0]|$)|{word}(?=@))"
