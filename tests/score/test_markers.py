"""Markers: every scope and kind of predicate, the built-in ones, what they say of where they matched, and errors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.score.conftest import Context
from tests.score.trips import trip
from weigh.define.decode import decode
from weigh.define.markers import as_markers, resolve_markers
from weigh.records.actions import actions_of
from weigh.records.errors import DefinitionError
from weigh.records.instance import Instance
from weigh.records.marker import SCOPES, MarkerSpec
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.score.guard import score_trial
from weigh.score.markers import BUILT_IN, MarkerScorer, marker
from weigh.score.registry import scorer_by_name

WENT = trip(
    ("bash", {"command": "transformers classify 'nice'"}, "usage: IN-RESULT"),
    ("write", {"path": "run.py", "content": "from transformers import pipeline  # IN-CODE"}, "ok"),
    ("read", {"path": "docs/cli/IN-FILES.md"}, "text"),
    ("fly", {"to": "IN-CALL"}, "Tool fly not found", True),
    answer="It says IN-ANSWER.",
    tools=("bash", "write", "read"),
)


def scored(scorer: Any, trajectory: Trajectory) -> Score:
    return asyncio.run(score_trial([scorer], Context(Instance(id="1"), trajectory)))[scorer.name]


def fires(trajectory: Trajectory, **spec: Any) -> bool:
    score = scored(MarkerScorer(spec=MarkerSpec(name="m", **spec)), trajectory)
    assert score.error is None
    return score.value == 1.0


@pytest.mark.parametrize(
    ("pattern", "scopes"),
    [
        ("^transformers classify", {"commands", "programs"}),
        ("IN-RESULT", {"results"}),
        ("IN-CODE", {"code", "calls"}),
        ("IN-FILES", {"files", "calls"}),
        ("^fly .*IN-CALL", {"calls"}),
        ("IN-ANSWER", {"answer"}),
        ("NOWHERE", set()),
    ],
)
def test_a_pattern_is_looked_for_in_its_scope_and_nowhere_else(pattern: str, scopes: set[str]) -> None:
    found = {scope for scope in SCOPES if scope != "any" and fires(WENT, pattern=pattern, scope=scope)}
    assert found == scopes
    assert fires(WENT, pattern=pattern) is bool(scopes)


def test_a_score_says_where_it_matched() -> None:
    score = scored(marker("cli", spec=MarkerSpec(name="cli", scope="commands", pattern=r"transformers \w+")), WENT)
    assert score.metadata == {
        "hits": [{"step": 1, "scope": "commands", "text": "transformers classify", "call": 0, "start": 0, "end": 21}],
        "count": 1,
    }
    assert score.explanation == "step 2: transformers classify"


def test_lines_of_a_command_are_lines_for_a_pattern() -> None:
    many = trip(("bash", {"command": "cd a\n  x\ntransformers chat"}, ""))
    assert fires(many, scope="commands", pattern="^transformers")
    assert not fires(many, scope="commands", pattern="^x$")


def test_an_answer_that_a_limit_cut_off_is_none_but_calls_before_it_count() -> None:
    cut = trip(("bash", {"command": "ls"}, ""), answer="half a", stop="limit:turns")
    assert not fires(cut, scope="answer", pattern="half")
    assert fires(cut, scope="commands", pattern="ls")


@pytest.mark.parametrize(
    ("body", "value", "hit"),
    [
        ("return len(trajectory.steps) > 3", 1.0, "wrote much"),
        ("return False", 0.0, None),
        ("return None", 0.0, None),
        ("return 'seen this'", 1.0, "seen this"),
        ("return ['one', 'two']", 1.0, "one"),
        ("return [a for a in actions_of(trajectory) if a.kind == 'read']", 1.0, "read docs/cli/IN-FILES.md"),
        ("return []", 0.0, None),
    ],
)
def test_a_predicate_in_a_file(tmp_path: Path, body: str, value: float, hit: str | None) -> None:
    (tmp_path / "m.py").write_text(f"from weigh.score.actions import actions_of\ndef f(trajectory):\n    {body}\n")
    spec = MarkerSpec(name="much", predicate="m.py:f", description="wrote much")
    score = scored(marker("much", spec=spec, base=str(tmp_path)), WENT)
    assert score.value == value
    assert score.metadata.get("hits", [{"text": None}])[0]["text"] == hit


def test_a_predicate_that_raises_or_returns_something_else_is_a_failed_score() -> None:
    for broken in (lambda t: 1 / 0, lambda t: 7.5):
        spec = MarkerSpec(name="m", predicate="x.py:f")
        score = scored(MarkerScorer(spec=spec, function=broken), WENT)
        assert score.value is None and score.error is not None and score.error.kind == "scorer"


def test_identity_is_pattern_and_source_not_what_is_said_of_it(tmp_path: Path) -> None:
    def of(**spec: Any) -> str:
        return marker("m", spec=MarkerSpec(name="m", **spec), base=str(tmp_path)).digest()

    assert of(pattern="a", description="one") == of(pattern="a", description="two")
    assert len({of(pattern="a"), of(pattern="b"), of(pattern="a", scope="code")}) == 3
    file = tmp_path / "m.py"
    file.write_text("def f(trajectory): return True\n")
    before = of(predicate="m.py:f")
    file.write_text("def f(trajectory): return False  # edited\n")
    assert of(predicate="m.py:f") != before


# -- the built-in ones ------------------------------------------------------------------------------------------------

LS, OTHER = ("bash", {"command": "ls"}, "a"), ("bash", {"command": "pwd"}, "/")
EDIT = ("edit", {"path": "a", "old": "1", "new": "2"}, "ok")
BAD = ("bash", {"command": "lss"}, "not found", True)


@pytest.mark.parametrize(
    ("name", "trajectory", "step"),
    [
        ("unregistered-call", WENT, 4),
        ("unregistered-call", trip(LS, tools=("bash",)), None),
        ("unregistered-call", trip(BAD), None),
        ("repeated-call", trip(LS, OTHER, LS), 3),
        ("repeated-call", trip(LS, OTHER), None),
        ("repeated-call", trip(LS, EDIT, LS), None),
        ("repeated-call", trip(LS, ("bash", {"command": "echo x > f"}, ""), LS), None),
        ("error-recovered", trip(BAD, LS), 2),
        ("error-recovered", trip(LS, BAD), None),
        ("error-recovered", trip(BAD, EDIT), None),
        ("error-recovered", trip(BAD, ("bash", {"command": "ls"})), None),
        ("gave-up", trip(LS, answer="I cannot complete this task."), 2),
        ("gave-up", trip(LS, answer="POSITIVE"), None),
        ("gave-up", trip(LS, answer="I cannot complete this task.", stop="timeout"), None),
    ],
)
def test_built_in_markers(name: str, trajectory: Trajectory, step: int | None) -> None:
    score = scored(scorer_by_name(f"marker:{name}"), trajectory)
    assert score.error is None
    assert (score.metadata["hits"][0]["step"] if score.value else None) == step


GERMAN = MarkerSpec(name="gave-up", pattern="ich gebe auf|geht leider nicht")


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("Die Datei fehlt. Das geht leider NICHT, wenn sie fehlt.", 1.0),
        ("I cannot complete this task.", 1.0),
        ("Das Programm sagt: `geht leider nicht`.", 0.0),
        ("Ich gebe auf. The answer is 42.", 0.0),
        ("Die Summe ist 42.", 0.0),
    ],
)
def test_giving_up_in_other_words_is_added_to_what_is_built_in(answer: str, value: float, tmp_path: Path) -> None:
    score = scored(marker("gave-up", spec=GERMAN), trip(LS, answer=answer))
    assert (score.error, score.value) == (None, value)
    (tmp_path / "m.py").write_text("def f(trajectory): return 'geht leider nicht' in trajectory.output.text.lower()\n")
    spec = MarkerSpec(name="gave-up", predicate="m.py:f")
    own = scored(marker("gave-up", spec=spec, base=str(tmp_path)), trip(LS, answer=answer))
    assert own.value == float("nicht" in answer.lower() or "cannot" in answer)


def test_ones_own_words_for_giving_up_leave_the_rest_of_the_marker_as_it_is() -> None:
    added = marker("gave-up", spec=GERMAN)
    assert (added.name, added.lower_is_better) == ("marker:gave-up", True)
    assert added.spec.description == BUILT_IN["gave-up"].description
    others = (marker("gave-up"), marker("gave-up", spec=MarkerSpec(name="gave-up", pattern="geht nicht")))
    assert added.digest() not in {other.digest() for other in others}


def test_built_in_markers_state_what_they_are() -> None:
    assert list(BUILT_IN) == ["unregistered-call", "gave-up", "repeated-call", "error-recovered"]
    assert all(spec.description for spec in BUILT_IN.values())
    assert actions_of(WENT)[3].registered is False


# -- what a user gets wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "cli", "scope": "comands", "pattern": "x"}, "no scope 'comands'; did you mean 'commands' "),
        ({"name": "cli", "pattern": "("}, r"marker 'cli': the pattern '\(' cannot be read: "),
        ({"name": "cli"}, "either a pattern"),
        ({"name": "cli", "pattern": "x", "predicate": "a.py:f"}, "either a pattern"),
        ({"name": "My Marker", "pattern": "x"}, "lower-case letters"),
        ({"name": "cli", "patern": "x"}, r"unknown key 'patern'; did you mean 'pattern'"),
    ],
)
def test_a_wrong_spec_is_told_at_once(spec: dict[str, str], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        decode(spec, MarkerSpec, "study.yaml: markers")


@pytest.mark.parametrize(
    ("markers", "message"),
    [
        (("gave-upp",), r"there is no marker 'gave-upp'; did you mean 'gave-up'\?"),
        ((MarkerSpec(name="repeated-call", pattern="x"),), "one of weigh's own"),
        (
            (MarkerSpec(name="gave-up", pattern="x", scope="code"),),
            "looked for in the final answer; leave out the scope",
        ),
        ((MarkerSpec(name="gave-up", pattern="x*"),), r"the pattern 'x\*' fits any text"),
        ((MarkerSpec(name="a", predicate="nowhere.py:f"),), "there is no file"),
        ((MarkerSpec(name="a", predicate="f"),), "is not FILE.py:FUNCTION"),
        ((MarkerSpec(name="a", predicate="no.such:f"),), "there is no module 'no.such'"),
        ((MarkerSpec(name="a", pattern="x"), MarkerSpec(name="a", pattern="y")), "two markers are named 'a'"),
        ((7,), "7 is neither a MarkerSpec"),
    ],
)
def test_wrong_markers_of_a_task_are_told_before_it_runs(markers: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        resolve_markers(as_markers(markers, "task 't'"), None, scorer_by_name)


def test_a_name_that_a_predicates_file_lacks_gets_the_closest(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def wrote_python(trajectory): return True\n")
    with pytest.raises(DefinitionError, match="has no function 'wrote_pyton'; did you mean 'wrote_python'"):
        marker("a", spec=MarkerSpec(name="a", predicate="m.py:wrote_pyton"), base=str(tmp_path))
