"""The shipped profile of sqlite-utils: its answers are right, in both releases that its study compares."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import ModuleType

import pytest

from tests.score.conftest import Context
from tests.score.trips import trip
from weigh.define.decode import decode
from weigh.define.skill import read_skill
from weigh.define.study import StudyRevision, read_study
from weigh.execute.sandboxes.bubblewrap import BubblewrapSandbox
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import ExecResult, Sandbox
from weigh.records.errors import CapabilityError
from weigh.records.marker import MarkerSpec
from weigh.records.score import Score
from weigh.score.guard import score_trial
from weigh.score.markers import MarkerScorer
from weigh.study.files import located
from weigh.study.installations import Installation, build
from weigh.study.profile import Profile, load_profile
from weigh.study.revisions import Revision
from weigh.study.tasks import MATCH, make_instance, make_scorer

OLD, NEW = "3.9", "3.38"


def loaded(file: str, table: str, sql: str) -> dict[str, str]:
    """Both ways to ask a file: loaded first, as 3.9 needs it, and at once."""
    kind = {"csv": " --csv", "tsv": " --tsv", "json": ""}[file.rpartition(".")[2]]
    return {
        OLD: f'sqlite-utils insert x.db {table} {file}{kind} && sqlite-utils x.db "{sql}"',
        NEW: f'sqlite-utils memory {file} "{sql}"',
    }


def same(command: str) -> dict[str, str]:
    return {OLD: command, NEW: command}


TOTAL = "select city from orders join customers on customers.id = customer_id group by city order by sum(amount) desc"
TRIM = 'sqlite-utils library.db "update members set name = trim(name)"'
SOLUTIONS: dict[str, dict[str, str]] = {
    "sum-by-town": loaded(
        "sales.csv", "sales", "select town from sales group by town order by sum(units) desc limit 1"
    ),
    "count-tea": loaded("sales.csv", "sales", "select count(*) from sales where product = 'tea'"),
    "largest-sale": loaded("sales.csv", "sales", "select max(cast(units as integer)) from sales"),
    "join-cities": {
        OLD: "sqlite-utils insert x.db customers customers.csv --csv && "
        f'sqlite-utils insert x.db orders orders.csv --csv && sqlite-utils x.db "{TOTAL} limit 1"',
        NEW: f'sqlite-utils memory customers.csv orders.csv "{TOTAL} limit 1"',
    },
    "youngest": loaded("staff.json", "staff", "select name from staff order by born desc limit 1"),
    "mean-celsius": loaded("readings.tsv", "readings", "select avg(celsius) from readings where station = 'S2'"),
    "count-loans": same('sqlite-utils library.db "select count(*) from loans"'),
    "oldest-book": same('sqlite-utils library.db "select title from books order by year limit 1"'),
    "most-lent": same(
        'sqlite-utils library.db "select title from loans join books on books.id = book_id '
        'group by title order by count(*) desc limit 1"'
    ),
    "make-database": same("sqlite-utils insert sales.db sales sales.csv --csv"),
    "rename-column": same("sqlite-utils transform library.db members --rename town city"),
    "trim-names": {OLD: TRIM, NEW: "sqlite-utils convert library.db members name 'value.strip()'"},
}
"""The command that solves each task, for each release."""


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profile("sqlite-utils", Path())


@pytest.fixture(scope="module")
def installed(profile: Profile) -> dict[str, Installation]:
    """Both releases from the package index, installed once into weigh's own cache."""
    probe = asyncio.run(available("bubblewrap"))
    reason = None if probe.ok else f"bubblewrap: {probe.reason}"
    try:
        return asyncio.run(_build(profile)) if reason is None else pytest.skip(reason)
    except CapabilityError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


async def _build(profile: Profile) -> dict[str, Installation]:
    wanted = [StudyRevision(ref=OLD), StudyRevision(ref=NEW)]
    revisions = await profile.revisions(wanted, profile.base)
    made = await asyncio.gather(*(build(profile.recipe(r)) for r in revisions))
    for one in made:
        await profile.check(one)
    return {r.name: one for r, one in zip(revisions, made, strict=True)}


@asynccontextmanager
async def workspace(profile: Profile, task: str, installation: Installation) -> AsyncIterator[Sandbox]:
    """A sandbox without any network that holds the task's files, as a trial begins."""
    spec = SandboxSpec(path=(f"{installation.path}/bin",), readonly=(installation.path,))
    entry = {e.name: e for e in profile.tasks()}[task]
    async with BubblewrapSandbox(spec) as sandbox:
        for path, origin in located(entry.files, profile.base, "test").items():
            await sandbox.write_file(path, origin if isinstance(origin, bytes) else origin.read_bytes())
        yield sandbox


async def tried(
    profile: Profile, task: str, installation: Installation, command: str
) -> tuple[ExecResult, dict[str, Score]]:
    """What a command does in a task's workspace, and how the trial would be scored if its output were the answer."""
    entry = {e.name: e for e in profile.tasks()}[task]
    instance = make_instance(entry, {}, profile.base, profile.name)
    scorers = [make_scorer(entry.score, MATCH, task)]
    scorers += [MarkerScorer(spec=decode(m, MarkerSpec, "marker")) for m in profile.markers()]
    async with workspace(profile, task, installation) as sandbox:
        done = await sandbox.exec(["sh", "-c", command])
        went = trip(("bash", {"command": command}, done.stdout), answer=done.stdout)
        return done, await score_trial(scorers, Context(instance, went, sandbox))


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("release", [OLD, NEW])
async def test_every_task_can_be_solved_in_each_release_and_doing_nothing_solves_none(
    profile: Profile, installed: dict[str, Installation], release: str
) -> None:
    assert list(SOLUTIONS) == [entry.name for entry in profile.tasks()]

    few = asyncio.Semaphore(3)  # each sandbox has a deadline

    async def both(task: str) -> tuple[str, str, float | None, float | None]:
        async with few:
            return await solved_and_idle(task)

    async def solved_and_idle(task: str) -> tuple[str, str, float | None, float | None]:
        done, scores = await tried(profile, task, installed[release], SOLUTIONS[task][release])
        assert scores["marker:cli"].value == 1 and scores["marker:imports"].value == 0
        assert scores["marker:memory"].value == ("memory" in SOLUTIONS[task][release])
        _, nothing = await tried(profile, task, installed[release], "true")
        return task, done.stdout + done.stderr, scores[MATCH].value, nothing[MATCH].value

    for task, output, solved, idle in await asyncio.gather(*map(both, SOLUTIONS)):
        assert (solved, idle) == (1.0, 0.0), f"{task}: {output}"


@pytest.mark.sandbox
async def test_what_differs_between_the_releases(profile: Profile, installed: dict[str, Installation]) -> None:
    """The command that came with 3.10 is not in 3.9; and there the columns of a CSV are text: 97 is more than 130."""
    done, scores = await tried(profile, "sum-by-town", installed[OLD], SOLUTIONS["sum-by-town"][NEW])
    assert done.exit_code != 0 and scores[MATCH].value == 0
    plain = loaded("sales.csv", "sales", "select max(units) from sales")
    _, old = await tried(profile, "largest-sale", installed[OLD], plain[OLD])
    _, new = await tried(profile, "largest-sale", installed[NEW], plain[NEW])
    assert (old[MATCH].value, new[MATCH].value) == (0.0, 1.0)


async def test_each_release_has_the_skill_that_fits_it(profile: Profile) -> None:
    told = {}
    for version in (OLD, NEW, "3.10", "4.2.1", "main"):
        revision = Revision(name=version, ref=version, kind="package", id=f"sqlite-utils=={version}", digest=version)
        (folder,) = (await profile.tier("skill", revision)).skills
        told[version] = "sqlite-utils memory" in read_skill(Path(folder)).description
        assert not (await profile.tier("bare", revision)).skills
    assert told == {OLD: False, NEW: True, "3.10": True, "4.2.1": True, "main": True}


def test_the_inputs_are_what_the_script_makes(profile: Profile, tmp_path: Path) -> None:
    _script(profile.base / "make_inputs.py").make_inputs(tmp_path)
    kept = profile.base / "inputs"
    assert sorted(p.name for p in kept.iterdir()) == sorted(p.name for p in tmp_path.iterdir())
    for file in tmp_path.iterdir():
        if file.suffix == ".db":  # its bytes depend on the version of SQLite
            assert _dump(file) == _dump(kept / file.name)
        else:
            assert file.read_bytes() == (kept / file.name).read_bytes()


def test_the_study_that_comes_with_it_names_what_there_is(profile: Profile) -> None:
    study = read_study(profile.base / "study.yaml")
    assert {t.task for t in study.tasks} <= {entry.name for entry in profile.tasks()}
    assert set(study.tiers) <= set(profile.tiers())


def _script(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("made", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as db:
        return list(db.iterdump())
