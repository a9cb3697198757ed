"""Tasks of a profile as weigh's own tasks: a prompt, the files it comes with, and how the outcome is judged.

Whatever judges a task, its score is called `match`, so that the tasks of a study have one number in common.
"""

from __future__ import annotations

import base64
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weigh.define.decode import decode
from weigh.define.formatters import ChatFormatter
from weigh.define.metrics import AccuracyMetric
from weigh.define.task import Task
from weigh.records.digest import digest_bytes, digest_file
from weigh.records.errors import DefinitionError, suggest
from weigh.records.instance import Instance
from weigh.score.answer import ExactMatchScorer, NumericScorer, RegexScorer, SubstringScorer
from weigh.score.base import BaseScorer
from weigh.score.every import EveryScorer
from weigh.score.judge import JudgeScorer
from weigh.score.number import parse_number
from weigh.score.pattern import check_pattern
from weigh.score.state import CommandScorer, FilesScorer
from weigh.study.files import located
from weigh.study.spec import TaskEntry

MATCH = "match"
"""The name of every study task's score."""

INLINE = 100_000
"""Bytes up to which a file is kept in the instance itself; a larger one is named by its digest."""


class ProfileTask(Task):
    """A task of a profile. Made by `task_class`, one class a task."""

    entry: TaskEntry
    origin: Path
    profile: str

    @property
    def instances(self) -> Iterable[Instance]:
        """The task's questions: one, unless it says several."""
        return [make_instance(self.entry, change, self.origin.parent, self.profile) for change in _changes(self.entry)]

    @classmethod
    def file(cls) -> Path:
        """The profile's file: where paths begin, and whose state is recorded with a run."""
        return cls.origin


def task_class(entry: TaskEntry, origin: Path, profile: str, markers: Sequence[Any]) -> type[ProfileTask]:
    """The class of a task.

    Args:
        origin: The profile's file.
        markers: Of the profile.

    Raises:
        DefinitionError: A file is not there, or the task cannot be judged as it says.
    """
    where = f"profile {profile!r}: task {entry.name!r}"
    scorer = make_scorer(entry.score, MATCH, where)
    own = {
        "__doc__": entry.description or f"{entry.kind or 'task'} of profile {profile}",
        "entry": entry,
        "origin": origin,
        "profile": profile,
        "formatter": ChatFormatter(),
        "metrics": (AccuracyMetric(scorer=scorer),),
        "description": entry.description,
        "markers": tuple(markers),
    }
    for change in _changes(entry):
        instance = make_instance(entry, change, origin.parent, profile)
        _check_target(entry.score, instance, where)
    return type("".join(part.capitalize() for part in entry.name.split("-")) or "Task", (ProfileTask,), own)


def make_instance(entry: TaskEntry, change: Mapping[str, Any], base: Path, profile: str) -> Instance:
    """One question of a task."""
    where = f"profile {profile!r}: task {entry.name!r}"
    unknown = set(change) - {"id", "prompt", "target", "files"}
    if unknown:
        name = sorted(unknown)[0]
        raise DefinitionError(
            f"{where}: instances: unknown key {name!r}{suggest(name, ['id', 'prompt', 'target', 'files'])}"
        )
    prompt = str(change.get("prompt", entry.prompt)).strip()
    if not prompt:
        raise DefinitionError(f"{where}: it has no prompt")
    files = located({**entry.files, **change.get("files", {})}, base, where)
    inputs: dict[str, Any] = {"files": {path: _held(origin) for path, origin in files.items()}} if files else {}
    metadata = {"profile": profile, "kind": entry.kind, "tags": " ".join(entry.tags)}
    return Instance(
        id=str(change.get("id", entry.name)),
        question=prompt,
        gold_answer=change.get("target", entry.target),
        inputs=inputs,
        metadata={key: value for key, value in metadata.items() if value},
    )


def make_scorer(value: Any, name: str, where: str) -> BaseScorer:
    """The scorer of what a task says under `score`.

    Raises:
        DefinitionError: It is none of the ways there are, or has a setting that its scorer has not.
    """
    if isinstance(value, BaseScorer):
        return value
    if isinstance(value, list | tuple):
        parts = [
            make_scorer(part, f"{name}-{i + 1}" if len(value) > 1 else name, where) for i, part in enumerate(value)
        ]
        return parts[0] if len(parts) == 1 else EveryScorer(name=name, scorers=tuple(parts))
    settings = {"by": value} if isinstance(value, str) else dict(value) if isinstance(value, Mapping) else {}
    way = settings.pop("by", None)
    if way not in WAYS:
        hint = suggest(str(way), WAYS) or "; there are " + ", ".join(WAYS)
        raise DefinitionError(f"{where}: score: there is no way {way!r} to judge{hint}")
    return WAYS[way](settings, name, f"{where}: score")


def _plain(kind: type[BaseScorer]) -> Callable[[dict[str, Any], str, str], BaseScorer]:
    return lambda settings, name, where: decode({**settings, "name": name}, kind, where)


def _state(settings: dict[str, Any], name: str, where: str) -> BaseScorer:
    """What the agent left behind: files, the outcome of a command, or both."""
    files = {key: settings.pop(key) for key in ("files", "partial") if key in settings}
    if isinstance(settings.get("command"), str):
        settings["command"] = ["sh", "-c", settings["command"]]
    if "given" in settings:
        settings["files"] = settings.pop("given")
    parts: list[BaseScorer] = []
    if files:
        parts.append(decode({**files, "name": f"{name}-files" if settings else name}, FilesScorer, where))
    if settings:
        if "command" not in settings:
            # Anything else here is a setting of the command: let its scorer name the unknown one.
            decode(settings, CommandScorer, where)
        parts.append(decode({**settings, "name": f"{name}-command" if files else name}, CommandScorer, where))
    if not parts or (settings and "command" not in settings):
        raise DefinitionError(f"{where}: by state: say which `files` are expected, or which `command` has to succeed")
    return parts[0] if len(parts) == 1 else EveryScorer(name=name, scorers=tuple(parts))


WAYS: dict[str, Callable[[dict[str, Any], str, str], BaseScorer]] = {
    "contains": _plain(SubstringScorer),
    "exact": _plain(ExactMatchScorer),
    "regex": _plain(RegexScorer),
    "numeric": _plain(NumericScorer),
    "state": _state,
    "judge": _plain(JudgeScorer),
}
"""The ways in which a task can be judged, with the scorer behind each."""

_NEED_TARGET = {"contains", "exact", "numeric", "judge"}


def _check_target(score: Any, instance: Instance, where: str) -> None:
    for part in score if isinstance(score, list | tuple) else [score]:
        way = part.get("by") if isinstance(part, Mapping) else part
        lacks = instance.gold_answer in (None, "", [])
        own = isinstance(part, Mapping) and (part.get("pattern") or part.get("template"))
        if lacks and not own and (way in _NEED_TARGET or way == "regex"):
            raise DefinitionError(f"{where}: it is judged by {way!r} and has no target")
        if way == "regex" and not own:
            gold = instance.gold_answer
            for target in gold if isinstance(gold, list | tuple) else [gold]:
                check_pattern(str(target), f"{where}: it is judged by 'regex', and its target")
        if way == "numeric":
            gold = instance.gold_answer
            for target in gold if isinstance(gold, list | tuple) else [gold]:
                if parse_number(str(target)) is None:
                    raise DefinitionError(f"{where}: it is judged by 'numeric', and its target {target!r} is no number")


def choose_tasks(entries: Sequence[TaskEntry], wanted: Sequence[str], where: str) -> list[str]:
    """The names of the tasks that are wanted, in the profile's order; all, where nothing is named.

    Args:
        wanted: Names and globs, with or without the profile's name in front.

    Raises:
        DefinitionError: Names that match nothing, all of them, with the closest ones.
    """
    names = [entry.name for entry in entries]
    if not names:
        raise DefinitionError(f"{where}: the profile has no tasks")
    unknown = [glob for glob in wanted if not fnmatch.filter(names, glob)]
    if unknown:
        shown = ", ".join(repr(glob) + suggest(glob, names, limit=1) for glob in unknown)
        raise DefinitionError(f"{where}: tasks: there is no task {shown} (there are {', '.join(names)})")
    return [name for name in names if not wanted or any(fnmatch.fnmatchcase(name, glob) for glob in wanted)]


def _changes(entry: TaskEntry) -> Sequence[Mapping[str, Any]]:
    if not entry.instances:
        return [{}]
    return [{"id": f"{entry.name}-{i + 1}", **change} for i, change in enumerate(entry.instances)]


def _held(origin: Path | bytes) -> Any:
    """A file as an instance holds it: text, a few bytes, or a path with the digest that stands for it."""
    data = origin if isinstance(origin, bytes) else None
    if data is None and isinstance(origin, Path):
        if origin.stat().st_size > INLINE:
            return {"path": str(origin.resolve()), "sha256": digest_file(origin)}
        data = origin.read_bytes()
    assert data is not None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode(), "sha256": digest_bytes(data, size=32)}
