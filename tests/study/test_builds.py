"""`weigh study build` and `clean`: revisions of every kind, several processes at once, and one that is killed at it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.study.kit import BACKEND, FIRST, PYPROJECT, SECOND, make_study
from tests.waiting import eventually
from weigh.cli.main import main
from weigh.store.layout import Store
from weigh.store.reader import read_trials
from weigh.study.packages import unpack_tar

SLOW_BACKEND = """
def _wait(folder, build=build_wheel):
    waits = pathlib.Path("WAITS")
    if waits.exists():
        (waits / "begun").touch()
        import time
        time.sleep(60.5)
    return build(folder)

def build_wheel(folder, settings=None, metadata=None):
    return _wait(folder)
"""


def builder(study: Path, temporary: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "weigh", "study", "build", str(study)]
    env = {**os.environ, "TMPDIR": str(temporary)}
    return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition: object, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 600
    while not condition():  # type: ignore[operator]
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


def held_below(folder: Path) -> list[int]:
    """Processes that have something below a folder as an argument or in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            told = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in told and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found


def test_one_that_is_killed_while_it_builds_leaves_the_build_to_the_other(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library, waits, temporary = tmp_path / "greet", tmp_path / "waits", tmp_path / "t"
    for folder in (library, waits, temporary):
        folder.mkdir()
    (library / "pyproject.toml").write_text(PYPROJECT)
    (library / "backend.py").write_text(BACKEND + SLOW_BACKEND.replace("WAITS", str(waits)))
    (library / "greet.py").write_text(FIRST)
    here = f"[{{folder: {library}, name: here}}]"
    study = make_study(tmp_path / "study", library, {"[v1.0.0, v1.1.0]": here, "[bare, skill]": "[bare]"})
    first, second = builder(study, temporary), None
    try:
        until((waits / "begun").exists, first)
        second = builder(study, temporary)
        (waits / "begun").unlink()
        waits.rmdir()
        time.sleep(0.5)  # the second has come to the lock, and cannot have it
        assert second.poll() is None
        first.kill()
        first.communicate()
        out, errors = second.communicate(timeout=600)
    finally:
        for process in (first, second):
            if process is not None and process.poll() is None:
                process.kill()
                process.communicate()
    assert second.returncode == 0, errors
    assert "building greet here" in errors and "built greet here" in errors
    assert "here" in out
    assert eventually(lambda: not list(temporary.iterdir()) and not held_below(temporary))

    assert main(["study", "build", str(study)]) == 0
    said = capsys.readouterr()
    assert "building" not in said.err
    (place,) = [word for word in said.out.split() if word.startswith(str(cache))]
    ended = subprocess.run([f"{place}/bin/greet", "Ada"], capture_output=True, text=True, check=True)
    assert ended.stdout == "hello Ada\n"
    assert main(["study", "clean", str(study)]) == 2  # nobody is there to say yes
    assert "nothing removed" in capsys.readouterr().err
    assert main(["study", "clean", str(study), "-y"]) == 0
    assert f"removed {place}" in capsys.readouterr().out
    assert not Path(place).exists()
    assert main(["study", "plan", str(study)]) == 0
    assert "(not built yet)" in capsys.readouterr().err
    assert main(["study", "clean", str(study), "-y"]) == 0
    assert "there is nothing to remove" in capsys.readouterr().err


RELEASES = {"1.0.0": FIRST, "1.1.0": SECOND}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two releases of greet, as wheels and as source, that stands for the package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    for version, code in RELEASES.items():
        source = tmp_path / f"greet-{version}"
        source.mkdir()
        files = {"pyproject.toml": PYPROJECT, "backend.py": BACKEND, "greet.py": code,
                 "PKG-INFO": f"Metadata-Version: 2.1\nName: greet\nVersion: {version}\n"}  # fmt: skip
        for name, text in files.items():
            (source / name).write_text(text)
        make = f"import sys; sys.path.insert(0, '.'); import backend; backend.build_wheel({str(folder)!r})"
        subprocess.run([sys.executable, "-c", make], cwd=source, check=True)
        with tarfile.open(folder / f"greet-{version}.tar.gz", "w:gz") as archive:
            archive.add(source, f"greet-{version}", filter=lambda m: None if "__pycache__" in m.name else m)
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(folder)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.mark.sandbox
@pytest.mark.usefixtures("bubblewrap")
def test_released_versions_are_resolved_installed_and_their_source_is_shown(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"[v1.0.0, v1.1.0]": '["1.0.0..1.1.0"]', "[bare, skill]": "[bare, clone]", "epochs: 2": "epochs: 1"}
    study = make_study(tmp_path / "study", tmp_path, changes)
    profile = study.parent / "profile.yaml"
    profile.write_text(profile.read_text().replace(f"repository: {tmp_path}", "package: greet"))
    assert main(["study", "run", str(study), "-q", "-t", "shout,tell", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    matches = {(row["revision"], row["tier"]): row["match"] for row in rows}
    assert matches == {("1.0.0", "bare"): 0.5, ("1.0.0", "clone"): 0.5, ("1.1.0", "bare"): 1.0, ("1.1.0", "clone"): 1.0}
    store = Store(study.parent / "store")
    found = [trial for one in store.runs() for trial in read_trials(store.open(one.id))]
    said = {t.arm: t.output.text for t in found if t.output and t.task == "greet.tell"}
    assert {arm for arm, text in said.items() if "greet.py" in text} == {
        "small/coder/1.0.0/clone", "small/coder/1.1.0/clone",
    }  # fmt: skip

    study.write_text(study.read_text().replace('["1.0.0..1.1.0"]', "[greet==1.0.0, {version: latest, name: newest}]"))
    assert main(["study", "plan", str(study)]) == 0
    said_of = capsys.readouterr().err
    assert "revision 1.0.0 = greet==1.0.0 (installed)" in said_of
    assert "revision newest = greet==1.1.0 (installed)" in said_of  # whatever it is called
    study.write_text(study.read_text().replace("greet==1.0.0", "greet==1.0.1"))
    assert main(["study", "plan", str(study)]) == 2
    said_of = capsys.readouterr().err
    assert "there is no version '1.0.1' of greet for this Python; did you mean '1.0.0' or '1.1.0'" in said_of


def test_an_old_python_unpacks_what_stays_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)  # as before 3.11.4
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, mode in (
            ("p-1/run.sh", 0o4755),
            ("p-1/deep/x.py", 0o600),
            ("../evil", 0o644),
            ("/tmp/evil-too", 0o644),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid = 2, mode, 12345
            archive.addfile(member, io.BytesIO(b"hi"))
        link = tarfile.TarInfo("p-1/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    target = tmp_path / "source"
    with tarfile.open(tmp_path / "a.tar.gz") as held:
        unpack_tar(held, target)
    files = {p.relative_to(target).as_posix(): p for p in target.rglob("*") if not p.is_dir()}
    assert set(files) == {"p-1/run.sh", "p-1/deep/x.py"} and not (tmp_path / "evil").exists()
    assert {p.stat().st_mode & 0o7777 for p in files.values()} == {0o755, 0o644}
    assert all(p.stat().st_uid == os.getuid() for p in files.values())
