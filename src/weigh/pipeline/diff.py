"""`weigh diff`: the questions on which two arms differ, one by one, with what each answered.

A mean hides which questions were won and lost. Which questions count is decided by the same pairing that `weigh
compare` tests, so its wins and losses are exactly the questions listed here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from weigh.pipeline.align import Aligned, align
from weigh.pipeline.answers import KeyMaker, Question, answer, choices, digest_of, read_trials_of, serving, target
from weigh.pipeline.metrics import pick_metric
from weigh.pipeline.questions import Errors
from weigh.pipeline.sides import Member, Side, contexts, find_sides, open_sides
from weigh.pipeline.task_pairs import refuse_versions, task_pairs
from weigh.records.arm import Axis
from weigh.records.errors import DefinitionError, suggest
from weigh.records.run import MetricInfo, TaskInfo
from weigh.store.dataset import Dataset
from weigh.store.layout import Store

Show = Literal["flips", "won", "lost", "changed", "all"]
Sort = Literal["change", "id", "similarity", "tokens"]
SHOWS: tuple[Show, ...] = get_args(Show)
SORTS: tuple[Sort, ...] = get_args(Sort)

Served = Mapping[tuple[Axis, ...], tuple[Member, TaskInfo]]
Said = tuple[tuple[str, ...], int]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Which questions, and in which order.

    Attributes:
        task: A spec or base name; None where the two share one task only.
        metric: A metric (or a cost); None for the task's first.
        show: `flips` (another score), `won` and `lost` (B better, B worse), `changed` (another output, whatever the
            score), `all`.
        sort: `change` (largest change of the score first), `id`, `similarity` (least alike outputs first), `tokens`
            (where B took most more tokens first).
        limit: The most to return; None for all.
        instance: Only this question, whatever happened to it.
        errors: How failed trials count.
    """

    task: str | None = None
    metric: str | None = None
    show: Show = "flips"
    sort: Sort = "change"
    limit: int | None = 10
    instance: str | None = None
    errors: Errors = "exclude"


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """Two arms' answers to the questions of one task.

    Attributes:
        a, b: Labels; `won` means that B is better.
        paired, won, lost, tied: Questions.
        changed: Questions with another output; None where that was not looked at.
        matching: Questions that match what was asked for, before the limit.
        questions: Those shown, in order.
        unpaired: Ids of what could not be paired, by reason.
        notes: Lines for people.
    """

    a: str
    b: str
    task: str
    metric: MetricInfo
    paired: int
    won: int
    lost: int
    tied: int
    matching: int
    questions: tuple[Question, ...]
    changed: int | None = None
    unpaired: dict[str, tuple[str, ...]] = {}
    options: Options = Options()
    notes: tuple[str, ...] = ()


def diff(store: Store, words: Sequence[str], options: Options | None = None) -> Diff:
    """Lay the answers of two arms side by side.

    Raises:
        StoreError, DefinitionError: See `find_sides` and `task_pairs`; several tasks and none named; no such question.
    """
    options = options or Options()
    sides = find_sides(store, words)
    if len(sides) != 2:
        names = ", ".join(s.label for s in sides)
        raise DefinitionError(f"a diff takes two arms, and there are {len(sides)}: {names}; name two of them")
    a, b = sides
    name, ours, theirs = _one_task(a, b, options.task)
    refuse_versions(name, ours, theirs)
    metric = pick_metric(ours, options.metric)
    with open_sides(store, sides) as data:
        pairs = align(data, a, b, name, ours, theirs, metric, errors=options.errors)
        rest = contexts(sides)
        return _diff(data, a, b, pairs, (serving(a, ours, rest), serving(b, theirs, rest)), options)


def _one_task(a: Side, b: Side, wanted: str | None) -> tuple[str, list[TaskInfo], list[TaskInfo]]:
    found = task_pairs(a, b, (wanted,) if wanted else ())
    exact = [one for one in found if one[0] == wanted]
    if len(found) > 1 and len(exact) != 1:
        names = [one[0] for one in found]
        shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
        raise DefinitionError(f"{a.label} and {b.label} share {len(found)} tasks; name one with --task: {shown}")
    return (exact or found)[0]


def _diff(data: Dataset, a: Side, b: Side, pairs: Aligned, served: tuple[Served, Served], options: Options) -> Diff:
    sign = -1.0 if pairs.metric.lower_is_better else 1.0
    gain = sign * (pairs.b - pairs.a)
    said = None
    if options.show == "changed" or options.sort in ("similarity", "tokens"):
        said = [_said(data, one, pairs.metric) for one in served]
    different = [said[0].get(k) is None or said[0][k][0] != said[1][k][0] for k in pairs.keys] if said else None
    matches: dict[str, Callable[[int], bool]] = {
        "flips": lambda i: gain[i] != 0,
        "won": lambda i: gain[i] > 0,
        "lost": lambda i: gain[i] < 0,
        "changed": lambda i: different is not None and different[i],
        "all": lambda i: True,
    }
    if options.instance is not None:
        at = _places(pairs, options.instance)
    else:
        at = [i for i in range(pairs.n) if matches[options.show](i)]
        at.sort(key=_order(pairs, gain, said, options.sort))
    shown = at if options.limit is None else at[: options.limit]
    keys = [(pairs.keys[i], pairs.context[i]) for i in shown]
    trials_a, trials_b = (read_trials_of(data, one, keys) for one in served)
    questions = []
    for i in shown:
        key = pairs.keys[i]
        first, second = trials_a[key], trials_b[key]
        questions.append(
            Question(
                id=str(pairs.ids[i]),
                context=pairs.context[i],
                change="won" if gain[i] > 0 else "lost" if gain[i] < 0 else "tied",
                value_a=float(pairs.a[i]),
                value_b=float(pairs.b[i]),
                question=first[0].instance.question,
                target=target(first[0]),
                a=tuple(answer(t, pairs.metric) for t in first),
                b=tuple(answer(t, pairs.metric) for t in second),
                choices=choices(first[0], second[0], pairs.metric),
            )
        )
    won, lost = int((gain > 0).sum()), int((gain < 0).sum())
    made = Diff(
        a=a.label,
        b=b.label,
        task=pairs.task,
        metric=pairs.metric,
        paired=pairs.n,
        won=won,
        lost=lost,
        tied=pairs.n - won - lost,
        changed=sum(different) if different is not None else None,
        matching=len(at),
        questions=tuple(questions),
        unpaired={reason: ids for reason, ids in unpaired(pairs).items() if ids},
        options=options,
    )
    return msgspec.structs.replace(made, notes=tuple(_notes(made, pairs)))


def unpaired(pairs: Aligned) -> dict[str, tuple[str, ...]]:
    """Ids of what did not pair, by reason."""
    return {
        "only in A": pairs.only_a,
        "only in B": pairs.only_b,
        "with changed content": pairs.changed,
        "without an answer, since trials failed": pairs.lost,
    }


def _places(pairs: Aligned, wanted: str) -> list[int]:
    """Where a question lies; with several contexts it lies in several places."""
    at = [i for i, name in enumerate(pairs.ids) if str(name) == wanted]
    if at:
        return at
    for reason, ids in unpaired(pairs).items():
        if wanted in ids:
            raise DefinitionError(f"question {wanted!r} of {pairs.task} cannot be laid side by side: it is {reason}")
    known = [str(name) for name in pairs.ids]
    hint = suggest(wanted, known) or (f" (ids look like {', '.join(known[:3])})" if known else "")
    raise DefinitionError(f"{pairs.task} has no question {wanted!r} that both arms answered{hint}")


def _order(
    pairs: Aligned, gain: Any, said: Sequence[Mapping[str, Said]] | None, sort: Sort
) -> Callable[[int], tuple[Any, ...]]:
    if sort == "id":
        return lambda i: natural(pairs.ids[i])
    if sort == "change" or said is None:
        # Losses before wins of the same size: what got worse is what one has to look at.
        return lambda i: (-abs(gain[i]), gain[i] > 0, natural(pairs.ids[i]))
    first, second = said
    keys = pairs.keys
    if sort == "tokens":
        return lambda i: (first[keys[i]][1] - second[keys[i]][1], natural(pairs.ids[i]))
    return lambda i: (
        likeness("\n".join(first[keys[i]][0]), "\n".join(second[keys[i]][0])),
        natural(pairs.ids[i]),
    )


def natural(name: object) -> tuple[str | int, ...]:
    """Ids in the order of a person: q2 before q10."""
    return tuple(int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", str(name))))


def likeness(one: str, other: str) -> float:
    """From 0 (no word in common) to 1 (the same), by the words that two texts share; order does not count."""
    if one == other:
        return 1.0
    first, second = (re.findall(r"\w+", text) for text in (one, other))
    return difflib.SequenceMatcher(None, first, second, autojunk=False).quick_ratio()


def _said(data: Dataset, served: Served, metric: MetricInfo) -> dict[str, Said]:
    """Of every question: what was said in each epoch (the text, and what the scorer took from it), and the tokens."""
    found: dict[str, Said] = {}
    path = "$.scores." + msgspec.json.encode(metric.scorer).decode() + ".answer"
    for context, (member, task) in served.items():
        keys = KeyMaker(context)
        rows = data.sql(
            "select instance_digest, instance_id, answer, json_extract_string(record, ?) as extracted, "
            "json_extract_string(record, '$.trajectory.output.tool_calls') as calls, "
            "coalesce(new, 0) + coalesce(cached, 0) + coalesce(generated, 0) as tokens from trials "
            "where run = ? and arm = ? and task = ? and variant = ? order by instance_digest, instance_id, epoch, id",
            [path, member.run.id, member.arm.id, task.name, task.variant],
        )
        for row in rows:
            key = keys.key(row["instance_digest"], row["instance_id"])
            texts, tokens = found.get(key, ((), 0))
            # A ranking has no text; what it says is the pick, which is what the scorer extracted.
            text = (row["answer"] or row["extracted"] or "") + (row["calls"] or "")
            found[key] = ((*texts, text), tokens + row["tokens"])
    return found


def _notes(made: Diff, pairs: Aligned) -> list[str]:
    lines = [
        f"{len(ids)} questions {reason}: {', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''}"
        for reason, ids in made.unpaired.items()
    ]
    if not pairs.n:
        return [*lines, f"{made.a} and {made.b} have no question of {made.task} in common: nothing to show"]
    contents = len({digest_of(k) for k in pairs.keys})
    if contents < pairs.n and not any(pairs.context):
        lines.append(
            f"{pairs.n - contents} questions repeat the content of others; they pair in the order of their ids"
        )
    values = {*pairs.a.tolist(), *pairs.b.tolist()}
    if not values <= {0.0, 1.0} and made.options.show in ("flips", "won", "lost") and not pairs.epochs_a:
        lines.append(f"{made.metric.name} is not right or wrong: every difference counts")
    if not made.matching and made.options.instance is None:
        lines.append(_nothing(made))
    return lines


def _nothing(made: Diff) -> str:
    match made.options.show:
        case "flips":
            return (
                f"no flips: both arms have the same score on all {made.paired} questions; "
                "--changed shows where their outputs differ"
            )
        case "won":
            return f"B won no question ({made.lost} lost, {made.tied} tied)"
        case "lost":
            return f"B lost no question ({made.won} won, {made.tied} tied)"
        case _:
            return f"both arms gave the same output on all {made.paired} questions"
