"""Instructions whose following can be checked without a judge: lengths, words, case, form.

`Instance.inputs["constraints"]` is a list of mappings, each with a `kind` and that kind's settings:

| kind | settings | holds when the reply |
|---|---|---|
| `words`, `lines`, `paragraphs`, `sentences`, `bullets`, `characters` | `min`, `max` or `exactly` | has that many |
| `include` | `texts`, `min` (1) | has each text at least so often, as whole words, case ignored |
| `exclude` | `texts` | has none of them |
| `starts_with`, `ends_with` | `text` | begins or ends so (case ignored, white space aside) |
| `case` | `to`: `lower` or `upper` | has no letter of the other case |
| `json` | `keys` (none) | is one JSON value, an object with these keys if any; a code fence around it is allowed |
| `quoted` | | stands in double quotes |
| `regex` | `pattern` | matches somewhere |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from weigh.protocols import ScoreContext
from weigh.records.errors import suggest
from weigh.records.score import Score
from weigh.score.base import BaseScorer, reply, scorer_error


class InstructionScorer(BaseScorer, frozen=True, kw_only=True):
    """1 if the reply keeps all constraints, else 0. Metadata: which ones it kept.

    Attributes:
        loose: Also accept what keeps a constraint once a first line ("Sure, here it is:"), a last line, or Markdown's
            marks are taken away. Named `instruction:loose`.
        partial: Give the share of constraints kept instead.
    """

    name: str = ""
    loose: bool = False
    partial: bool = False
    timeout: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        if not self.name:
            name = "instruction" + (":loose" if self.loose else "") + (":partial" if self.partial else "")
            msgspec.structs.force_setattr(self, "name", name)

    async def score(self, context: ScoreContext) -> Score:
        constraints = context.instance.inputs.get("constraints")
        if not constraints:
            raise scorer_error("the instance has no constraints (inputs['constraints'])", code="no_constraints")
        text = reply(context)
        texts = _variants(text) if self.loose else (text,)
        kept = [any(holds(constraint, t) for t in texts) for constraint in constraints]
        broken = [str(c.get("kind")) for c, k in zip(constraints, kept, strict=True) if not k]
        value = sum(kept) / len(kept) if self.partial else float(all(kept))
        return Score(
            value=value,
            explanation="all kept" if not broken else f"broken: {', '.join(broken)}",
            metadata={"kept": kept},
        )


def holds(constraint: dict[str, Any], text: str) -> bool:
    """Whether a text keeps one constraint. An empty text keeps none. Raises `Failure` for an unknown kind."""
    kind = str(constraint.get("kind"))
    if kind not in _KINDS:
        raise scorer_error(f"unknown kind of constraint {kind!r}{suggest(kind, _KINDS)}", code="constraint")
    if not text.strip():
        return False
    try:
        return _KINDS[kind](constraint, text.strip())
    except KeyError as error:
        raise scorer_error(f"constraint {kind!r} lacks the setting {error}", code="constraint") from None


def count_sentences(text: str) -> int:
    """Runs of text that end in a full stop, question or exclamation mark (or the end); `3.14` ends none."""
    return len([part for part in re.split(r"[.!?…。！？]+[\"')\]]*(?:\s+|$)", text) if re.search(r"\w", part)])


def _count(constraint: dict[str, Any], number: int) -> bool:
    if not {"min", "max", "exactly"} & constraint.keys():
        raise KeyError("min, max or exactly")
    exactly = constraint.get("exactly", number)
    return bool(number == exactly and constraint.get("min", number) <= number <= constraint.get("max", number))


def _occurrences(text: str, wanted: str) -> int:
    before = r"(?<!\w)" if wanted[:1].isalnum() else ""
    after = r"(?!\w)" if wanted[-1:].isalnum() else ""
    return len(re.findall(before + re.escape(wanted) + after, text, re.IGNORECASE))


def _texts(constraint: dict[str, Any]) -> list[str]:
    texts = constraint["texts"]
    return [texts] if isinstance(texts, str) else list(texts)


def _is_json(constraint: dict[str, Any], text: str) -> bool:
    fenced = re.fullmatch(r"```\w*\s*\n(.*?)\n?```", text, re.DOTALL)
    try:
        value = msgspec.json.decode(fenced.group(1) if fenced else text)
    except msgspec.DecodeError:
        return False
    keys = constraint.get("keys", ())
    return not keys or (isinstance(value, dict) and set(keys) <= value.keys())


def _case(constraint: dict[str, Any], text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and text == (text.lower() if constraint["to"] == "lower" else text.upper())


_KINDS: dict[str, Callable[[dict[str, Any], str], bool]] = {
    "words": lambda c, t: _count(c, len(re.findall(r"\S*\w\S*", t))),
    "characters": lambda c, t: _count(c, len(t)),
    "lines": lambda c, t: _count(c, len([line for line in t.splitlines() if line.strip()])),
    "paragraphs": lambda c, t: _count(c, len([p for p in re.split(r"\n\s*\n", t) if p.strip()])),
    "sentences": lambda c, t: _count(c, count_sentences(t)),
    "bullets": lambda c, t: _count(c, len(re.findall(r"^\s*(?:[-*•]|\d+[.)])\s+\S", t, re.MULTILINE))),
    "include": lambda c, t: all(_occurrences(t, x) >= c.get("min", 1) for x in _texts(c)),
    "exclude": lambda c, t: not any(_occurrences(t, x) for x in _texts(c)),
    "starts_with": lambda c, t: t.casefold().startswith(c["text"].strip().casefold()),
    "ends_with": lambda c, t: t.casefold().endswith(c["text"].strip().casefold()),
    "case": _case,
    "json": _is_json,
    "quoted": lambda c, t: len(t) > 1 and t[0] == t[-1] == '"',
    "regex": lambda c, t: re.search(c["pattern"], t) is not None,
}


def _variants(text: str) -> tuple[str, ...]:
    """The text, and what is left of it without its first line, its last line, both; each also without Markdown."""
    lines = text.strip().split("\n")
    cut = [text, "\n".join(lines[1:]), "\n".join(lines[:-1]), "\n".join(lines[1:-1])]
    plain = [re.sub(r"\*+|`+|^#+\s*", "", t, flags=re.MULTILINE) for t in cut]
    return tuple(t.strip() for t in dict.fromkeys(cut + plain) if t.strip())
