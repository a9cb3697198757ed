"""A Python file of the user's that cannot be run is the user's to mend, wherever it is named; never a bug in weigh."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from weigh.define.own_file import run_file
from weigh.execute.providers.script import load_script
from weigh.execute.scaffolds.registry import make_scaffold
from weigh.execute.tools.registry import find_tool
from weigh.records.errors import DefinitionError
from weigh.records.marker import MarkerSpec
from weigh.score.markers import marker
from weigh.study.load import load_object

USES: dict[str, Callable[[Path], object]] = {
    "scripted/": lambda file: load_script(f"{file}:answer"),
    "scaffold '": lambda file: make_scaffold(f"{file}:Mine"),
    "tool 'mine'": lambda file: find_tool(f"{file}:mine"),
    "marker 'm': predicate": lambda file: marker("m", spec=MarkerSpec(name="m", predicate=f"{file}:fires")),
    "profile": lambda file: load_object(f"{file}:Mine", file.parent, "profile"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ndef answer(:\n", "mine.py: SyntaxError: "),
        ("import json\nimport nosuchmodule\n", "mine.py, line 2: ModuleNotFoundError: No module named 'nosuchmodule'"),
    ],
)
def test_it_is_told_as_the_files_mistake(use: str, text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(DefinitionError) as told:
        USES[use](file)
    assert str(told.value).startswith(use)
    assert said in str(told.value)


def test_a_module_beside_it_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("VALUE = 3\n")
    (tmp_path / "mine.py").write_text("from beside_it import VALUE\n")
    assert run_file(tmp_path / "mine.py", "x")["VALUE"] == 3


def test_a_script_is_named_by_the_closest_function(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("def answer(request):\n    return 'x'\n")
    with pytest.raises(DefinitionError, match="has no function 'anser'; did you mean 'answer'"):
        load_script(f"{tmp_path}/s.py:anser")
    (tmp_path / "s.yaml").write_text("- a\n- {text: b, repeet: true}\n")
    with pytest.raises(DefinitionError, match=r"s.yaml: \[1\].repeet: unknown key 'repeet'; did you mean 'repeat'"):
        load_script(f"{tmp_path}/s.yaml")
