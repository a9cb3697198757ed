"""Which of the tasks that runs have a word means: `weigh compare -t largest` for `csvkit.largest`.

A word is a spec (`sciq:mc`), a base name for all its variants (`sciq`), what comes after a dot of a name (`largest`),
or a glob of these. The more exact reading goes before the looser ones.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

import msgspec

from weigh.pipeline.results import suite_members
from weigh.records.errors import DefinitionError, suggest
from weigh.records.run import Run
from weigh.records.trial import join_spec

SHOWN = 8


def named(word: str, known: Iterable[str]) -> list[str]:
    """The known tasks that one word means, none where it means nothing.

    Raises:
        DefinitionError: It is the short name of several tasks.
    """
    known = list(dict.fromkeys(known))
    exact = [spec for spec in known if word in (spec, _base(spec))]
    if exact:
        return exact
    short = [spec for spec in known if word in _shorts(spec)]
    if short:
        bases = list(dict.fromkeys(_base(spec) for spec in short))
        if len(bases) > 1:
            raise DefinitionError(f"the task {word!r} could be {' or '.join(map(repr, bases))}; write which one")
        return short
    return [spec for spec in known if any(fnmatch.fnmatchcase(name, word) for name in (spec, *_shorts(spec)))]


def choose_named(
    known: Iterable[str], words: Sequence[str], nobody: str = "no run has the task", there: str = "there are"
) -> list[str]:
    """The known tasks that any of the words means, in their own order; all where there is no word.

    Args:
        nobody, there: How the error begins, and how it lists what there is.

    Raises:
        DefinitionError: A word means nothing, with the closest names, or several tasks.
    """
    known = list(dict.fromkeys(known))
    chosen: set[str] = set()
    for word in words:
        found = named(word, known)
        if not found:
            names = ", ".join(known[:SHOWN]) + (" ..." if len(known) > SHOWN else "")
            raise DefinitionError(f"{nobody} {word!r}{closest_task(word, known)} ({there} {names})")
        chosen.update(found)
    return [spec for spec in known if spec in chosen or not words]


def only_named(runs: Sequence[Run], words: Sequence[str]) -> list[Run]:
    """Runs with only the tasks that words mean among all of theirs; the name of a suite keeps it and all its tasks.

    Raises:
        DefinitionError: As `choose_named`.
    """
    if not words:
        return list(runs)
    tasks = [join_spec(task.name, task.variant) for run in runs for task in run.tasks]
    suites = {suite.name: suite for run in runs for suite in run.suites}
    chosen = choose_named([*tasks, *suites], words)
    whole = {name for name in chosen if name in suites and name not in tasks}
    kept = {*chosen, *(spec for name in whole for spec in suite_members(suites[name]))}
    return [
        msgspec.structs.replace(
            run,
            tasks=tuple(task for task in run.tasks if join_spec(task.name, task.variant) in kept),
            suites=tuple(suite for suite in run.suites if suite.name in whole),
        )
        for run in runs
    ]


def closest_task(word: str, known: Iterable[str]) -> str:
    """A clause with the closest tasks, or an empty string; a short name is held against short names."""
    names = {name: spec for spec in known for name in (*_shorts(spec), spec)}
    return suggest(word, names)


def _base(spec: str) -> str:
    return spec.split(":")[0]


def _shorts(spec: str) -> list[str]:
    """A spec and its base name without what stands before a dot: `b:v`, `b` of `a.b:v`."""
    base, colon, variant = spec.partition(":")
    parts = base.split(".")
    names = [".".join(parts[i:]) for i in range(1, len(parts))]
    return [*names, *(f"{name}{colon}{variant}" for name in names if colon)]
