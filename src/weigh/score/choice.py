"""Multiple choice: which continuation the model finds likeliest, how sure it is, and how many bits the right one costs.

Longer choices are less likely simply for being longer, so the log-probability may be divided by a length
(`token`, `character`, `byte`), or the choice's probability without the question be taken out (`unconditional`, Brown
et al. 2020, 2.4). Lengths are those of the continuation without the space that joins it to the context.
"""

from __future__ import annotations

import math
import re
from typing import ClassVar, Literal

import msgspec

from weigh.protocols import ScoreContext
from weigh.records.instance import Instance
from weigh.records.request import Continuation, LoglikelihoodRequest
from weigh.records.score import Score
from weigh.score.base import NOT_FOUND, BaseScorer, reply, scorer_error
from weigh.score.extract import Rules, check_rules, find_answer

Normalization = Literal["none", "token", "character", "byte", "unconditional"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class ChoiceScorer(BaseScorer, frozen=True, kw_only=True):
    """1 if a right choice is the likeliest continuation, else 0. A tie for the first place is no match.

    Metadata: `picked` (index), `margin` (the best right choice's value minus the best wrong one's, in nats per unit),
    `probability` (of the right choices among all, from the normalised values).
    """

    name: str = ""
    normalization: Normalization = "none"
    timeout: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        if not self.name:
            name = "choice" if self.normalization == "none" else f"choice:{self.normalization}"
            msgspec.structs.force_setattr(self, "name", name)

    async def score(self, context: ScoreContext) -> Score:
        texts, continuations = _continuations(context)
        if len(texts) < 2:
            raise scorer_error("a choice needs at least two continuations", code="too_few_choices")
        gold = gold_indices(context.instance, len(texts))
        values = [self._value(t, c) for t, c in zip(texts, continuations, strict=True)]
        best = max(values)
        if best == -math.inf:
            raise scorer_error("every continuation has probability 0", code="nan")
        picked = values.index(best)
        tie = values.count(best) > 1
        right = max(values[i] for i in gold)
        wrong = max((v for i, v in enumerate(values) if i not in gold), default=-math.inf)
        weights = [math.exp(v - best) for v in values]
        metadata: dict[str, object] = {
            "picked": picked,
            "probability": sum(weights[i] for i in gold) / sum(weights),
        }
        if math.isfinite(right) and math.isfinite(wrong):
            metadata["margin"] = right - wrong
        if tie:
            metadata["tie"] = True
        return Score(value=float(picked in gold and not tie), answer=texts[picked].strip(), metadata=metadata)

    def _value(self, text: str, continuation: Continuation) -> float:
        logprob = continuation.logprob
        if math.isnan(logprob) or logprob == math.inf:
            raise scorer_error(f"the log-probability of {text!r} is {logprob}", code="nan")
        match self.normalization:
            case "none":
                return logprob
            case "token":
                return logprob / max(1, continuation.num_tokens)
            case "character":
                return logprob / max(1, len(text.strip()))
            case "byte":
                return logprob / max(1, len(text.strip().encode()))
            case "unconditional":
                if continuation.unconditional_logprob is None:
                    raise scorer_error(
                        "no unconditional log-probability: the formatter has to ask for one", code="no_unconditional"
                    )
                return logprob - continuation.unconditional_logprob


class BitsPerByteScorer(BaseScorer, frozen=True, kw_only=True):
    """How many bits each byte of the right continuation costs the model: -log2 p / bytes. Lower is better.

    The bytes are all that was scored, the joining space included. With several right choices the first counts.
    """

    name: str = "bits_per_byte"
    no_match: ClassVar[float | None] = None
    lower_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float] | None] = None
    timeout: ClassVar[float | None] = None

    async def score(self, context: ScoreContext) -> Score:
        texts, continuations = _continuations(context)
        index = 0 if len(texts) == 1 else min(gold_indices(context.instance, len(texts)))
        length = len(texts[index].encode())
        if not length:
            raise scorer_error("the right continuation is empty", code="no_gold")
        bits = -continuations[index].logprob / math.log(2)
        return Score(
            value=bits / length,
            answer=texts[index].strip(),
            metadata={"bits": bits, "bytes": length, "tokens": continuations[index].num_tokens},
        )


class ChoiceLetterScorer(BaseScorer, frozen=True, kw_only=True):
    """1 if the letter a reply names is the right one, else 0: `The answer is (B)`, `**B**`, `B. Paris`.

    Without a letter, a reply that is exactly one choice's text counts as that choice.
    """

    name: str = "choice_letter"
    extract: Rules = None
    timeout: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check_rules(self.extract, f"scorer {self.name!r}")

    async def score(self, context: ScoreContext) -> Score:
        instance = context.instance
        count = len(instance.choices) or 26
        gold = gold_indices(instance, count)
        text = find_answer(reply(context), self.extract)
        picked = None if text is None else find_letter(text, instance.choices)
        if picked is None or picked >= count:
            return Score(value=0.0, explanation=NOT_FOUND)
        return Score(value=float(picked in gold), answer=LETTERS[picked], metadata={"picked": picked})


_NAMED = re.compile(
    r"\b(?:answer|choice|option)\b(?:\s+(?:is|would\s+be))?\s*:?\s*(?:\$?\\boxed\{|\*\*|option\s+|choice\s+|[\s(\[\"'$])*"
    r"([A-Z])(?![\w'])",
    re.IGNORECASE,
)
_LEADING = re.compile(r"^\s*(?:\*\*|[(\[\"'])*([A-Z])(?:\*\*|[)\].:,\"'])*(?=\s|$)")
_BOXED = re.compile(r"\\boxed\{(?:\\text\{)?\(?([A-Z])\)?\}?\}")


def find_letter(text: str, choices: tuple[str, ...] = ()) -> int | None:
    """The index of the choice that a reply names, or None: boxed, after "answer is", in front, alone on a line."""
    for pattern in (_BOXED, _NAMED):
        found = [m.group(1) for m in pattern.finditer(text)]
        # "the answer is a bird": a small `a` in the middle of a sentence is an article.
        found = [f for f in found if f.isupper() or (len(text.strip()) < 24 and f != "a")]
        if found:
            return LETTERS.index(found[-1].upper())
    wanted = text.strip().rstrip(".").casefold()
    for index, choice in enumerate(choices):
        if wanted == choice.strip().rstrip(".").casefold():
            return index
    lines = [line for line in text.splitlines() if line.strip()]
    if lines:
        leading = _LEADING.match(lines[0])
        # "A bird is ..." begins with an article, "A. bird" and "A" with a letter.
        if leading and (leading.group(1) not in "AI" or leading.end() == len(lines[0].rstrip()) or _marked(leading)):
            return LETTERS.index(leading.group(1))
        alone = re.fullmatch(r"\W*([A-Z])\W*", lines[-1])
        if alone:
            return LETTERS.index(alone.group(1))
    return None


def _marked(match: re.Match[str]) -> bool:
    return bool(re.search(r"[)\].:*]", match.group(0)))


def gold_indices(instance: Instance, count: int) -> frozenset[int]:
    """The right choices by index. The gold answer is an index from 0, a choice's text, a letter, or a list of these."""
    gold = instance.gold_answer
    found = frozenset(_index(instance, g) for g in (gold if isinstance(gold, (list, tuple)) else (gold,)))
    if not found or any(not 0 <= i < count for i in found):
        raise scorer_error(f"the gold answer {gold!r} names none of {count} choices", code="no_gold")
    return found


def _index(instance: Instance, gold: object) -> int:
    if isinstance(gold, bool):
        return int(gold)
    if isinstance(gold, int):
        return gold
    if isinstance(gold, str):
        if gold in instance.choices:
            return instance.choices.index(gold)
        if len(gold.strip()) == 1 and gold.strip().upper() in LETTERS:
            return LETTERS.index(gold.strip().upper())
    return -1


def _continuations(context: ScoreContext) -> tuple[tuple[str, ...], tuple[Continuation, ...]]:
    request, found = context.trajectory.request, context.trajectory.output.continuations
    if not isinstance(request, LoglikelihoodRequest):
        raise scorer_error("the request asked for no log-probabilities of continuations", code="wrong_request")
    if len(found) != len(request.continuations):
        raise scorer_error(
            f"{len(request.continuations)} continuations were asked for, {len(found)} came", code="wrong_output"
        )
    return request.continuations, found
