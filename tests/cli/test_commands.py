"""Commands as a user types them, with a scripted model: each in a process of its own, on a store of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WEIGH = str(Path(sys.executable).parent / "weigh")
TASK = '''
from weigh import AccuracyMetric, ChatFormatter, DataSource, ExactMatchScorer, Suite, Task, register, register_variant

@register("capitals")
class Capitals(Task):
    """Repeat the name."""
    data_source = DataSource(path="capitals.jsonl")
    formatter = ChatFormatter()
    metrics = (AccuracyMetric(scorer=ExactMatchScorer),)

register_variant("capitals", "polite", instruction="Please:")
register(Suite(name="geography", tasks=("capitals", "capitals:polite")))
'''


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a task of 40 questions, of which an echo answers 30 as expected."""
    (tmp_path / "bench.py").write_text(TASK)
    rows = [{"id": f"q{i}", "question": f"City {i}", "answer": f"City {i if i % 4 else 'x'}"} for i in range(40)]
    (tmp_path / "capitals.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return tmp_path


def weigh(place: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("WEIGH_")} | {"NO_COLOR": "1"} | environment
    return subprocess.run(
        [WEIGH, *words], cwd=place, env=env, capture_output=True, text=True, timeout=300, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def run_json(place: Path, *words: str) -> list[dict[str, object]]:
    done = weigh(place, *words, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_says_its_numbers_and_where_it_is(place: Path) -> None:
    done = weigh(place, "run", "-m", "scripted/echo", "-t", "./bench.py:capitals", "--name", "first")
    assert done.returncode == 0, done.stderr
    assert "exact_match" in done.stdout
    assert "75.0" in done.stdout
    assert done.stdout.splitlines()[0].endswith("tokens, total  wall time")  # of the task, not of a trial
    assert done.stderr.splitlines()[-1] == "no trial failed"
    assert "40 run, 0 reused" in done.stderr
    again = weigh(place, "run", "-m", "scripted/echo", "-t", "./bench.py:capitals", "--name", "first")
    assert again.returncode == 0, again.stderr
    assert "0 run, 40 reused" in again.stderr
    assert again.stdout == done.stdout


def test_a_larger_limit_runs_only_what_is_new(place: Path) -> None:
    words = ("run", "-m", "scripted/echo", "-t", "./bench.py:capitals", "--name", "first")
    assert "10 run, 0 reused" in weigh(place, *words, "-l", "10").stderr
    assert "10 run, 10 reused" in weigh(place, *words, "--limit", "0.5").stderr
    assert "5 run, 6 reused" in weigh(place, *words, "--limit=15-25").stderr


def test_flags_come_from_the_environment_and_a_file(place: Path) -> None:
    (place / "run.toml").write_text('model = ["scripted/echo"]\ntask = "./bench.py:capitals"\nlimit = 5\nname = "f"\n')
    done = weigh(place, "run", "-c", "run.toml", WEIGH_STORE="elsewhere")
    assert done.returncode == 0, done.stderr
    assert (place / "elsewhere" / "runs").is_dir()
    assert "5 run" in done.stderr


def test_failed_trials_are_told_by_kind_and_fail_the_command(place: Path) -> None:
    words = (
        "run",
        "-m",
        "scripted/echo::fail_every=4",
        "-t",
        "./bench.py:capitals",
        "--name",
        "bad",
        "-o",
        "retries=0",
    )
    done = weigh(place, *words)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("10 of 40 trials failed: 10 provider")
    assert weigh(place, *words, "--allow-errors", "40").returncode == 0


def test_a_dry_run_writes_nothing(place: Path) -> None:
    rows = run_json(place, "run", "-m", "scripted/echo", "-t", "./bench.py:geography", "--dry-run")
    assert [(r["task"], r["cells"], r["requests"]) for r in rows] == [("capitals", 40, 40), ("capitals:polite", 40, 40)]
    assert not (place / "weigh-store").exists()


def test_what_is_missing_is_asked_for(place: Path) -> None:
    done = weigh(place, "run", "-t", "./bench.py")
    assert (done.returncode, done.stderr) == (
        2,
        "weigh: which model? -m provider/name (weigh ls models, weigh ls providers)\n",
    )
    done = weigh(place, "run", "-m", "scripted/echo", "-t", "./bench.py:capitols")
    assert done.returncode == 2
    assert "did you mean 'capitals'?" in done.stderr
    done = weigh(place, "run", "-m", "scriptd/echo", "-t", "./bench.py:capitals")
    assert done.returncode == 2
    assert "scripted" in done.stderr
    assert "Traceback" not in done.stderr


def test_looking_at_a_run(place: Path) -> None:
    weigh(
        place,
        "run",
        "-m",
        "scripted/echo",
        "-t",
        "./bench.py:capitals",
        "--name",
        "first",
        "--group",
        "g",
        "--tag",
        "a",
    )
    runs = run_json(place, "ls", "runs", "--group", "g", "--tag", "a")
    assert [(r["trials"], r["failed"], r["ended"], r["tasks"]) for r in runs] == [(40, 0, "done", ["capitals"])]
    assert run_json(place, "ls", "runs", "--group", "h") == []
    (row,) = run_json(place, "results", "first")
    assert (row["n"], row["score"], row["n_clusters"], row["interval_method"]) == (40, 0.75, None, "wilson")
    assert row["low"] < 0.75 < row["high"]
    trials = run_json(place, "results", "first", "--trials")
    assert len(trials) == 40
    shown = weigh(place, "trial", str(trials[0]["id"]))
    assert shown.returncode == 0, shown.stderr
    assert "City" in shown.stdout
    verified = weigh(place, "runs", "verify")
    assert (verified.returncode, "whole" in verified.stdout) == (0, True), verified.stdout
    assert weigh(place, "runs", "rm", "first").returncode == 2
    assert weigh(place, "runs", "rm", "first", "-y").returncode == 0
    assert run_json(place, "ls", "runs") == []


def test_a_new_scorer_needs_no_model(place: Path) -> None:
    words = ("run", "-m", "scripted/echo", "-t", "./bench.py:capitals", "--name", "first")
    weigh(place, *words)
    (place / "bench.py").write_text(TASK.replace("scorer=ExactMatchScorer", 'scorer=SubstringScorer').replace(
        "import AccuracyMetric", "import SubstringScorer, AccuracyMetric"))  # fmt: skip
    done = weigh(place, "rescore", "first", "-t", "./bench.py")
    assert done.returncode == 0, done.stderr
    assert "40" in done.stderr
    (row,) = run_json(place, "results", "first")
    assert row["n"] == 40


def test_explain_names_the_field_that_differs(place: Path) -> None:
    words = ("run", "-m", "scripted/echo", "-t", "./bench.py:capitals", "-l", "3")
    weigh(place, *words, "--name", "cold")
    weigh(place, *words, "--name", "warm", "--temperature", "0.5")
    done = weigh(place, "explain", "warm")
    assert done.returncode == 0, done.stderr
    assert "temperature" in done.stdout


def test_show_says_what_the_model_sees(place: Path) -> None:
    done = weigh(place, "show", "./bench.py:capitals:polite", "--instance", "q7", "--rendered")
    assert done.returncode == 0, done.stderr
    assert "Please:" in done.stdout
    assert "City 7" in done.stdout
    assert "geography  (mean_of_tasks)" in weigh(place, "show", "./bench.py:geography").stdout
    assert [r["name"] for r in run_json(place, "ls", "tasks", "./bench.py")] == ["capitals"]
    assert [r["name"] for r in run_json(place, "ls", "suites", "./bench.py")] == ["geography"]


def test_interrupting_says_how_to_resume_and_resuming_loses_nothing(place: Path) -> None:
    words = ["-t", "./bench.py:capitals", "--name", "slow", "--concurrency", "2"]
    process = subprocess.Popen(
        [WEIGH, "run", "-m", "scripted/echo::latency=1", *words],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert process.stderr is not None
    assert "40 trials" in process.stderr.readline()
    deadline = time.monotonic() + 60
    while not any(b'"t":"trial"' in p.read_bytes() for p in place.glob("weigh-store/runs/*/journal/*.jsonl")):
        assert time.monotonic() < deadline, "no trial was stored"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "resume with" in err
    assert "weigh run -m" in err
    assert "Traceback" not in err
    done = weigh(place, "run", "-m", "scripted/echo", *words)
    assert done.returncode == 0, done.stderr
    (row,) = run_json(place, "results", "slow")
    assert (row["n"], row["score"]) == (40, 0.75)
    assert " 0 reused" not in done.stderr


def test_doctor_and_lists_work_anywhere(place: Path) -> None:
    assert weigh(place, "doctor").returncode == 0
    for what in ("providers", "models", "harnesses", "suites", "tasks"):
        assert run_json(place, "ls", what) is not None
