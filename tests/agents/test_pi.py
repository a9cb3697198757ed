"""The real pi on a scripted model in bubblewrap: what it does becomes steps, usage, artifacts and scores."""

from __future__ import annotations

import json
from typing import Any

from tests.agents.kit import DONE, AgentBench, bash, same_counts


def test_pi_is_driven_to_the_end(bench: AgentBench, pi: str) -> None:
    turns = {
        "work": [
            bash("echo hi; sleep 0.3; exit 3", "Let me look."),
            {"calls": [["write", {"path": "x.txt", "content": "hello"}], ["nosuch", {"a": 1}]]},
            {"calls": [["read", {"path": "x.txt"}]]},
            {"text": "It is done."},
        ]
    }
    trial = bench.run(turns)["work"]
    assert trial.status == "ok", trial.error
    assert trial.scores["substring"].value == 1.0
    assert trial.trajectory is not None
    models = [s for s in trial.trajectory.steps if s.source == "model"]
    assert [[c.name for c in s.tool_calls] for s in models] == [["bash"], ["write", "nosuch"], ["read"], []]
    first = models[0].observations[0]
    assert (first.is_error, first.metadata["exit_code"]) == (True, 3) and first.content.startswith("hi")
    # As weigh heard of it: two events that are read at once have the same time.
    assert first.seconds is not None and first.seconds >= 0
    seen = {o.tool: o for o in models[1].observations}
    assert not seen["write"].is_error and seen["nosuch"].is_error
    assert models[2].observations[0].content == "hello"
    assert models[3].message == "It is done."
    assert all(s.seconds is not None and s.usage is not None and s.usage.generated == 7 for s in models)

    agent = trial.trajectory.metadata["agent"]
    assert (agent["name"], agent["version"]) == ("pi", "0.73.1")
    assert same_counts(agent)
    assert (trial.usage.new, trial.usage.generated, trial.usage.calls) == (406, 28, 4)
    assert trial.timing.tools and trial.timing.tools > 0

    session = [json.loads(line) for line in bench.artifact(trial, "session.jsonl").splitlines()]
    assert session[0]["type"] == "session" and session[0]["version"] == 3
    events = [json.loads(line) for line in bench.artifact(trial, "events.jsonl").splitlines()]
    assert events[-1]["type"] == "agent_end"


def test_what_failed_is_named_and_what_was_said_is_kept(bench: AgentBench, pi: str) -> None:
    turns: dict[str, list[Any]] = {
        "provider": [bash("echo one"), "fail"],
        "empty": ["empty"],
        "fine": [DONE],
        "bug": ["bug"],
    }
    trials = bench.run(turns, overrides=("retries=0",))
    assert {k: t.status for k, t in trials.items()} == {
        "provider": "error", "empty": "empty", "fine": "ok", "bug": "error",
    }  # fmt: skip
    broken = trials["bug"].error
    assert broken is not None and (broken.kind, broken.message) == ("internal", "RuntimeError: a bug of the provider's")
    failed = trials["provider"]
    assert failed.error is not None and (failed.error.kind, failed.error.code) == ("provider", "http_500")
    assert failed.trajectory is not None and "echo one" in bench.artifact(failed, "events.jsonl")
