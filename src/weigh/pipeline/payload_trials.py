"""The trials of a report as columns, and their whole records in chunks that are loaded when somebody looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from weigh.pipeline.diff import natural
from weigh.pipeline.payload_given import GivenMetadata, GivenTexts
from weigh.pipeline.report_source import CachedDataset, Source
from weigh.records.trial import OK, join_spec
from weigh.store.columns import MEASURES
from weigh.store.layout import Store

Traces = Literal["all", "failed", "none"]
CHUNK_BYTES = 400_000
"""Of records in one chunk, before compression: what a reader waits for when looking at one trial."""
TEXT_BYTES = 2_400_000
"""Of outputs kept in the index, for searching, before compression."""
QUESTION = 600
"""Characters of a question kept in the index."""

_TRIALS = f"""
select run, arm, task, variant, instance_id, instance_digest, cluster, id, epoch, status, error_kind, error_message,
       {", ".join(f'"{name}"' for name in MEASURES)}, scores, reused, record
from trials where (run, arm) in ({{arms}}) order by task, variant, instance_digest, instance_id, epoch, run, arm, id
"""


class _Instance(msgspec.Struct):
    question: str = ""
    gold_answer: Any = None
    choices: list[str] = []
    metadata: dict[str, Any] = {}
    inputs: dict[str, Any] = {}


class _Score(msgspec.Struct):
    answer: str | None = None


class _Call(msgspec.Struct):
    name: str = ""


class _Output(msgspec.Struct):
    text: str = ""
    tool_calls: list[_Call] = []


class _Trajectory(msgspec.Struct):
    output: _Output
    artifacts: dict[str, str] = {}
    metadata: GivenMetadata = GivenMetadata()


class _Brief(msgspec.Struct):
    """The part of a trial that the index holds."""

    instance: _Instance
    scores: dict[str, _Score] = {}
    trajectory: _Trajectory | None = None


_decode = msgspec.json.Decoder(_Brief).decode


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Neighbouring trials as one JSON array; behind the last ones the texts they were given."""

    first: int
    count: int
    data: bytes


class Texts:
    """Texts kept once, by place."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, texts: Iterable[str | None]) -> list[int]:
        """The places of texts; -1 for none."""
        return [-1 if text is None else self._place(text) for text in texts]

    def _place(self, text: str) -> int:
        place = self._places.get(text)
        if place is None:
            place = self._places[text] = len(self.kept)
            self.kept.append(text)
        return place


class Trials(msgspec.Struct, kw_only=True):
    """The columns, one entry a trial, ordered by question.

    Attributes:
        columns: Numbers and places in `texts`, `instances`; arms and tasks by their place in the source.
        instances: The questions.
        chunks: Where records lie; empty without traces.
        given: Digest of a text that trials were given -> its chunk.
        skills: Place of an arm -> name of a Skill -> the way it got it.
        cut: Outputs longer than this are cut in the index; None when none is.
        unscored: Trials of which a scorer failed.
    """

    columns: dict[str, list[Any]]
    scores: dict[str, list[float | None]]
    texts: list[str]
    instances: list[dict[str, Any]]
    chunks: list[Chunk]
    given: dict[str, int]
    skills: dict[int, dict[str, str]]
    cut: int | None
    unscored: int = 0


def collect_trials(store: Store, data: CachedDataset, source: Source, tasks: Sequence[str], traces: Traces) -> Trials:
    """Read every trial once. Raises `StoreError` when what they were given cannot be read."""
    arms = {(m.run.id, m.arm.id): i for i, m in enumerate(source.members)}
    specs = {spec: i for i, spec in enumerate(tasks)}
    total = int(data.sql("select count(*) as n from trials")[0]["n"])
    limit = max(80, min(4_000, TEXT_BYTES // max(1, total)))
    texts = Texts()
    names = ("id", "arm", "task", "instance", "epoch", "status", "error", "answer", "output", "chunk", *MEASURES)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    scores: dict[str, list[float | None]] = {}
    instances: list[dict[str, Any]] = []
    places: dict[tuple[str, str, str], int] = {}
    chunker = _Chunker()
    given = GivenTexts()
    cut = False
    count = unscored = 0
    query = _TRIALS.format(arms=", ".join(["(?, ?)"] * len(arms)))
    for part in data.batches(query, [name for pair in arms for name in pair]):
        briefs = [_decode(record) for record in part["record"]]
        task = [join_spec(name, variant or "") for name, variant in zip(part["task"], part["variant"], strict=True)]
        questions = list(zip(task, part["instance_digest"], part["instance_id"], strict=True))
        for row, where in enumerate(questions):
            if where not in places:
                places[where] = len(instances)
                instances.append(_instance(specs[where[0]], where[2], part["cluster"][row], briefs[row].instance))
        outputs = [_output(brief) for brief in briefs]
        cut = cut or max(map(len, outputs)) > limit
        wanted = [_wanted(traces, status) for status in part["status"]]
        arm = [arms[pair] for pair in zip(part["run"], part["arm"], strict=True)]
        for place, brief, asked in zip(arm, briefs, wanted, strict=True):
            if brief.trajectory is not None:
                made = brief.trajectory
                given.add(place, made.metadata, made.artifacts if asked else {})
        new: dict[str, Sequence[Any]] = {
            "id": part["id"],
            "arm": arm,
            "task": [specs[spec] for spec in task],
            "instance": [places[where] for where in questions],
            "epoch": part["epoch"],
            "status": texts.add(part["status"]),
            "error": texts.add(map(_error, part["error_kind"], part["error_message"])),
            "answer": texts.add(map(_answer, briefs)),
            "output": texts.add(text[:limit] for text in outputs),
            "chunk": [
                chunker.add(record) if asked else -1 for record, asked in zip(part["record"], wanted, strict=True)
            ],
            **{name: part[name] for name in MEASURES},
        }
        for name in names:
            columns[name] += new[name]
        scored = [found or {} for found in part["scores"]]
        for scorer in dict.fromkeys(name for found in scored for name in found):
            scores.setdefault(scorer, [None] * count)
        count += len(scored)
        unscored += sum(None in found.values() for found in scored)
        for scorer, own in scores.items():
            own += [found.get(scorer) for found in scored]
    _in_natural_order(columns, instances)
    # What nobody knows of any trial takes no room.
    columns = {k: v for k, v in columns.items() if k not in MEASURES or any(n is not None for n in v)}
    places_given = {key: chunker.add(record) for key, record in given.records(store.open(source.runs[0].id))}
    return Trials(
        columns=columns, scores=scores, texts=texts.kept, instances=instances, chunks=chunker.finish(),
        given=places_given, skills=given.skills, cut=limit if cut else None, unscored=unscored,
    )  # fmt: skip


def _in_natural_order(columns: dict[str, list[Any]], instances: list[dict[str, Any]]) -> None:
    """Questions as a person counts them: by task, q2 before q10."""
    order = sorted(range(len(instances)), key=lambda i: (instances[i]["task"], natural(instances[i]["id"])))
    rank = {place: i for i, place in enumerate(order)}
    instances[:] = [instances[i] for i in order]
    columns["instance"] = [rank[i] for i in columns["instance"]]


def _wanted(traces: Traces, status: str) -> bool:
    return traces == "all" or (traces == "failed" and status != OK)


def _error(kind: str | None, message: str | None) -> str | None:
    return f"{kind}: {message}"[:300] if kind else None


def _output(brief: _Brief) -> str:
    """What the model said last, or what it called."""
    output = brief.trajectory.output if brief.trajectory else None
    if output and output.tool_calls and not output.text:
        return "calls " + ", ".join(call.name for call in output.tool_calls)
    return output.text if output else ""


def _answer(brief: _Brief) -> str | None:
    """What a scorer took to be the answer (the first that took anything)."""
    return next((s.answer for s in brief.scores.values() if s.answer is not None), None)


def _instance(task: int, name: str, cluster: str | None, instance: _Instance) -> dict[str, Any]:
    gold, options = instance.gold_answer, instance.choices
    if isinstance(gold, int) and not isinstance(gold, bool) and 0 <= gold < len(options):
        gold = f"{gold}: {options[gold]}"
    question = instance.question or _first_text(instance.inputs)
    made: dict[str, Any] = {"id": name, "task": task, "question": question[:QUESTION]}
    if gold is not None:
        made["target"] = str(gold)[:QUESTION]
    if cluster is not None:
        made["cluster"] = cluster
    plain = {k: v for k, v in instance.metadata.items() if isinstance(v, str | int | float | bool)}
    if plain:
        made["metadata"] = {k: str(v)[:120] for k, v in plain.items()}
    return made


def _first_text(inputs: dict[str, Any]) -> str:
    return next((v for v in inputs.values() if isinstance(v, str)), "")


class _Chunker:
    """Cuts records into chunks; `add` gives the number of the chunk that a record goes into."""

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._held: list[str] = []
        self._size = 0
        self._first = 0

    def add(self, record: str) -> int:
        if self._held and self._size + len(record) > CHUNK_BYTES:
            self._close()
        self._held.append(record)
        self._size += len(record)
        return len(self._chunks)

    def _close(self) -> None:
        data = ("[" + ",".join(self._held) + "]").encode()
        self._chunks.append(Chunk(first=self._first, count=len(self._held), data=data))
        self._first += len(self._held)
        self._held, self._size = [], 0

    def finish(self) -> list[Chunk]:
        if self._held:
            self._close()
        return self._chunks


def records(chunks: Sequence[Chunk]) -> Iterator[bytes]:
    """The chunks' data in order."""
    return (chunk.data for chunk in chunks)
