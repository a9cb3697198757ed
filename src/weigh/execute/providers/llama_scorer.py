"""Exact log-probabilities of given continuations: many questions in one batch, every shared beginning computed once.

The token sequences of a batch form a tree. Each node (a token after a given beginning) is computed once and belongs
to all sequences that pass through it; the logits at a node give the log-probability of the next token of each of
them. What the questions of a batch have in common (few-shot examples) stays in the cache for the next batch.

Where a continuation begins: context and continuation are tokenised as one text and split at the length of the
tokenised context; spaces at the end of the context are first moved to the continuation. (This is what lm-evaluation-
harness does, so that numbers can be compared.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

Entry = tuple[int, int, Sequence[int], bool]


class Engine(Protocol):
    """What computes: `llama_api.Model`."""

    n_ctx: int
    n_seq: int

    @property
    def first_token(self) -> int: ...

    def tokenize(self, text: str) -> list[int]: ...
    def decode(self, entries: Sequence[Entry], use: Callable[[int, NDArray[np.float32]], None]) -> None: ...
    def clear(self) -> None: ...
    def keep(self, sequence: int, length: int) -> None: ...
    def copy(self, source: int, target: int, length: int) -> None: ...


class Line(msgspec.Struct, frozen=True):
    """A token sequence of which the tokens from `start` on are scored; `start` is at least 1."""

    tokens: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """How many tokens are scored."""
        return len(self.tokens) - self.start


def encode(tokenize: Callable[[str], list[int]], first_token: int, context: str, continuation: str) -> Line:
    """Tokens of a continuation after a context, split as described at the top of this module."""
    text = context.rstrip()
    if len(text) < len(context):
        context, continuation = text, context[len(text) :] + continuation
    before = tokenize(context)
    whole = tokenize(context + continuation)
    if not before:  # a model that wants no token at the beginning, and an empty context
        return Line((first_token, *whole), 1)
    # A continuation that merges into the last token of its context would have nothing of its own to score.
    start = min(len(before), len(whole) - 1)
    return Line(tuple(whole), start) if start > 0 else Line((first_token, *whole), 1)


class Scorer:
    """Scores lines on an engine, keeping the common beginning of the last batch.

    Attributes:
        computed, reused: Tokens that went through the model, and tokens that did not have to, since the beginning.
    """

    def __init__(self, engine: Engine, *, remember: int = 20_000) -> None:
        self._engine = engine
        self._prefix: tuple[int, ...] = ()
        self._remember = remember
        self._known: OrderedDict[Line, float] = OrderedDict()
        self.computed = 0
        self.reused = 0

    def encode(self, context: str, continuation: str) -> Line:
        """See `encode`."""
        return encode(self._engine.tokenize, self._engine.first_token, context, continuation)

    def fits(self, lines: Sequence[Line], room: int) -> bool:
        """Whether the lines can be one batch when `room` tokens are left of the context."""
        return len(set(lines)) < self._engine.n_seq and tree_size(lines) <= room

    def score(self, lines: Sequence[Line]) -> list[float]:
        """The log-probability of each line's scored tokens, in nats, in the order given."""
        wanted = [line for line in dict.fromkeys(lines) if line not in self._known]
        if wanted:
            try:
                found = self._compute(wanted)
            except BaseException:
                self._engine.clear()
                self._prefix = ()
                raise
            self._known.update(zip(wanted, found, strict=True))
        values = [self._known[line] for line in lines]
        while len(self._known) > self._remember:
            self._known.popitem(last=False)
        return values

    def _compute(self, lines: Sequence[Line]) -> list[float]:
        engine = self._engine
        # Sequence 0 holds what stays; the lines are sequences 1, 2, ...
        kept = [min(common(self._prefix, line.tokens), line.start - 1) for line in lines]
        for sequence, (line, length) in enumerate(zip(lines, kept, strict=True), 1):
            if length:
                engine.copy(0, sequence, length)
            self.reused += len(line.tokens) - 1
        prefix = shared_beginning(lines)
        stays = common(self._prefix, prefix)
        engine.keep(0, stays)
        nodes, wants = _tree(lines, kept, prefix, stays)
        totals = [0.0] * len(lines)

        def use(index: int, logits: NDArray[np.float32]) -> None:
            top = float(logits.max())
            norm = top + float(np.log(np.exp(logits - top).sum(dtype=np.float64)))
            for line, token in wants[index]:
                totals[line] += float(logits[token]) - norm

        self._prefix = ()
        engine.decode(nodes, use)
        self.computed += len(nodes)
        self.reused -= len(nodes)
        for sequence in range(1, len(lines) + 1):
            engine.keep(sequence, 0)
        self._prefix = prefix
        return totals


def _tree(
    lines: Sequence[Line], kept: Sequence[int], prefix: tuple[int, ...], stays: int
) -> tuple[list[Entry], dict[int, list[tuple[int, int]]]]:
    """The nodes to compute, parents first, and by node the (line, next token) pairs that want its logits."""
    children: dict[tuple[int, int], int] = {}  # (node before or -1, token) -> node
    tokens: list[int] = []
    depths: list[int] = []
    members: list[list[int]] = []
    wants: dict[int, list[tuple[int, int]]] = {}
    for number, line in enumerate(lines):
        node = -1
        for depth, token in enumerate(line.tokens[:-1]):
            key = (node, token)
            if key not in children:
                children[key] = len(tokens)
                tokens.append(token)
                depths.append(depth)
                members.append([])
            node = children[key]
            if depth >= kept[number]:
                members[node].append(number + 1)
            if depth + 1 >= line.start:
                wants.setdefault(node, []).append((number, line.tokens[depth + 1]))
    node = -1
    for depth, token in enumerate(prefix):
        node = children[(node, token)]
        if depth >= stays:
            members[node].append(0)
    # A node without members is in the cache for everyone who passes through it.
    index = {old: new for new, old in enumerate(i for i in range(len(tokens)) if members[i])}
    nodes: list[Entry] = [(tokens[i], depths[i], members[i], i in wants) for i in index]
    return nodes, {index[i]: want for i, want in wants.items()}


def tree_size(lines: Sequence[Line]) -> int:
    """How many tokens have to be held for these lines, shared beginnings once."""
    ordered = sorted(line.tokens for line in lines)
    size = len(ordered[0]) if ordered else 0
    for before, tokens in pairwise(ordered):
        size += len(tokens) - common(before, tokens)
    return size


def shared_beginning(lines: Sequence[Line]) -> tuple[int, ...]:
    """What the contexts of the longer lines have in common; short ones (unconditional contexts) are left aside."""
    longest = max(line.start for line in lines)
    ends = [line.tokens[: line.start - 1] for line in lines if line.start * 2 >= longest]
    low, high = min(ends), max(ends)
    return low[: common(low, high)]


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences share at their beginning."""
    n = min(len(a), len(b))
    if a[:n] == b[:n]:
        return n
    return next(i for i in range(n) if a[i] != b[i])
