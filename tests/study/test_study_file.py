"""A study file: every form of it, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from weigh.define.spec import parse_model
from weigh.define.study import StudyTask, make_study, read_study, task_epochs
from weigh.pipeline.study import StudyChanges, agent_harness
from weigh.records.errors import DefinitionError

LEAST = {"name": "s", "profile": "p.yaml", "models": ["scripted/echo"]}


def test_all_forms_of_it(tmp_path: Path) -> None:
    file = tmp_path / "mylib.yaml"
    file.write_text(
        """
profile: profile.yaml
agents: [pi, {agent: opencode, version: "1.2", options: {thinking: low}}]
models:
  - {model: "openai/a::base_url=http://localhost:1/v1", size: 7, name: seven, options: {temperature_max: 1}}
  - scripted/echo
revisions:
  - v1.0
  - {ref: 4d15b215f3, name: "w/ CLI + Skill"}
  - {version: "2.0"}
  - {folder: ../here}
tiers: bare
tasks: [sum-*, {task: hard, epochs: 8}]
epochs: 4
limits: {turns: 12, seconds: 60}
harness: {sandbox_options: {memory_mb: 2048}}
store: results
compare: [{axis: revision, a: v1.0, b: "2.0"}]
"""
    )
    study = read_study(file)
    assert (study.name, study.tiers, study.epochs) == ("mylib", ("bare",), 4)
    assert [a.label for a in study.agents] == ["pi", "opencode@1.2"]
    assert [r.text for r in study.revisions] == ["v1.0", "4d15b215f3", "2.0", "../here"]
    assert [(t.task, t.epochs) for t in study.tasks] == [("sum-*", None), ("hard", 8)]
    assert (study.base, study.store) == (str(tmp_path), str(tmp_path / "results"))
    model = parse_model(study.models[0].spec)
    assert (model.size, model.label, model.options["temperature_max"]) == (7, "seven", 1)
    assert study.models[1].spec == "scripted/echo"


def test_a_study_called_study_is_named_after_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "my lib" / "study.yaml"
    file.parent.mkdir()
    file.write_text("profile: p\nmodels: scripted/echo\n")
    assert read_study(file).name == "my-lib"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"modles": []}, "unknown key 'modles'; did you mean 'models'"),
        ({"agents": []}, "agents: at least one is needed"),
        ({"models": [{"modell": "x"}]}, "models: unknown key 'modell'; did you mean 'model'?"),
        ({"models": ["a", {"model": "b", "size": "big"}]}, "models[1]: size: expected int | float | null, got 'big'"),
        ({"models": ["a", "a"]}, "models: 'a' is there twice; give one a `name:`"),
        (
            {"models": [{"model": "scripted/x", "name": "small"}, {"model": "scripted/y", "name": "small"}]},
            "models: 'small' is there twice; give one a `name:`",
        ),
        (
            {"models": [{"model": "openai/m::base_url=http://localhost:1/v1"}, "server/m"]},
            "models: 'm' is there twice; give one a `name:`",
        ),
        ({"models": ["server/m::checkpoint=a", "server/m::checkpoint=b"]}, "models: 'm' is there twice"),
        ({"models": ["server/m", {"model": "scripted/x", "name": "m"}]}, "models: 'm' is there twice"),
        ({"agents": ["pi", {"agent": "opencode", "name": "pi"}]}, "agents: 'pi' is there twice; give one a `name:`"),
        ({"tiers": ["bare", "bare"]}, "tiers: 'bare' is there twice; write it once"),
        ({"revisions": [1.1]}, "revisions: write 1.1 in quotes"),
        ({"revisions": [{"name": "x"}]}, "revisions[0]: say one of ref, version, folder, not nothing of it"),
        ({"revisions": [{"ref": "a", "version": "b"}]}, "not ref and version at once"),
        (
            {"revisions": [{"ref": "a", "name": "w/ CLI, Skill"}]},
            "revisions: name 'w/ CLI, Skill': not empty, and none of",
        ),
        ({"epochs": 0}, "epochs: expected a whole number from 1, got 0"),
        ({"epochs": -1}, "epochs: expected a whole number from 1, got -1"),
        ({"tasks": [{"task": "a", "epochs": 0}]}, "tasks: epochs: expected a whole number from 1, got 0"),
        ({"limits": {"turns": 0}}, "limits.turns: expected a whole number from 1, got 0"),
        ({"limits": {"seconds": -1}}, "limits.seconds: expected a number above 0, got -1"),
        ({"temperature": -1}, "temperature: expected a number from 0, got -1"),
        ({"max_tokens": 0}, "max_tokens: expected a whole number from 1, got 0"),
        ({"models": [{"model": "scripted/echo", "size": 0}]}, "size: expected a number above 0, got 0"),
        ({"limits": {"turn": 3}}, "limits.turn: unknown key 'turn'; did you mean 'turns'?"),
        ({"profile": None, "profilex": "p"}, "unknown key 'profilex'; did you mean 'profile'?"),
        ({"models": None, "modelsx": ["p"]}, "unknown key 'modelsx'; did you mean 'models'?"),
        (
            {"models": [{"model": "scripted/echo", "name": "a,b"}]},
            "models: name 'a,b': not empty, and none of , * ? [ ]",
        ),
        ({"tasks": ["a", "b", "a"]}, "tasks: 'a' is there twice; write it once"),
        ({"name": "a b"}, "name 'a b': no spaces"),
        ({"network": "closed"}, "network: expected gateway or open, got 'closed'"),
        ({"margin": 5}, "margin: 5 is 500 percentage points, and scores lie between 0 and 1; write 5pp or 0.05"),
        ({"margin": "some"}, "margin: 'some' is not a difference: write 1pp for a percentage point, or 0.01"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DefinitionError, match="study") as caught:
        make_study({key: value for key, value in {**LEAST, **changes}.items() if value is not None}, "study.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize("margin", ["5pp", 0.05, "0.05"])
def test_a_margin_is_written_as_on_the_command_line(margin: object) -> None:
    assert make_study({**LEAST, "margin": margin}, "study.yaml").margin == 0.05


def test_a_name_says_its_epochs_before_a_glob_does() -> None:
    names = ["sum-easy", "sum-hard", "tell"]
    tasks = [
        StudyTask(task="sum-hard", epochs=8), StudyTask(task="sum-*", epochs=2), StudyTask(task="*-hard", epochs=2),
        StudyTask(task="tell"),
    ]  # fmt: skip
    assert task_epochs(tasks, names, "s") == {"sum-hard": 8, "sum-easy": 2}
    assert task_epochs(tasks[::-1], names, "s") == {"sum-hard": 8, "sum-easy": 2}
    unlike = [StudyTask(task="sum-*", epochs=2), StudyTask(task="*-hard", epochs=3)]
    with pytest.raises(DefinitionError, match=r"'sum-\*' says 2 epochs for 'sum-hard', and '\*-hard' says 3; write"):
        task_epochs(unlike, names, "study.yaml")
    assert task_epochs([*unlike, StudyTask(task="sum-hard", epochs=1)], names, "s")["sum-hard"] == 1


def test_a_study_says_its_profile() -> None:
    with pytest.raises(DefinitionError, match=r"a study says its profile; `weigh study new NAME`"):
        make_study({"name": "s", "models": ["x"]}, "study.yaml")


def test_max_tokens_limits_an_agents_answers_unless_it_says_its_own(tmp_path: Path) -> None:
    text = "name: s\nprofile: sqlite-utils\nmodels: [echo/x]\nrevisions: ['3.38']\nmax_tokens: 77\n"
    (tmp_path / "s.yaml").write_text(text + "agents: [pi, {agent: pi, name: long, options: {max_tokens: 9}}, tools]\n")
    study = read_study(tmp_path / "s.yaml")
    made = [agent_harness(study, agent, None, StudyChanges(), "s.yaml") for agent in study.agents]
    assert [h.scaffold_options.get("max_tokens") for h in made] == [77, 9, None]
