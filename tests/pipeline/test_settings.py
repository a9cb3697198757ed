"""A run with several settings: arms that share a model and differ in harness and workspace."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import pytest

from tests.pipeline.conftest import Bench
from weigh.define.harness import Harness, Limits, SandboxMode
from weigh.execute.sandboxes.spec import Mode
from weigh.pipeline.request import ArmStarted, Event, Setting
from weigh.records.errors import DefinitionError
from weigh.records.workspace import Workspace

READER = '''
from weigh.records.request import Output
from weigh.records.trajectory import Trajectory

ENTERED = []

class Reader:
    """Answers with what a command prints in the trial's sandbox."""
    name = "reader"
    needs_sandbox = True

    def identity(self):
        return {"reader": "1"}

    async def __aenter__(self):
        ENTERED.append(self)
        return self

    async def __aexit__(self, *exc):
        return None

    def sandbox(self, spec, workspace):
        assert self in ENTERED
        return spec

    async def run(self, request, context):
        await context.provider.respond(request)
        ended = await context.sandbox.exec(["sh", "-c", request.messages[-1].content])
        return Trajectory(request=request, output=Output(text=ended.stdout.strip() or ended.stderr.strip()))
'''

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


def reader(bench: Bench, sandbox: str, **settings: object) -> Harness:
    (bench.folder / "reader.py").write_text(READER)
    return Harness(name="reader", scaffold=f"{bench.folder / 'reader.py'}:Reader", sandbox=sandbox, **settings)  # type: ignore[arg-type]


def rows(bench: Bench, **questions: str) -> None:
    bench.data = [{"id": name, "q": text, "a": "one"} for name, text in questions.items()]


@pytest.mark.sandbox
@pytest.mark.parametrize("sandbox", ["local", pytest.param("bubblewrap", marks=needs_bubblewrap)])
def test_each_arm_has_its_own_workspace(bench: Bench, tmp_path: Path, sandbox: str) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "below" / "revision.txt").write_text("one")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "tell").write_text("#!/bin/sh\necho $TOLD\n")
    (tools / "tell").chmod(0o755)
    rows(bench, folder="cat below/revision.txt", file="cat added.txt", program="tell")
    first = Workspace(
        digest="1",
        folder=str(source),
        files={"added.txt": b"one"},
        env={"TOLD": "one"},
        path=(str(tools),),
        readonly=(str(tools),),
    )
    harness = reader(bench, sandbox)
    settings = (
        Setting(harness=harness, axes={"revision": "a", "tier": "clone"}, workspace=first),
        Setting(harness=harness, axes={"revision": "b", "tier": "bare"}, workspace=Workspace(digest="2")),
    )
    events: list[Event] = []
    result = bench.run(bench.write(), settings=settings, events=events)
    assert [a.id for a in result.run.arms] == ["echo/a/clone", "echo/b/bare"]
    assert result.run.arms[0].axes["revision"] == "a"
    scores = {(t.arm, t.instance.id): t.scores["exact_match"].value for t in bench.trials(result)}
    assert {name: scores["echo/a/clone", name] for name in ("folder", "file", "program")} == dict.fromkeys(
        ("folder", "file", "program"), 1.0
    )
    assert not any(scores["echo/b/bare", name] for name in ("folder", "file", "program"))
    assert sum(isinstance(e, ArmStarted) for e in events) == 2
    again = bench.run(bench.write(), settings=settings)
    assert (again.executed, again.reused) == (0, 6)


@pytest.mark.sandbox
def test_a_workspace_is_part_of_what_an_arm_is(bench: Bench) -> None:
    rows(bench, a="cat x")
    harness = reader(bench, "local")

    def run(content: bytes, digest: str) -> tuple[int, str]:
        workspace = Workspace(digest=digest, files={"x": content})
        result = bench.run(bench.write(), settings=(Setting(harness=harness, workspace=workspace),), name="study")
        return result.executed, result.run.id

    assert run(b"one", "1")[0] == 1
    assert run(b"one", "1")[0] == 0
    assert run(b"two", "2")[0] == 1


@pytest.mark.sandbox
def test_the_files_of_a_question(bench: Bench, tmp_path: Path) -> None:
    held = tmp_path / "held.bin"
    held.write_bytes(b"one")
    extra = "import weigh\n"
    bench.data = [{"id": "text", "q": "cat a.txt b.txt c/d.txt", "a": "oneoneone"}, {"id": "lost", "q": "ls", "a": ""}]
    spec = bench.write(extra=extra)
    path = bench.folder / "bench.py"
    files = f'{{"a.txt": "one", "b.txt": {{"base64": "b25l"}}, "c/d.txt": {{"path": "{held}"}}}}'
    lost = '{"a.txt": {"path": "/no/such/file"}}'
    path.write_text(
        path.read_text().replace(
            'id=row["id"])', f'id=row["id"], inputs={{"files": {files} if row["id"] == "text" else {lost}}})'
        )
    )
    result = bench.run(spec, settings=(Setting(harness=reader(bench, "local")),), allow_errors=1)
    trials = {t.instance.id: t for t in bench.trials(result)}
    assert trials["text"].scores["exact_match"].value == 1.0
    error = trials["lost"].error
    assert error is not None
    assert error.kind == "task"
    assert "a.txt" in error.message


def test_settings_share_the_model_and_differ_in_harness(bench: Bench) -> None:
    short, long = Harness(name="short"), Harness(name="long", system_prompt="Think.")
    result = bench.run(
        bench.write(),
        settings=(Setting(harness=short, name="short"), Setting(harness=long, name="long")),
        task_epochs={bench.name: 2},
        temperature=1.0,
    )
    assert [a.id for a in result.run.arms] == ["echo/short", "echo/long"]
    trials = bench.trials(result)
    assert len(trials) == 2 * 2 * len(bench.data)
    prompts = {t.arm: len(t.trajectory.request.messages) for t in trials if t.trajectory}  # type: ignore[union-attr]
    assert prompts == {"echo/short": 1, "echo/long": 2}


def test_two_settings_that_give_the_model_the_same_are_refused(bench: Bench) -> None:
    same = Harness(name="a"), Harness(name="b", limits=Limits())
    with pytest.raises(DefinitionError, match=r"^harness 'a' and 'b' are the same thing in echo/a and echo/b: nothing"):
        bench.run(bench.write(), settings=tuple(Setting(harness=h, name=h.name) for h in same))


def test_two_models_for_one_role_are_refused(bench: Bench) -> None:
    one = Harness(helpers={"judge": "scripted/echo"})
    two = Harness(helpers={"judge": "scripted/hello"}, system_prompt="x")
    with pytest.raises(DefinitionError, match="role 'judge'"):
        bench.run(bench.write(), settings=(Setting(harness=one, name="1"), Setting(harness=two, name="2")))


def test_a_harness_knows_every_sandbox_there_is() -> None:
    assert set(get_args(SandboxMode)) == {*get_args(Mode), "none"}
