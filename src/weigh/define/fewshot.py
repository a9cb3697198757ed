"""Choosing few-shot examples that are never among the questions being scored.

Whether two questions are the same is decided by what is asked, not by id or position. Examples that cannot be had are
an error: a task asked for with three examples never runs with none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

import msgspec

from weigh.records.digest import digest
from weigh.records.errors import DataError
from weigh.records.instance import Instance


class FewShot(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen.

    Attributes:
        examples: In the order they are shown.
        scored: The questions that remain to be scored.
        origin: Where the examples came from, in words.
    """

    examples: tuple[Instance, ...]
    scored: list[Instance]
    origin: str = ""


def choose(
    count: int,
    seed: int,
    scored: list[Instance],
    *,
    fixed: Sequence[Instance] = (),
    pool: Callable[[], Iterable[Instance]] | None = None,
    pool_name: str = "",
    task: str = "",
) -> FewShot:
    """Choose `count` examples.

    Args:
        fixed: Examples written in the task; the first `count` are used and the seed plays no part.
        pool: Loads the instances of a separate source; those that are asked in `scored` are left out.
        pool_name: What to call that source in an error.

    Without either, `count` seeded instances leave the scored set. The first k of a seed's order are taken, so that
    three examples are the first three of five.

    Raises:
        DataError: There are fewer than `count`.
    """
    if count == 0:
        return FewShot(examples=(), scored=scored)
    if fixed:
        if len(fixed) < count:
            raise DataError(f"task {task!r}: {count} examples asked for, its fewshot_examples has {len(fixed)}")
        return _leave(tuple(fixed[:count]), scored, "written in the task", task)
    if pool is None:
        return _from_scored(count, seed, scored, task)
    asked = {_question(i) for i in scored}
    candidates = {_question(i): i for i in pool()}
    free = [i for key, i in candidates.items() if key not in asked]
    if len(free) < count:
        raise DataError(
            f"task {task!r}: {count} few-shot examples asked for, {pool_name} has {len(free)} that are not scored "
            f"themselves ({len(candidates)} in all)"
        )
    random.Random(seed).shuffle(free)
    return FewShot(examples=tuple(free[:count]), scored=scored, origin=pool_name)


def _from_scored(count: int, seed: int, scored: list[Instance], task: str) -> FewShot:
    distinct = list({_question(i): i for i in reversed(scored)}.values())[::-1]
    random.Random(seed).shuffle(distinct)
    if len(distinct) <= count:
        raise DataError(
            f"task {task!r}: {count} few-shot examples asked for, and there are only {len(distinct)} questions to take "
            "them from and to score; set fewshot_source or fewshot_split, or ask for fewer"
        )
    return _leave(tuple(distinct[:count]), scored, "taken out of the scored questions", task)


def _leave(examples: tuple[Instance, ...], scored: list[Instance], origin: str, task: str) -> FewShot:
    taken = {_question(e) for e in examples}
    rest = [i for i in scored if _question(i) not in taken]
    if not rest:
        raise DataError(f"task {task!r}: every question is also a few-shot example; nothing is left to score")
    gone = len(scored) - len(rest)
    return FewShot(examples=examples, scored=rest, origin=origin + (f" ({gone} left it)" if gone else ""))


def _question(instance: Instance) -> str:
    """What is asked; the answer is no part of it, so the same question with another answer is still the same."""
    return digest([instance.question, instance.choices, instance.inputs])
