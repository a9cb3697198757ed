"""The helper models of a harness: who judges which task, started only when first asked, and remembered.

A helper is named by its role: `judge`; `judge-2`, `judge-3` for further members of a panel; `judge@TASK` for one task
(`judge@sciq:mc` for one variant), which then stands in for the others there. What a judge said to a request is kept in
the cache folder by the judge's identity and the request's content, so a run that is repeated, or a scorer that is
edited back, asks nobody: a plan that the cache serves entirely never starts the judge.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.harness import JUDGING_ROLES, base_role, is_judging
from weigh.define.spec import parse_model
from weigh.execute.models import cache_dir
from weigh.execute.providers.registry import open_provider
from weigh.execute.retry import RetryPolicy
from weigh.protocols import Capability, Provider
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError, Failure, suggest
from weigh.records.request import Output, Request

TaskKey = tuple[str, str]
Usable = Callable[[Output], bool]

IN_FLIGHT = 16
"""Requests to one helper at a time, where the provider does not say how many it serves well."""


class Helper:
    """One helper model: a provider that starts when it is first asked, tries again, and remembers what a judge said.

    Attributes:
        asked: Requests that were really sent.
        remembered: Requests that the cache answered.
    """

    def __init__(self, role: str, model: str, provider: Provider, identity: Mapping[str, Any], cache: Path) -> None:
        self.role, self.model, self.provider = role, model, provider
        self.known_identity = dict(identity)
        self.digest = digest(self.known_identity)
        self.asked = self.remembered = 0
        self.retry = RetryPolicy()
        self._cache = cache
        self._judges = is_judging(role)
        self._starting = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._started = False
        self._slots = asyncio.Semaphore(provider.concurrency or IN_FLIGHT)

    @property
    def name(self) -> str:
        """The model as the user wrote it."""
        return self.model

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The provider's."""
        return self.provider.capabilities

    @property
    def concurrency(self) -> int | None:
        """The provider's."""
        return self.provider.concurrency

    async def identity(self) -> dict[str, Any]:
        """What the model is, as it was when the run was planned."""
        return self.known_identity

    async def __aenter__(self) -> Helper:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()
        self._started = False

    async def respond(self, request: Request) -> Output:
        """Ask it, starting it if need be. Raises `Failure`."""
        await self._start()
        self.asked += 1
        return await self.provider.respond(request)

    async def ask(self, request: Request, usable: Usable | None = None) -> Output:
        """Ask it, with the cache in front where it judges, trying again what can pass.

        Raises:
            Failure: Of kind `judge` where it judges, so that the trial is scored again and not run again.
        """
        file = self._file(request) if self._judges else None
        known = _read(file) if file is not None else None
        if known is not None and (usable is None or usable(known)):
            self.remembered += 1
            return known
        try:
            async with self._slots:
                output = await self._patiently(request)
        except Failure as failure:
            error = failure.error
            if not self._judges:
                raise
            message = f"{self.role} ({self.model}): {error.message}"
            raise Failure(msgspec.structs.replace(error, kind="judge", message=message)) from failure
        if file is not None and not output.is_empty and (usable is None or usable(output)):
            _write(file, output)
        return output

    async def _patiently(self, request: Request) -> Output:
        failures = 0
        while True:
            try:
                return await self.respond(request)
            except Failure as failure:
                failures += 1
                if not self.retry.allows(failures, 0, failure.error):
                    raise
                await asyncio.sleep(self.retry.delay(failures, failure.error))

    async def _start(self) -> None:
        async with self._starting:
            if not self._started:
                await self._stack.enter_async_context(self.provider)
                self._started = True

    def _file(self, request: Request) -> Path:
        name = digest([self.known_identity, request])
        return self._cache / name[:2] / f"{name}.json"


def unknown_roles(helpers: Iterable[str], asked: Collection[str]) -> list[str]:
    """Roles that nobody asks and that are nearly one that is known, in words for the user.

    A role of another name passes: a harness may name helpers for tasks that are not in this run.
    """
    known = {*JUDGING_ROLES, "user", *asked}
    found = []
    for role in helpers:
        base = base_role(role)
        if base not in known and (hint := suggest(base, sorted(known))):
            found.append(f"helpers: nobody asks a helper with the role {base!r}{hint}")
    return found


class Helpers(Mapping[str, Provider]):
    """The helpers of a run by role, each an open or not yet open `Provider`. An asynchronous context manager: leaving
    stops those that were started. Made by `Helpers.plan`."""

    def __init__(self, helpers: Mapping[str, Helper] | None = None) -> None:
        self._helpers = dict(helpers or {})

    @classmethod
    async def plan(cls, roles: Mapping[str, str], *, retries: int | None = None, cache: Path | None = None) -> Helpers:
        """Resolve every helper; none is started.

        Args:
            roles: Role -> model spec, as in `Harness.helpers`.
            retries: How often a failed request is made again.
            cache: Folder of what judges said; by default `judge` in weigh's cache folder.

        Raises:
            DefinitionError: A model spec cannot be read.
            CapabilityError: All helpers that cannot be used here, in one message.
        """
        folder = cache if cache is not None else cache_dir().parent / "judge"
        helpers: dict[str, Helper] = {}
        problems: list[str] = []
        for role, text in roles.items():
            try:
                provider = open_provider(parse_model(text), concurrency=None)
                identity = await provider.identity()
            except CapabilityError as error:
                problems.append(f"helper '{role}': {error}")
                continue
            except Failure as failure:
                problems.append(f"helper '{role}' ({text}): {failure.error.message}")
                continue
            helpers[role] = Helper(role, text, provider, identity, folder)
            if retries is not None:
                helpers[role].retry = RetryPolicy(retries=retries)
        if problems:
            raise CapabilityError("\n".join(problems))
        return cls(helpers)

    def __getitem__(self, role: str) -> Helper:
        return self._helpers[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._helpers)

    def __len__(self) -> int:
        return len(self._helpers)

    async def __aenter__(self) -> Helpers:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for helper in self._helpers.values():
            await helper.__aexit__(*exc)

    def members(self, role: str, task: TaskKey) -> dict[str, Helper]:
        """The helpers that share a role for a task, by their names without the task, in the order of their numbers."""
        name, variant = task
        for scope in (f"@{name}:{variant}" if variant else None, f"@{name}", ""):
            if scope is None:
                continue
            pattern = re.compile(re.escape(role) + r"(-\d+)?" + re.escape(scope))
            keys = [key for key in self._helpers if pattern.fullmatch(key)]
            if keys:
                found = {key.removesuffix(scope): self._helpers[key] for key in keys}
                return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))
        return {}

    def find(self, role: str, task: TaskKey) -> Helper:
        """The helper of one role (or of one member of a panel) for a task. Raises `CapabilityError`."""
        name, variant = task
        for key in (f"{role}@{name}:{variant}", f"{role}@{name}", role):
            if key in self._helpers:
                return self._helpers[key]
        raise no_helper(role)

    def identities(self, role: str, task: TaskKey) -> list[str]:
        """Digests of the models that have a role for a task: part of the identity of the scores they give."""
        return [helper.digest for helper in self.members(role, task).values()]


def no_helper(role: str) -> CapabilityError:
    """The harness has nobody for this role."""
    return CapabilityError(f"no helper model has the role '{role}'; add one with -o helpers.{role}=PROVIDER/NAME")


def _read(file: Path) -> Output | None:
    """What is remembered; a file that was cut short is as good as none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Output)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _write(file: Path, output: Output) -> None:
    """Remember, whole or not at all: other processes may judge the same thing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.stem}.{secrets.token_hex(4)}.part")
    part.write_bytes(msgspec.json.encode(output))
    part.replace(file)
