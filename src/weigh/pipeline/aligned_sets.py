"""Aligned questions as sets: some of one task's, those of several tasks pooled, those of every context."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.pipeline.align import Aligned

ALL = "all questions"
"""The name of what is about the questions of several tasks together."""


def subset(pairs: Aligned, keep: Any) -> Aligned:
    """The aligned questions at some positions; what did not pair stays with the whole."""
    at = np.flatnonzero(keep)
    return msgspec.structs.replace(
        pairs,
        keys=pairs.keys[at],
        ids=pairs.ids[at],
        context=tuple(pairs.context[i] for i in at),
        a=pairs.a[at],
        b=pairs.b[at],
        epochs_a=[pairs.epochs_a[i] for i in at] if pairs.epochs_a else [],
        epochs_b=[pairs.epochs_b[i] for i in at] if pairs.epochs_b else [],
        clusters=None if pairs.clusters is None else pairs.clusters[at],
        failed_a=np.zeros(0),
        failed_b=np.zeros(0),
        timeouts_a=pairs.timeouts_a[at],
        timeouts_b=pairs.timeouts_b[at],
        only_a=(),
        only_b=(),
        changed=(),
        lost=(),
    )


def pool(aligned: Sequence[Aligned]) -> Aligned:
    """The questions of several tasks as those of one."""
    clusters = None
    if any(p.clusters is not None for p in aligned):
        clusters = np.concatenate([p.clusters if p.clusters is not None else p.keys for p in aligned])
    repeated = all(p.epochs_a or not p.n for p in aligned)
    return msgspec.structs.replace(
        subset(aligned[0], np.zeros(0, dtype=bool)),
        task=ALL,
        keys=np.concatenate([p.keys for p in aligned]),
        ids=np.concatenate([p.ids for p in aligned]),
        context=tuple(itertools.chain.from_iterable(p.context for p in aligned)),
        a=np.concatenate([p.a for p in aligned]),
        b=np.concatenate([p.b for p in aligned]),
        epochs_a=[e for p in aligned for e in p.epochs_a] if repeated else [],
        epochs_b=[e for p in aligned for e in p.epochs_b] if repeated else [],
        clusters=clusters,
        failed_a=np.concatenate([p.failed_a for p in aligned]),
        failed_b=np.concatenate([p.failed_b for p in aligned]),
        timeouts_a=np.concatenate([p.timeouts_a for p in aligned]),
        timeouts_b=np.concatenate([p.timeouts_b for p in aligned]),
    )


def in_every_context(aligned: dict[str, Aligned]) -> tuple[dict[str, Aligned], list[str]]:
    """Only the questions that are paired in every context that any task has; and the tasks of which none is left."""
    every = {context for pairs in aligned.values() for context in pairs.context}
    kept: dict[str, Aligned] = {}
    for name, pairs in aligned.items():
        held: dict[str, set[Any]] = {}
        own = [str(key).split("|")[0] for key in pairs.keys]
        for question, context in zip(own, pairs.context, strict=True):
            held.setdefault(question, set()).add(context)
        keep = np.array([held[question] == every for question in own], dtype=bool)
        if keep.all() and keep.size:
            kept[name] = pairs
        elif keep.any():
            kept[name] = msgspec.structs.replace(
                subset(pairs, keep), failed_a=pairs.failed_a, failed_b=pairs.failed_b, only_a=pairs.only_a,
                only_b=pairs.only_b, changed=pairs.changed, lost=pairs.lost,
            )  # fmt: skip
    return kept, [name for name in aligned if name not in kept]
