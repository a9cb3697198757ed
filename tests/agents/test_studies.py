"""Studies of real agents on a scripted model: several agents in one, killed in the middle, recorded and replayed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.conftest import get
from tests.agents.kit import same_counts
from tests.study.kit import make_library, make_study
from tests.waiting import eventually
from weigh.cli.main import main
from weigh.execute.agents.install import agents_dir
from weigh.records.actions import actions_of
from weigh.records.trial import Trial
from weigh.store.dataset import open_dataset
from weigh.store.layout import Store
from weigh.store.reader import ReadReport, read_trials

pytestmark = pytest.mark.sandbox

AGENTS = ("pi", "mini_swe_agent")
TASKS = ("shout", "tell", "file")

MODEL = '''
import pathlib
from weigh.execute.providers.script import Turn
from weigh.records.request import Output, ToolCall
from weigh.records.usage import Usage

HERE = pathlib.Path(__file__).parent
GREET = 'greet Ada --shout; greet "$(cat who.txt 2>/dev/null || echo Ada)" | tee out.txt'
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; greet Ada --shout; cat out.txt"


def text(message):
    return message.content if isinstance(message.content, str) else "".join(p.get("text", "") for p in message.content)


def answer(request):
    """Uses the command and repeats what it printed. While there is a file `slow`, only `tell` comes to an end."""
    tools = {tool.name for tool in request.tools}
    asked = " ".join(text(m) for m in request.messages if m.role == "user")
    results = [text(m) for m in request.messages if m.role == "tool"]
    usage = Usage(new=100 + len(results), cached=20, generated=7, calls=1)
    mini, slow = tools == {"bash"}, HERE / "slow"
    if slow.exists() and "out.txt" in asked:
        (HERE / "hangs").touch()
        return Turn(text="much too late", delay=6000)
    if results and not (mini and len(results) == 1):
        return Output(text=results[-1], usage=usage)
    command = SUBMIT if results else GREET
    if slow.exists() and "loudly" in asked:
        command = "sleep " + slow.read_text()
    arguments = {"command": command, "description": "greet", "is_background": False}
    name = "bash" if "bash" in tools else "run_shell_command"
    if name == "bash":
        arguments = {"command": command}
    call = ToolCall(id=f"call_{len(results)}", name=name, arguments=arguments)
    return Output(tool_calls=(call,), usage=usage, finish_reason="tool_calls")
'''


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_library(tmp_path_factory.mktemp("library") / "greet")


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache whose agents are those of weigh's own; what studies install goes with it."""
    found = get("pi") and agents_dir()
    cache = tmp_path_factory.mktemp("cache")
    (cache / "agents").symlink_to(found)
    return cache


@pytest.fixture
def study(tmp_path: Path, library: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Greets with three agents: the second release, no help."""
    for name in AGENTS:
        get(name)
    monkeypatch.setenv("WEIGH_CACHE", str(own_cache))
    changes = {
        "[coder]": f"[{', '.join(AGENTS)}]",
        "[v1.0.0, v1.1.0]": "[v1.1.0]",
        "[bare, skill]": "[bare]",
        "epochs: 2": "epochs: 1",
    }
    file = make_study(tmp_path / "study", library, changes)
    (file.parent / "answers.py").write_text(MODEL)
    return file


@pytest.fixture
def short() -> Iterator[Path]:
    """A temporary folder with a short path, for processes that put sockets into it."""
    with tempfile.TemporaryDirectory(prefix="w", dir="/tmp") as folder:
        yield Path(folder)


def trials(file: Path, store: str = "store") -> list[Trial]:
    held = Store(file.parent / store)
    report = ReadReport()
    found = [t for one in held.runs() for t in read_trials(held.open(one.id), report=report)]
    assert report.doubled == 0 and not report.corrupt
    return found


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main([*words, "--format", "json"]) == 0
    made: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return made


def test_killed_while_agents_work_nothing_is_left_and_the_same_matrix_comes(
    study: Path, short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [sys.executable, "-m", "weigh", "study", "run", str(study), "-q", "--only", "agent=pi"]
    env = {**os.environ, "TMPDIR": str(short)}
    mark = f"6100.{os.getpid()}"
    (study.parent / "slow").write_text(mark)
    first = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # One trial is done, one agent waits for a command, one for the model.
        assert eventually(lambda: running(f"sleep {mark}") and (study.parent / "hangs").exists() and stored(study), 600)
        below = descendants(first.pid)
        status = {r["task"]: r for r in rows(capsys, "study", "status", str(study)) if r["agent"] == "pi"}
        assert {task: (r["done"], r["running"], r["state"]) for task, r in status.items()} == {
            "shout": (0, 1, "running"), "tell": (1, 0, "done"), "file": (0, 1, "running"),
        }  # fmt: skip
        assert list(below.values()).count("pi") == 2  # what the agent calls itself
        assert [p for p in short.iterdir() if p.name.startswith("weigh-gateway-")]
    finally:
        first.kill()
        first.wait()
    assert eventually(lambda: not [p for p in below if alive(p)], 30), {p: below[p] for p in below if alive(p)}
    assert not running(f"sleep {mark}")
    assert eventually(lambda: not list(short.iterdir()), 30), list(short.iterdir())
    (study.parent / "slow").unlink()
    before = {t.id for t in trials(study)}
    assert len(before) == 1

    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 run, 1 reused" in done.stderr
    assert not list(short.iterdir())
    after = trials(study)
    assert sorted(t.cell[:2] for t in after) == sorted(("small/pi/v1.1.0/bare", f"greet.{task}") for task in TASKS)
    assert before < {t.id for t in after}
    assert {t.status for t in after} == {"ok"} and {t.scores["match"].value for t in after} == {1.0}


@pytest.mark.slow
def test_several_agents_are_counted_alike_and_compared(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    earlier = descendants(os.getpid())
    assert main(["study", "run", str(study), "-q", "-t", "tell"]) == 0
    capsys.readouterr()
    made = {t.arm.split("/")[1]: t for t in trials(study)}
    assert set(made) == set(AGENTS)
    for trial in made.values():
        assert (trial.status, trial.scores["match"].value, trial.scores["marker:cli"].value) == ("ok", 1.0, 1.0)
        assert trial.trajectory is not None
        told = trial.trajectory.metadata["agent"]
        assert same_counts(told), told
        counted = {k: told["gateway"][k] for k in ("calls", "new", "cached", "generated")}
        assert {k: getattr(trial.usage, k) for k in counted} == counted
        assert (counted["calls"], counted["generated"]) == (2, 14)
        assert [a.kind for a in actions_of(trial.trajectory)][:1] == ["command"]

    below = [line for pid, line in descendants(os.getpid()).items() if pid not in earlier]
    assert [line for line in below if "sandbox" not in line] == []  # no agent, no zombie; the reaper waits
    plan = rows(capsys, "study", "plan", str(study))
    assert {r["agent"]: (r["trials"], r["done"], r["remaining"]) for r in plan} == dict.fromkeys(AGENTS, (3, 1, 2))
    status = rows(capsys, "study", "status", str(study))
    assert {(r["agent"], r["task"], r["state"]) for r in status} == {
        (agent, task, "done" if task == "tell" else "missing") for agent in AGENTS for task in TASKS
    }
    shown = {r["agent"]: r for r in rows(capsys, "study", "show", str(study))}
    assert {a: (r["match"], r["trials"], r["turns"], r["new"], r["cached"]) for a, r in shown.items()} == (
        dict.fromkeys(AGENTS, (1.0, 1, 2, 201, 40))
    )
    assert main(["study", "show", str(study)]) == 0
    assert "agent mini_swe_agent against pi" in capsys.readouterr().out
    words = ["compare", "agent=pi", "agent=mini_swe_agent", "--store", str(study.parent / "store")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert re.search(r"greet\.tell\s+match\s+1\s+100\.0\s+100\.0\s+\+0\.0", said), said


LOOKS = """
import pathlib
from weigh.records.request import Output, ToolCall
from weigh.records.usage import Usage

HERE = pathlib.Path(__file__).parent
TURNS = [
    [("read", {"path": "nowhere-in-files.md"})],
    [("bash", {"command": "ls -A; cat *.md 2>/dev/null; echo $HINT; greet Ada IN-COMMANDS-AND-RESULTS"})],
    [("write", {"path": "run.py", "content": "import greet  # IN-CODE"}), ("greet", {"who": "IN-CALLS"})],
    [("read", {"path": "run.py"})],
]

def text(message):
    return message.content if isinstance(message.content, str) else "".join(p.get("text", "") for p in message.content)

def answer(request):
    turn = sum(m.role == "assistant" for m in request.messages)
    usage = Usage(new=100 + turn, generated=5, calls=1)
    if turn < len(TURNS):
        calls = tuple(ToolCall(id=f"c{turn}{i}", name=n, arguments=a) for i, (n, a) in enumerate(TURNS[turn]))
        return Output(tool_calls=calls, usage=usage, finish_reason="tool_calls")
    system = "".join(text(m) for m in request.messages if m.role == "system")
    told = [name for name in ("Read NOTES.md.", "<name>greet</name>") if name in system]
    return Output(text=f"It says hello Ada, IN-ANSWER. Told: {told}", usage=usage)
"""

MARKERS = """
markers:
  m-commands: {pattern: '^ls .*IN-COMMANDS', scope: commands}
  m-code: {pattern: '^import greet  # IN-CODE', scope: code}
  m-files: {pattern: 'nowhere-in-files.md$', scope: files}
  m-calls: {pattern: '^greet .*IN-CALLS', scope: calls}
  m-results: {pattern: '^hello Ada$', scope: results}
  m-answer: {pattern: 'IN-ANSWER', scope: answer}
  m-any: 'IN-CALLS'
  m-elsewhere: {pattern: 'IN-ANSWER|IN-CALLS', scope: results}
  m-own: {predicate: "made.py:wrote"}
"""


TOOK = {"turns": 5, "tool_calls": 5, "tool_errors": 2, "recoveries": 1, "answer_call": 2, "files_read": 3,
        "files_written": 1, "help": 0, "new": 510, "generated": 25, "cost": None}  # fmt: skip


@pytest.mark.slow
def test_tiers_and_markers_and_a_replay_that_judges_anew(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = study.parent
    text = study.read_text().replace(f"[{', '.join(AGENTS)}]", "[pi]").replace("[bare]", "[bare, clone, skill, notes]")
    study.write_text(text)
    profile = folder / "profile.yaml"
    profile.write_text(profile.read_text() + MARKERS)
    made = folder / "made.py"
    made.write_text(
        made.read_text() + "\ndef wrote(trajectory):\n    return any(s.tool_calls for s in trajectory.steps)\n"
    )
    (folder / "answers.py").write_text(LOOKS)
    assert main(["study", "run", str(study), "-q", "-t", "tell", "-o", "record=true"]) == 0
    capsys.readouterr()
    first = {t.arm.rpartition("/")[2]: t for t in trials(study)}
    assert {tier: (t.status, t.scores["match"].value) for tier, t in first.items()} == dict.fromkeys(
        ("bare", "clone", "skill", "notes"), ("ok", 1.0)
    )
    seen = {tier: _seen(t) for tier, t in first.items()}
    assert {tier for tier, said in seen.items() if "greet greets" in said} == {"clone"}  # its README.md
    assert {tier for tier, said in seen.items() if "try --shout" in said} == {"notes"}
    assert not any(".git\n" in said for said in seen.values())
    told = {tier: t.output.text.partition("Told: ")[2] for tier, t in first.items() if t.output}
    assert told == {"bare": "[]", "clone": "[]", "skill": "['<name>greet</name>']", "notes": "['Read NOTES.md.']"}
    fired = {"cli", "error-recovered", "imports", "m-answer", "m-any", "m-calls", "m-code", "m-commands", "m-files",
             "m-own", "m-results", "unregistered-call"}  # fmt: skip
    for trial in first.values():
        assert {
            n.removeprefix("marker:") for n, s in trial.scores.items() if n.startswith("marker:") and s.value
        } == fired
        assert trial.scores["marker:m-elsewhere"].value == 0.0

    store = Store(folder / "store")
    with open_dataset(store, [store.runs()[0].id]) as data:
        (took,) = data.sql("select * from trials where arm like '%skill'")
    assert {name: took[name] for name in TOOK} == TOOK
    assert 0 < took["tool_seconds"] < took["seconds"] and 0 <= took["model_seconds"] < took["seconds"]

    # From here on there is no model.
    (folder / "answers.py").write_text("def answer(request):\n    raise RuntimeError('a model was asked')\n")
    part = ["study", "run", str(study), "-q", "-t", "tell", "--only", "tier=skill"]
    assert main([*part, "--replay"]) == 0
    (again,) = trials(study, "store-replay")
    assert _went(again) == _went(first["skill"])
    # A way of judging that has to look at what the agent left: only a replay can tell.
    text = profile.read_text()
    target = "    target: hello Ada\n"
    judged = '    score: {by: state, files: [{path: run.py, contains: "import greet"}], command: "! test -e out.txt"}\n'
    assert text.count(target) == 1
    profile.write_text(text.replace(target, target + judged))
    assert main([*part, "--replay", f"{Store(folder / 'store').runs()[0].id}::match=sequence"]) == 0
    assert "1 run, 0 reused" in capsys.readouterr().err
    (judged_anew,) = [t for t in trials(study, "store-replay") if t.id != again.id]
    assert judged_anew.scores["match"].value == 1.0
    assert "files" in str(judged_anew.scores["match"].explanation) + str(judged_anew.scores["match"].metadata)
    # One that looks at the answer alone judges what is stored, and asks no model that could be asked again.
    (folder / "answers.py").write_text(LOOKS)
    profile.write_text(text.replace(target, target + "    score: {by: regex, pattern: 'Told: ..<name>'}\n"))
    assert main(part[:-2]) == 0
    assert "0 run, 4 reused" in capsys.readouterr().err
    assert {t.arm.rpartition("/")[2]: t.scores["match"].value for t in trials(study)} == {
        "bare": 0.0, "clone": 0.0, "skill": 1.0, "notes": 0.0,
    }  # fmt: skip


def _seen(trial: Trial) -> str:
    assert trial.trajectory is not None
    return "\n".join(o.content for s in trial.trajectory.steps for o in s.observations)


def _went(trial: Trial) -> Any:
    """A trial without its times and its id."""
    assert trial.trajectory is not None
    steps = [(s.source, s.message, s.tool_calls, s.usage, [(o.tool, o.content, o.is_error) for o in s.observations])
             for s in trial.trajectory.steps]  # fmt: skip
    scores = {name: (s.value, s.explanation) for name, s in trial.scores.items()}
    return trial.status, steps, trial.output, trial.usage, scores, trial.trajectory.metadata["agent"]


# What runs on this machine


def stored(file: Path) -> bool:
    journals = (file.parent / "store").glob("runs/*/journal/*.jsonl")
    return any("greet." in path.read_text() for path in journals)


def running(command: str) -> list[int]:
    return [pid for pid, line in processes().items() if line == command]


def processes() -> dict[int, str]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        found[int(folder.name)] = words.decode(errors="replace").strip()
    return found


def descendants(root: int) -> dict[int, str]:
    """All processes below one, with their command lines."""
    parents = {}
    for pid in processes():
        try:
            parents[pid] = int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found: set[int] = set()
    grown = {root}
    while grown:
        grown = {pid for pid, parent in parents.items() if parent in grown} - found
        found |= grown
    lines = processes()
    return {pid: lines.get(pid, "") for pid in found}


def alive(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
