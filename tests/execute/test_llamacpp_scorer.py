"""The tree of token sequences, against a small deterministic model that knows exactly what each sequence holds."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from weigh.execute.providers.llama_gguf import read_header
from weigh.execute.providers.llama_scorer import Entry, Line, Scorer, encode, shared_beginning, tree_size
from weigh.records.errors import DataError

VOCAB = 11


def logits_after(tokens: Sequence[int]) -> NDArray[np.float32]:
    return np.random.default_rng(hash(tuple(tokens)) % 2**32).normal(size=VOCAB).astype(np.float32)


def truth(line: Line) -> float:
    total = 0.0
    for i in range(line.start, len(line.tokens)):
        logits = logits_after(line.tokens[:i]).astype(np.float64)
        total += logits[line.tokens[i]] - math.log(np.exp(logits).sum())
    return total


class ToyEngine:
    """Holds sequences as lists of tokens and refuses what a real cache would get wrong."""

    n_ctx, n_seq, first_token = 10_000, 64, 0

    def __init__(self) -> None:
        self.sequences: dict[int, list[int]] = {}
        self.decoded = 0

    def tokenize(self, text: str) -> list[int]:
        return [ord(c) % VOCAB for c in text]

    def decode(self, entries: Sequence[Entry], use: Callable[[int, NDArray[np.float32]], None]) -> None:
        self.decoded += len(entries)
        for i, (token, position, sequences, wanted) in enumerate(entries):
            held = {tuple(self.sequences.get(s, [])) for s in sequences}
            assert len(held) == 1, "sequences that share a token must share all before it"
            (before,) = held
            assert len(before) == position, "positions must be consecutive"
            for s in sequences:
                self.sequences.setdefault(s, []).append(token)
            if wanted:
                use(i, logits_after((*before, token)))

    def clear(self) -> None:
        self.sequences.clear()

    def keep(self, sequence: int, length: int) -> None:
        self.sequences[sequence] = self.sequences.get(sequence, [])[:length]

    def copy(self, source: int, target: int, length: int) -> None:
        assert not self.sequences.get(target)
        self.sequences[target] = self.sequences[source][:length]


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_gives_what_one_at_a_time_gives(seed: int) -> None:
    draw = random.Random(seed)
    engine = ToyEngine()
    scorer = Scorer(engine)
    for _ in range(6):
        few = tuple(draw.choices(range(3), k=draw.choice([0, 5, 9])))
        lines = []
        for _ in range(draw.randint(1, 5)):
            context = (0, *few, *draw.choices(range(2), k=draw.randint(0, 4)))
            lines += [Line(context + tuple(draw.choices(range(2), k=draw.randint(1, 4))), len(context)) for _ in "abc"]
        assert scorer.score(lines) == pytest.approx([truth(line) for line in lines])


def test_a_shared_beginning_is_computed_once_and_kept_for_the_next_batch() -> None:
    engine = ToyEngine()
    scorer = Scorer(engine)
    few = tuple(i % 5 for i in range(100))
    scorer.score([Line((*few, 1, choice, 7), 101) for choice in (2, 3, 4)])
    assert engine.decoded == 100 + 1 + 3
    scorer.score([Line((*few, 2, choice, 7), 101) for choice in (2, 3, 4)])
    assert engine.decoded == 104 + 1 + 3


def test_the_same_line_is_remembered() -> None:
    engine = ToyEngine()
    scorer = Scorer(engine)
    first = scorer.score([Line((0, 1, 2), 1)])
    before = engine.decoded
    assert scorer.score([Line((0, 1, 2), 1)]) == first and engine.decoded == before


def test_a_failure_in_the_engine_leaves_no_wrong_cache() -> None:
    class Breaks(ToyEngine):
        broken = False

        def decode(self, entries: Sequence[Entry], use: Callable[[int, NDArray[np.float32]], None]) -> None:
            if self.broken:
                super().decode(entries[:3], lambda i, row: None)
                raise RuntimeError("no")
            super().decode(entries, use)

    engine = Breaks()
    scorer = Scorer(engine)
    scorer.score([Line((0, 1, 2, 3, 4), 3)])
    engine.broken = True
    with pytest.raises(RuntimeError):
        scorer.score([Line((0, 1, 5, 6, 7), 3)])
    engine.broken = False
    line = Line((0, 1, 5, 6, 8), 3)
    assert scorer.score([line]) == pytest.approx([truth(line)])


def test_where_a_continuation_begins() -> None:
    def words(text: str) -> list[int]:  # a token a word, its leading space included
        return [hash(word) % 1000 for word in text.replace(" ", "\0 ").split("\0") if word]

    plain = encode(words, 0, "the sky is", " blue today")
    assert plain.size == 2 and len(plain.tokens) == 5
    assert encode(words, 0, "the sky is ", "blue today") == plain  # the space moves over
    assert encode(words, 7, "", "blue") == Line((7, *words("blue")), 1)
    merged = encode(words, 7, "the", "re")  # the continuation merges into the context's only token
    assert merged.size == 1 and merged.tokens[0] == 7


def test_tree_size_counts_shared_beginnings_once() -> None:
    lines = [Line((1, 2, 3), 1), Line((1, 2, 4), 1), Line((5,), 0)]
    assert tree_size(lines) == 5


def test_short_unconditional_contexts_do_not_spoil_the_shared_beginning() -> None:
    lines = [Line((1, 2, 3, 4, 5, 6), 5), Line((1, 2, 3, 4, 9, 6), 5), Line((1, 8, 6), 2)]
    assert shared_beginning(lines) == (1, 2, 3, 4)


def test_what_is_no_gguf_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"PK\3\4" + b"\0" * 100)
    with pytest.raises(DataError, match="no GGUF file"):
        read_header(path)
    path.write_bytes(b"GGUF" + b"\3\0\0\0" + b"\0" * 8 + b"\xff" * 40)
    with pytest.raises(DataError, match="cannot be read"):
        read_header(path)
