"""`weigh study new`: what it writes runs, and its two tasks can be solved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.study.kit import git
from weigh.cli.main import dispatch, main
from weigh.records.errors import WeighError
from weigh.study.spec import read_profile

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("bubblewrap")]

SOLVER = '''
from weigh.records.request import Output, ToolCall

VERSION = """python -c "import importlib.metadata as m; print(m.version('greet'))" > version.txt"""
NAMES = """printf 'import greet\\\\nprint("main")\\\\n' > names.py"""

def answer(request):
    if request.messages[-1].role == "tool":
        return "done"
    command = VERSION if "version.txt" in request.messages[-1].content else NAMES
    return Output(text="", tool_calls=(ToolCall(id="1", name="bash", arguments={"command": command}),))
'''


def test_what_it_writes_runs_and_can_be_solved(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # The study is not called as the package is, whose files do not say its name either: the module tells.
    assert main(["study", "new", "g3", "--repository", str(library), "--command", "greet"]) == 0
    file = tmp_path / "g3" / "study.yaml"
    text = file.read_text()
    assert '- "v1.0.0"\n  - "v1.1.0"' in text
    (tmp_path / "solver.py").write_text(SOLVER)
    text = text.replace("agents: [pi]", "agents: [coder]").replace("epochs: 4", "epochs: 1")
    file.write_text(text.replace("llamacpp/qwen2.5-coder-1.5b-instruct", f"scripted/{tmp_path}/solver.py:answer"))
    capsys.readouterr()
    assert main(["study", "run", "g3", "-q", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["revision"]: (row["match"], row["n"]) for row in rows} == {"v1.0.0": (1.0, 2), "v1.1.0": (1.0, 2)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a b", "--repository", "."], "'a b' cannot be a name"),
        (["x", "--repository", "nowhere"], "--repository: there is no folder nowhere"),
        (["there"], "exists; choose another name"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "study.yaml").touch()
    with pytest.raises(WeighError, match=said):
        dispatch(["study", "new", *words])


def test_a_wrong_command_is_found_when_it_is_built(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["study", "new", "greet", "--repository", str(library), "--command", "greets"]) == 0
    file = tmp_path / "greet" / "study.yaml"
    file.write_text(file.read_text().replace("agents: [pi]", "agents: [coder]"))
    assert main(["study", "build", "greet"]) == 2
    assert "installs no command 'greets'; did you mean 'greet'? (it installs greet)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "named", "module"),
    [
        ({"pyproject.toml": '[project]\nname = "py-greet"\n', "src/greeting/__init__.py": ""}, "py-greet", "greeting"),
        ({"pyproject.toml": '[tool.poetry]\nname = "Py.Greet"\n', "py_greet.py": "", "b/__init__.py": ""}, "Py.Greet",
         "py_greet"),
        ({"setup.cfg": "[metadata]\nname = pygreet\n", "setup.py": "", "tests/__init__.py": "", "hi/__init__.py": ""},
         "pygreet", "hi"),
        ({"setup.py": 'import setuptools\nN = "old-greet"\nsetuptools.setup(name=N)\n', "lib/old_greet.py": ""},
         "old-greet", "old_greet"),
        ({"pyproject.toml": '[tool.flit.module]\nname = "flown"\n', "flown.py": "", "other/__init__.py": ""}, None,
         "flown"),
        ({"pyproject.toml": "not toml", "setup.py": "print 'two'", "its_folder.py": ""}, None, "its_folder"),
        ({"one/__init__.py": "", "two/__init__.py": ""}, None, "its_folder"),
    ],
)  # fmt: skip
def test_the_package_is_called_as_its_repository_says(
    files: dict[str, str], named: str | None, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository = tmp_path / "its-folder"
    for path, text in files.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(text)
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "all")
    assert main(["study", "new", "study", "--repository", "its-folder"]) == 0
    profile = read_profile(tmp_path / "study" / "profile.yaml")
    assert (profile.package, profile.module) == (None, module)
    [task] = [task for task in profile.tasks if task.name == "version"]
    assert f"version of {named or module} is installed" in task.prompt
    assert isinstance(task.score, dict)
    asked = f"m.version('{named}')" if named else f"m.packages_distributions()['{module}']"
    assert asked in task.score["command"]
