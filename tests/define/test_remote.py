"""Data that is elsewhere, against servers on loopback: S3 (moto) and one that speaks the Hub's routes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from weigh.define.data import DataLoader, DataSource, source_digest
from weigh.records.errors import DataError

ROWS = [{"question": f"q{i}", "answer": i} for i in range(5)]
BODY = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
FIRST = (json.dumps(ROWS[0]) + "\n").encode()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server_module = pytest.importorskip("moto.server", reason="needs moto[s3,server]")
    s3fs = pytest.importorskip("s3fs", reason="needs s3fs")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.makedirs("evals", exist_ok=True)
    yield system
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_s3_file_folder_cache_and_offline(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.pipe("evals/internal/freshqa.jsonl", BODY)
    s3.pipe("evals/set/train.jsonl", FIRST)
    s3.pipe("evals/set/test.jsonl", BODY)
    loader = DataLoader(tmp_path)
    one = DataSource("s3://evals/internal/freshqa.jsonl", split="test")
    assert list(loader.load(one)) == ROWS
    assert list(loader.load(DataSource("s3://evals/set", split="test"))) == ROWS
    blobs = tmp_path / "data" / "blobs"
    assert [p.name for p in blobs.iterdir()] == [hashlib.sha256(BODY).hexdigest()]  # the same content is there once
    stamp = loader.files(one)[0].stat().st_mtime_ns
    assert loader.files(one)[0].stat().st_mtime_ns == stamp  # unchanged: not loaded again
    before = source_digest(one, tmp_path)

    s3.pipe("evals/internal/freshqa.jsonl", BODY + b'{"question": "new", "answer": 9}\n')
    assert len(list(loader.load(one))) == 6 and source_digest(one, tmp_path) != before

    with pytest.raises(DataError, match=r"data 's3://evals/nothing\.jsonl' does not exist"):
        list(loader.load(DataSource("s3://evals/nothing.jsonl")))
    with pytest.raises(DataError, match=r"no files for split 'dev'; files: test\.jsonl, train\.jsonl"):
        list(loader.load(DataSource("s3://evals/set", split="dev")))

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    type(s3).clear_instance_cache()
    assert len(list(loader.load(one))) == 6
    with pytest.raises(DataError, match=r"is not in the cache .* and HF_HUB_OFFLINE is set"):
        list(loader.load(DataSource("s3://evals/never-asked.jsonl")))


def test_a_server_that_is_not_there_is_one_line(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    type(s3).clear_instance_cache()
    with pytest.raises(DataError, match=r"data 's3://evals/a\.jsonl' cannot be read: ") as raised:
        list(DataLoader(tmp_path).load(DataSource("s3://evals/a.jsonl")))
    assert "\n" not in str(raised.value)


def test_a_protocol_without_its_package_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gs://.*pip install 'weigh\[gcs\]'|cannot be read|does not exist"):
        list(DataLoader(tmp_path).load(DataSource("gs://bucket/a.jsonl")))
    with pytest.raises(DataError, match="nosuch"):
        list(DataLoader(tmp_path).load(DataSource("nosuch://bucket/a.jsonl")))


class Hub(BaseHTTPRequestHandler):
    """Speaks as much of the Hub as the client asks for: repository info, and files with etag and commit."""

    sha = "a" * 40
    files = {"README.md": b"# hi", "data/test-00000-of-00001.jsonl": BODY, "data/train.jsonl": FIRST}
    log: list[str] = []

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, *, head: bool) -> None:
        Hub.log.append(f"{self.command} {self.path}")
        path = self.path.split("?")[0]
        status, body, headers = 404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"}
        if path.startswith("/api/datasets/org/set"):
            siblings = [{"rfilename": name} for name in self.files]
            info = {"id": "org/set", "sha": self.sha, "siblings": siblings, "private": False, "tags": []}
            status, body, headers = 200, json.dumps(info).encode(), {"Content-Type": "application/json"}
        elif path.startswith(f"/datasets/org/set/resolve/{self.sha}/"):
            name = path.partition(f"{self.sha}/")[2]
            body = self.files[name]
            status, headers = 200, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": self.sha}
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield {
        **os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}", "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    server.shutdown()
    server.server_close()
    thread.join(60)


def ask(environment: dict[str, str], *sources: DataSource) -> list[Any]:
    """Load in a process of its own: the Hub's client reads its settings when it is imported."""
    program = textwrap.dedent("""
        import json, sys
        from weigh import DataLoader, DataSource, WeighError
        out = []
        for fields in json.loads(sys.argv[1]):
            try:
                out.append(list(DataLoader().load(DataSource(**fields))))
            except WeighError as error:
                out.append(str(error))
        print(json.dumps(out))
    """)
    fields = [s.describe() for s in sources]
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(fields)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_the_hub_and_what_it_left_when_offline(hub: dict[str, str]) -> None:
    source = DataSource("hf://datasets/org/set", split="test")
    whole, one, missing, malformed = ask(
        hub,
        source,
        DataSource("hf://datasets/org/set@main/data/train.jsonl"),
        DataSource("hf://datasets/org/missing", split="test"),
        DataSource("hf://datasets/org"),
    )
    assert whole == ROWS and one == ROWS[:1]
    assert "data 'hf://datasets/org/missing' cannot be had from the Hub" in missing and "set HF_TOKEN" in missing
    assert "write hf://datasets/OWNER/NAME" in malformed
    off = {**hub, "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:1"}
    again, never = ask(off, source, DataSource("hf://datasets/org/other", split="test"))
    assert again == ROWS and "cannot be had from the Hub" in never
