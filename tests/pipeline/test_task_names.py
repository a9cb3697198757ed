"""A task may be named in short wherever runs are read, if it is clear which one is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.compare_kit import put
from weigh.cli.main import main
from weigh.pipeline.task_names import choose_named, only_named
from weigh.records.errors import DefinitionError
from weigh.records.run import SuiteNode
from weigh.store.layout import Store

KNOWN = [
    "csvkit.largest",
    "csvkit.mean",
    "other.mean",
    "sciq",
    "sciq:mc",
    "a.sciq",
    "deep.stem.math:mc",
    "deep.stem.math",
]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("csvkit.largest", ["csvkit.largest"]),
        ("largest", ["csvkit.largest"]),
        ("sciq", ["sciq", "sciq:mc"]),  # a base name goes before a short one
        ("sciq:mc", ["sciq:mc"]),
        ("math", ["deep.stem.math:mc", "deep.stem.math"]),
        ("stem.math", ["deep.stem.math:mc", "deep.stem.math"]),
        ("math:mc", ["deep.stem.math:mc"]),
        ("csvkit.*", ["csvkit.largest", "csvkit.mean"]),
        ("mea*", ["csvkit.mean", "other.mean"]),
    ],
)
def test_a_word_means_tasks(word: str, meant: list[str]) -> None:
    assert choose_named(KNOWN, [word]) == meant


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("mean", "the task 'mean' could be 'csvkit.mean' or 'other.mean'; write which one"),
        ("largst", "no run has the task 'largst'; did you mean 'largest'"),
        ("csvkit.larges", "did you mean 'csvkit.largest'"),
        ("kit.mean", "no run has the task 'kit.mean'"),
    ],
)
def test_what_is_not_clear_is_said(word: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        choose_named(KNOWN, [word])
    assert said in str(caught.value)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    for number, (name, right) in enumerate({"old": 3, "new": 9}.items()):
        values = {f"q{i}": float(i < right) for i in range(12)}
        suite = SuiteNode(name="kit", members=("kit.first", "kit.second"), aggregation="pooled")
        put(store, name, {"kit.first": values, "kit.second": values, "third": values}, arm=f"m{number}",
            axes={"step": number}, suites=(suite,), created=1000.0 + number)  # fmt: skip
    return store


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "old", "new"],
        ["compare", "old", "new", "--rank"],
        ["diff", "old", "new"],
        ["power", "old", "--detect", "10pp"],
        ["power", "old", "new", "--detect", "10pp"],
        ["trend", "--axis", "step"],
        ["results", "old", "new"],
        ["results", "old", "--trials"],
        ["gate", "--baseline", "new", "--candidate", "old", "--max-drop", "1pp"],
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_every_command_that_reads_runs_takes_short_names(
    words: list[str], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*words, "-t", "second", "--store", str(store.path)])
    shown = capsys.readouterr().out
    assert "kit.second" in shown
    assert "kit.first" not in shown and "third" not in shown
    assert main([*words, "-t", "secnd", "--store", str(store.path)]) == 2
    assert "did you mean 'second'" in capsys.readouterr().err


def test_a_suite_keeps_its_tasks(store: Store) -> None:
    old, new = only_named([store.find("old"), store.find("new")], ["kit"])
    assert [t.name for t in old.tasks] == [t.name for t in new.tasks] == ["kit.first", "kit.second"]
    assert [s.name for s in old.suites] == ["kit"]
    (task,) = only_named([store.find("old")], ["first"])
    assert ([t.name for t in task.tasks], task.suites) == (["kit.first"], ())
