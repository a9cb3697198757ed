"""What the live viewer knows of its runs without computing anything: how far they are, and any trial by its id."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import msgspec

from weigh.pipeline.axis import trend_members
from weigh.pipeline.payload import build_payload
from weigh.records.errors import StoreError
from weigh.records.trial import join_spec
from weigh.records.wish import Wish
from weigh.store.artifacts import read_given
from weigh.store.follow import Follower
from weigh.store.layout import RunFolder, Store

RATE_OVER = 20.0
"""Seconds over which the rate is taken."""
OTHERS = 30
"""Runs named that are in the store and not shown."""


class Feed:
    """The runs that words name, followed. Not safe for threads: let one thread at a time use it.

    Attributes:
        others: What names the other runs of the store, newest first; known after the first look.

    Raises:
        StoreError, DefinitionError: On the first look, as `resolve_sides`.
    """

    def __init__(self, store: Store, words: Sequence[str]) -> None:
        self._store = store
        self._words = tuple(words)
        self._followers: dict[str, Follower] = {}
        self._seen: dict[str, deque[tuple[float, int]]] = {}
        self._expected: dict[str, dict[str, int]] = {}
        self._listed: object = None
        self.others: tuple[str, ...] = ()

    def look(self) -> bool:
        """Take in what came since the last look; whether anything did. A new run may come to be named too."""
        changed = self._resolve()
        for run, follower in self._followers.items():
            if follower.look():
                changed = True
                self._expected[run] = _expected(follower.folder)
            self._count(run)
        return changed

    @property
    def running(self) -> bool:
        """Whether somebody writes to one of the runs."""
        return any(f.is_running for f in self._followers.values())

    def progress(self) -> dict[str, Any]:
        """How far the runs are, in plain values: by run, and by arm and task."""
        runs = [self._run(run, follower) for run, follower in self._followers.items()]
        return {"runs": runs, "others": list(self.others[:OTHERS]), "at": time.time()}

    def record(self, trial: str) -> bytes | None:
        """A trial as JSON; None where no run has one of this id."""
        return next((found for f in self._followers.values() if (found := f.record(trial)) is not None), None)

    def _resolve(self) -> bool:
        """Find the runs again when the store has others than before (`latest` may be another one)."""
        known = self._store.runs()
        listed = sorted(run.id for run in known)
        if listed == self._listed:
            return False
        if not listed:
            raise StoreError(f"there are no runs in {self._store.path}; is --store right?")
        members = trend_members(self._store, self._words or ["latest"])
        runs = list(dict.fromkeys(m.run.id for m in reversed(members)))
        self._followers = {r: self._followers.get(r) or Follower(self._store.open(r)) for r in runs}
        self._listed = listed
        newest = sorted((run for run in known if run.id not in runs), key=lambda run: run.created, reverse=True)
        names = Counter(run.name for run in known)
        self.others = tuple(run.name if names[run.name] == 1 else run.id for run in newest)
        return True

    def _count(self, run: str) -> None:
        now, done = time.monotonic(), len(self._followers[run].cells)
        seen = self._seen.setdefault(run, deque(maxlen=600))
        seen.append((now, done))
        while len(seen) > 2 and now - seen[0][0] > RATE_OVER:
            seen.popleft()

    def _run(self, run: str, follower: Follower) -> dict[str, Any]:
        rows: dict[tuple[str, str], Counter[str]] = {}
        failed: Counter[str] = Counter()
        outcomes: Counter[str] = Counter()
        for (name, task, variant, _, _), seen in follower.cells.items():
            counts = rows.setdefault((name, join_spec(task, variant)), Counter())
            counts["done"] += 1
            if seen.failed:
                counts["failed"] += 1
                failed[seen.error_kind or seen.status] += 1
            elif seen.status != "ok":
                outcomes[seen.status] += 1
        planned = self._expected.get(run, {})
        manifest = follower.folder.run
        specs = [join_spec(t.name, t.variant) for t in manifest.tasks]
        table: list[tuple[str, str, int, int, int]] = []
        for arm in manifest.arms:
            for spec in specs:
                counts = rows.get((arm.id, spec), Counter())
                expected = max(planned.get(spec, 0), counts["done"])
                table.append((arm.id, spec, counts["done"], counts["failed"], expected))
        done, expected = sum(row[2] for row in table), sum(row[4] for row in table)
        running = follower.is_running
        rate = self._rate(run) if running else None
        return {
            "id": run, "name": manifest.name, "running": running, "done": done, "expected": expected,
            "failed": dict(failed), "outcomes": dict(outcomes), "rate": rate,
            "left": (expected - done) / rate if rate else None, "rows": table,
        }  # fmt: skip

    def _rate(self, run: str) -> float | None:
        """Trials a second of late; None before there is enough to divide."""
        seen = self._seen.get(run)
        if not seen or seen[-1][0] - seen[0][0] < 1.0 or seen[-1][1] == seen[0][1]:
            return None
        return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])


class LiveReport(Feed):
    """The same with everything that a report shows, computed when asked for."""

    def build(self, wishes: Sequence[Wish] | None = None) -> bytes:
        """The payload of the page as JSON; whole trials come one by one, by `record`. May run beside the others.

        Args:
            wishes: The comparisons that somebody looks at; None for all of them.
        """
        return build_payload(self._store, self._words, traces="none", wishes=wishes).index

    def record(self, trial: str) -> bytes | None:
        """A trial as JSON, with the texts it was given under `given`; None where no run has one of this id."""
        found = super().record(trial)
        if found is None:
            return None
        value: dict[str, Any] = msgspec.json.decode(found)
        artifacts = (value.get("trajectory") or {}).get("artifacts") or {}
        texts = read_given(self._store.open(value["run"]), artifacts)
        return msgspec.json.encode({**value, "given": texts}) if texts else found


def _expected(folder: RunFolder) -> dict[str, int]:
    """By task, the most cells of an arm that an invocation planned; empty where none says (an imported table)."""
    most: dict[str, int] = {}
    for invocation in folder.invocations():
        for spec, cells in (invocation.plan.get("cells") or {}).items():
            most[spec] = max(most.get(spec, 0), int(cells))
    return most
