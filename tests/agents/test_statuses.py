"""How a trial of an agent can end, each by the real pi: limits, silence, failures of its own."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from pathlib import Path

import pytest

from tests.agents.kit import DONE, AgentBench, bash
from weigh.cli.main import main
from weigh.define.harness import apply_overrides, load_harness
from weigh.execute.agents.registry import NAMES
from weigh.execute.sandboxes.cgroup import cgroup_parents
from weigh.execute.sandboxes.folder import home
from weigh.pipeline.request import Notice, Planned, Setting
from weigh.pipeline.run import run
from weigh.records.agent_usage import miscount
from weigh.records.errors import WeighError


def limited(name: str, *overrides: str) -> Setting:
    return Setting(harness=apply_overrides(load_harness("pi"), overrides), axes={"limited": name})


def test_every_limit_ends_the_agent_and_keeps_what_it_did(bench: AgentBench, pi: str) -> None:
    settings = [
        limited("turns", "limits.turns=2"),
        limited("tool_calls", "limits.tool_calls=2"),
        limited("tokens", "limits.tokens=250"),
        limited("dollars", "limits.dollars=0.015"),
        limited("calls", "scaffold_options.calls=2"),
    ]
    bench.run({"loop": [bash("echo again >> log.txt; wc -l log.txt")]}, settings=settings, concurrency=2)
    trials = {t.arm.rpartition("/")[2]: t for t in bench.trials()}
    assert {name: t.status for name, t in trials.items()} == {
        "turns": "limit:turns",
        "tool_calls": "limit:tool_calls",
        "tokens": "limit:tokens",
        "dollars": "limit:dollars",
        "calls": "limit:calls",
    }
    for name, trial in trials.items():
        assert trial.scores["substring"].value == 0.0
        assert trial.trajectory is not None
        models = [s for s in trial.trajectory.steps if s.source == "model"]
        made = [o.content.split()[0] for s in models for o in s.observations]
        assert trial.scores["marker:repeated-call"].value == 1.0
        # A call of a tool that is one too many is never made; the turn that asked for it is shown.
        turns = 3 if name in ("tool_calls", "tokens") else 2
        assert len(models) == turns
        assert made == [str(n) for n in range(1, len(made) + 1)]
        assert len(made) == (2 if name == "tool_calls" else turns)
        assert '"type":"session"' in bench.artifact(trial, "session.jsonl")


def test_limits_of_the_sandbox_end_the_agent_too(bench: AgentBench, pi: str) -> None:
    settings = [limited("disk", "sandbox_options.disk_mb=40"), limited("files", "sandbox_options.files=2000")]
    if "memory" in cgroup_parents():  # else each process has its own share, and the agent says how it failed
        settings.append(limited("memory", "sandbox_options.memory_mb=100"))
    own = bench.folder / "own.py"
    own.write_text(OWN)
    settings.append(limited("cpu", f"scaffold={own}:Busy", "sandbox_options.cpu_seconds=1"))
    fill = "mkdir d && cd d && seq 3000 | xargs touch; head -c 60000000 /dev/zero > big; sleep 20"
    bench.run({"fill": [bash(fill)]}, settings=settings)
    trials = {t.arm.rpartition("/")[2]: t for t in bench.trials()}
    assert {name: t.status for name, t in trials.items()} == {name: f"limit:{name}" for name in trials}
    assert len(trials) == len(settings)
    for name in ("disk", "files"):
        assert trials[name].scores["substring"].value == 0.0
        assert '"type":"session"' in bench.artifact(trials[name], "session.jsonl")
        assert "seq 3000" in bench.artifact(trials[name], "events.jsonl")


def test_giving_up_and_refusing_are_outcomes(bench: AgentBench, pi: str) -> None:
    gives = {"text": "I cannot complete this task with the tools I have."}
    turns = {
        "gives": [bash("false"), gives],
        "right": [{"text": "I cannot complete all of it, but this is done."}],
        "refuses": [bash("true"), {"finish": "content_filter"}],
    }
    trials = bench.run(turns)
    assert {k: t.status for k, t in trials.items()} == {"gives": "gave-up", "right": "ok", "refuses": "refused"}
    assert {k: t.scores["substring"].value for k, t in trials.items()} == {"gives": 0.0, "right": 1.0, "refuses": 0.0}
    assert {k: t.scores["marker:gave-up"].value for k, t in trials.items()} == {
        "gives": 1.0, "right": 1.0, "refuses": 0.0,
    }  # fmt: skip
    assert {t.scores["marker:repeated-call"].value for t in trials.values()} == {0.0}


def test_a_deadline_covers_silence_and_the_whole_tree(
    bench: AgentBench, pi: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:  # a short path, since it holds a socket
        monkeypatch.setattr(tempfile, "tempdir", folder)
        _silence(bench)
        assert not [p for p in Path(folder).rglob("*") if p.is_dir() and "gateway" in p.name]


def _silence(bench: AgentBench) -> None:
    nap = "setsid nohup sleep 77177 >/dev/null 2>&1 & sleep 77177"
    for seconds in (5, 20, 60):  # a busy machine may need longer than this to start the agent at all
        began = time.monotonic()
        trial = bench.run({"silent": [bash(nap)]}, overrides=(f"limits.seconds={seconds}",))["silent"]
        assert trial.status == "timeout" and seconds <= time.monotonic() - began < 77177
        assert trial.trajectory is not None
        if steps := [s for s in trial.trajectory.steps if s.source == "model"]:
            break
    (step,) = steps
    assert step.tool_calls[0].arguments["command"] == nap
    assert "sleep 77177" in bench.artifact(trial, "events.jsonl")
    assert '"type":"session"' in bench.artifact(trial, "session.jsonl")
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"77177" in _read(p)]
    assert left == []
    assert [p for p in home().path.iterdir() if p.is_dir()] == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


BROKEN_SCORER = """
class Broken(SubstringScorer, frozen=True, kw_only=True):
    name: str = "broken"

    def judge(self, answer, golds, context):
        raise KeyError("no such column")

"""
OWN = """
import msgspec
from weigh.execute.agents.agent import Launch
from weigh.execute.agents.pi import AGENT
from weigh.execute.scaffolds.agent import AgentScaffold

def changed(change):
    def launch(program, task):
        return change(AGENT.launch(program, task))
    return msgspec.structs.replace(AGENT, launch=launch)

def chatter(launch):
    command = ("/bin/sh", "-c", 'echo "Loading 3 plug-ins ..."; exec "$@"', "sh", *launch.command)
    return msgspec.structs.replace(launch, command=command)

def unknown(launch):
    return msgspec.structs.replace(launch, command=(*launch.command[:2], "--no-such-flag", *launch.command[2:]))

class Chatty(AgentScaffold):
    def __init__(self): super().__init__(changed(chatter))

class Broken(AgentScaffold):
    def __init__(self): super().__init__(changed(unknown))

def louder(launch):
    command = ("/bin/sh", "-c", "\\"$@\\" | sed -u 's/output.:7/output\\":8/'", "sh", *launch.command)
    return msgspec.structs.replace(launch, command=command)

class Louder(AgentScaffold):
    def __init__(self): super().__init__(changed(louder))

class Busy(AgentScaffold):
    def __init__(self):
        endless = ("/bin/sh", "-c", "while :; do :; done")
        super().__init__(changed(lambda launch: msgspec.structs.replace(launch, command=endless)))

class Silent(AgentScaffold):
    def __init__(self): super().__init__(changed(lambda launch: msgspec.structs.replace(launch, command=("true",))))
"""


def test_an_agent_that_fails_or_cannot_be_read_is_a_failure_with_its_output_kept(bench: AgentBench, pi: str) -> None:
    own = bench.folder / "own.py"
    own.write_text(OWN)
    settings = [limited(name, f"scaffold={own}:{name}") for name in ("Chatty", "Broken", "Silent")]
    bench.run({"fine": [DONE]}, settings=settings, concurrency=2)
    trials = {t.arm.rpartition("/")[2]: t for t in bench.trials()}
    chatty, broken, silent = trials["Chatty"], trials["Broken"], trials["Silent"]
    assert chatty.status == broken.status == silent.status == "error"
    assert silent.error is not None and (silent.error.kind, silent.error.code) == ("agent", "silent")
    assert chatty.error is not None and (chatty.error.kind, chatty.error.code) == ("agent", "stream")
    assert "Loading 3 plug-ins" in chatty.error.message
    raw = bench.artifact(chatty, "events.jsonl")
    assert raw.startswith("Loading 3 plug-ins ...\n") and '"agent_end"' in raw
    assert broken.error is not None and (broken.error.kind, broken.error.code) == ("agent", "exit_1")
    assert "Unknown option: --no-such-flag" in broken.error.message
    assert not chatty.scores and not broken.scores
    for failed in (chatty, broken, silent):
        assert failed.attempts and all(a.error is not None for a in failed.attempts)


def test_a_scorer_that_fails_is_no_zero_of_the_agent(bench: AgentBench, pi: str) -> None:
    task = bench.folder / "agent_bench.py"
    text = task.read_text().replace("scorer=SubstringScorer", "scorer=Broken")
    text = text.replace("@register", BROKEN_SCORER + "@register")
    task.write_text(text)
    trial = bench.run({"fine": [bash("echo one"), DONE]})["fine"]
    assert trial.status == "error" and trial.error is not None
    assert (trial.error.kind, trial.scores["broken"].value) == ("scorer", None)
    assert "no such column" in trial.error.message
    assert trial.trajectory is not None and "echo one" in bench.artifact(trial, "events.jsonl")


def test_an_agent_that_reports_something_else_than_the_gateway_counted_is_found(
    bench: AgentBench, pi: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = bench.folder / "own.py"
    own.write_text(OWN)
    settings = [limited("plain"), limited("louder", f"scaffold={own}:Louder")]
    bench.run({"fine": [DONE]}, settings=settings)
    plain, louder = sorted(bench.trials(), key=lambda t: t.arm.endswith("louder"))
    assert (plain.status, louder.status) == ("ok", "ok")
    # How many were new depends on which of the two asked first.
    assert miscount(plain) is None and re.fullmatch(
        r"1 calls, 10[01] new, 0 cached, 8 generated", miscount(louder) or ""
    )
    assert louder.usage.generated == 7
    (notice,) = [e.text for e in bench.events if isinstance(e, Notice)]
    assert notice == f"in trial {louder.id} the agent reports other calls or tokens than the gateway counted"
    assert main(["trial", louder.id, "--store", str(bench.store.path)]) == 0
    assert f"the agent itself reports {miscount(louder)}, which is not what the gateway" in capsys.readouterr().out


def test_local_works_by_name_and_warns(bench: AgentBench, pi: str) -> None:
    trial = bench.run({"here": [bash("cat given.txt; echo $HOME"), DONE]}, overrides=("sandbox=local",),
                      files={"given.txt": "a red fox\n"})["here"]  # fmt: skip
    assert trial.status == "ok", trial.error
    assert trial.trajectory is not None
    (seen,) = trial.trajectory.steps[1].observations
    assert "a red fox" in seen.content and str(Path.home()) not in seen.content.split()
    (planned,) = [e for e in bench.events if isinstance(e, Planned)]
    assert any("unprotected" in w for w in planned.plan.warnings)


def test_a_missing_agent_is_one_message_before_the_first_token(bench: AgentBench) -> None:
    request = bench.request({"fine": [DONE]}, overrides=("scaffold_options.version=0.0.1",))
    with pytest.raises(WeighError, match=r"pi 0\.0\.1 is not installed; get it with `weigh agents install pi@0\.0\.1`"):
        asyncio.run(run(request))
    assert not (bench.folder / "asked-fine.jsonl").exists()


def test_a_sandbox_that_cannot_hold_an_agent_is_refused_by_name(bench: AgentBench, pi: str) -> None:
    request = bench.request({"fine": [DONE]}, overrides=("sandbox=memory",))
    with pytest.raises(WeighError, match="agent pi cannot work in sandbox=memory"):
        asyncio.run(run(request))


def test_what_is_installed_is_said_and_installed_once(pi: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents", "install", "pi"]) == 0
    assert re.search(r"^pi 0\.73\.1  \d+ packages  already here  .*pi-0\.73\.1$", capsys.readouterr().out, re.MULTILINE)
    assert main(["ls", "agents"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^pi +0.73.1 +yes", said, re.MULTILINE) and all(name in said for name in NAMES)
    assert main(["agents", "install", "pii"]) == 2
    assert "did you mean 'pi'" in capsys.readouterr().err
