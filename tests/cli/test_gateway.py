"""`weigh gateway`: a model at an address, for a command or until it is asked to stop; recorded, then replayed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from weigh.cli.main import main

ASK = """
import json, os, sys, urllib.request
url, key = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", os.environ["ANTHROPIC_API_KEY"]
for text in sys.argv[1:]:
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    answer = json.load(urllib.request.urlopen(urllib.request.Request(url, body, {"x-api-key": key})))
    print(answer["content"][0]["text"], flush=True)
sys.exit(3)
"""


def test_a_command_is_run_against_it_recorded_and_replayed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ask.py").write_text(ASK)
    command = ["--", sys.executable, "ask.py", "one two", "three"]
    assert main(["gateway", "-m", "scripted/echo", "--record", "calls.jsonl", *command]) == 3
    out, err = capfd.readouterr()
    assert out == "one two\nthree\n"
    assert "messages: 7 characters; 2 new, ? cached, 2 generated" in err
    assert "2 answered, 0 failed, 0 refused, 0 retries: 3 new, ? cached, 3 generated tokens" in err
    assert main(["gateway", "-q", "-m", "replay/calls.jsonl", "--calls", "2", *command]) == 3
    out, err = capfd.readouterr()
    assert out == "one two\nthree\n"
    assert main(["gateway", "-m", "scripted/echo", "--record", "calls.jsonl", *command]) == 2
    assert "cannot record to calls.jsonl: File exists" in capfd.readouterr().err


def test_what_cannot_be_served_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway"]) == 2
    assert "which model?" in capfd.readouterr().err
    assert main(["gateway", "-m", "scripted/echo", "--", "no-such-program"]) == 127
    assert "cannot run no-such-program" in capfd.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["gateway", "-m", "scripted/echo", "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot listen on port" in capfd.readouterr().err


def test_it_serves_until_it_is_asked_to_stop() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "weigh", "gateway", "-m", "scripted/echo", "--calls", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip().removeprefix("export ").split("=", 1) for _ in range(4)]
        given = dict(lines)
        body = json.dumps({"messages": [{"role": "user", "content": "hello"}]}).encode()
        head = {"Authorization": f"Bearer {given['OPENAI_API_KEY']}"}
        request = urllib.request.Request(given["OPENAI_BASE_URL"] + "/chat/completions", body, head)
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["choices"][0]["message"]["content"] == "hello"
        with pytest.raises(urllib.error.HTTPError, match="429"):
            urllib.request.urlopen(request)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "1 answered, 0 failed, 1 refused" in said
    assert "limit:calls" in said
