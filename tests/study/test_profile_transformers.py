"""The shipped profile of transformers: its markers see what they should, its answers are judged, its files are whole.

`test_transformers_releases.py` runs its commands in two releases.
"""

from __future__ import annotations

import asyncio
import importlib.util
import wave
from pathlib import Path

import pytest

from tests.score.conftest import Context
from tests.score.trips import trip
from weigh.define.decode import decode
from weigh.records.instance import Instance
from weigh.records.marker import MarkerSpec
from weigh.score.guard import score_trial
from weigh.score.markers import MarkerScorer
from weigh.study.profile import Profile, load_profile
from weigh.study.revisions import Revision, folder_digest
from weigh.study.tasks import make_instance, make_scorer

SST = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
PIPE = "from transformers import pipeline; print(pipeline"
SOLUTIONS = {
    "sentiment": f"""python -c "{PIPE}('text-classification', model='{SST}')('the soup was cold .')[0]['label'])" """,
    "token-count": """python -c "from transformers import AutoTokenizer; """
    """print(len(AutoTokenizer.from_pretrained('openai-community/gpt2')('the soup was cold .').input_ids))" """,
    "removed": """python -c "from transformers import pipeline; p = pipeline('question-answering', """
    """model='distilbert/distilbert-base-cased-distilled-squad'); """
    """print(sorted(p(question='what was cold', context='the soup was cold .')))" """,
}


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profile("transformers", Path())


@pytest.mark.parametrize(
    ("call", "fired"),
    [
        (("bash", {"command": SOLUTIONS["sentiment"]}), {"pipeline", "imports"}),
        (("bash", {"command": SOLUTIONS["token-count"]}), {"imports"}),
        (("bash", {"command": SOLUTIONS["removed"]}), {"pipeline", "imports", "deprecated-api"}),
        (("bash", {"command": "cd x && transformers classify --text 'nice'"}), {"cli"}),
        (("bash", {"command": "transformers-cli env"}), {"cli", "deprecated-api"}),
        (("bash", {"command": "transformers chat --help"}), {"cli", "ran-help"}),
        (("bash", {"command": "pip show transformers"}), set()),
        (("read", {"path": "examples/pytorch/text-classification/run_glue.py"}), {"read-example"}),
        (("read", {"path": "src/transformers/cli/agentic/text.py"}), {"read-example"}),
        (("read", {"path": "src/transformers/trainer.py"}), set()),
        (
            ("write", {"path": "a.py", "content": "from transformers import AutoModelWithLMHead as M\n"}),
            {"imports", "deprecated-api"},
        ),
    ],
)
def test_markers_fire_on_what_they_describe(
    profile: Profile, call: tuple[str, dict[str, str]], fired: set[str]
) -> None:
    went = trip((*call, "ok"), tools=("bash", "read", "write"))
    scorers = [MarkerScorer(spec=decode(m, MarkerSpec, "marker")) for m in profile.markers()]
    assert {s.spec.name for s in scorers} >= {"cli", "pipeline", "ran-help", "read-example", "deprecated-api"}
    scores = asyncio.run(score_trial(scorers, Context(Instance(id="1"), went)))
    assert {name.removeprefix("marker:") for name, score in scores.items() if score.value} == fired


RIGHT = {
    "sentiment": "It is NEGATIVE.",
    "entities": "Ingrid Solberg, Trondheim, Lisbon",
    "transcription": " One, two, three, four, five.",
    "token-count": "There are 10.",
    "zero-shot": "sports",
    "image-classes": "a blue square",
    "generation": "1, 2, 3, 4, 5, 6, 7, 8, 9",
    "sort-sounds": "It is spoken.wav",
}
WRONG = {
    "sentiment": "POSITIVE", "entities": "Ingrid Solberg and Lisbon", "transcription": "one two", "token-count": "9",
    "zero-shot": "cooking, sports or politics", "image-classes": "a red circle, not a blue square",
    "generation": "6, 6, 6", "sort-sounds": "tone.wav, spoken.wav",
}  # fmt: skip


@pytest.mark.parametrize("task", sorted(RIGHT))
def test_answers_are_judged(profile: Profile, task: str) -> None:
    entry = {e.name: e for e in profile.tasks()}[task]
    instance = make_instance(entry, {}, profile.base, profile.name)
    scorer = make_scorer(entry.score, "match", task)
    for answers, value in ((RIGHT, 1.0), (WRONG, 0.0)):
        scores = asyncio.run(score_trial([scorer], Context(instance, trip(answer=answers[task]))))
        assert (scores["match"].value, scores["match"].error) == (value, None)


async def test_the_skill_is_the_revisions_own_where_it_ships_one(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "skills" / "transformers").mkdir(parents=True)

    async def revision() -> Revision:
        content = await folder_digest(tmp_path)
        return Revision(name="mine", ref=".", kind="folder", id=content, digest=content, origin=str(tmp_path))

    (ours,) = (await profile.tier("skill", await revision())).skills
    assert Path(ours) == profile.base / "skill" / "transformers"
    (tmp_path / "skills" / "transformers" / "SKILL.md").write_text("---\nname: own\ndescription: Its own.\n---\nx\n")
    (own,) = (await profile.tier("skill", await revision())).skills
    assert Path(own).parts[-2:] == ("skills", "transformers") and own != ours


def test_the_inputs_are_what_the_script_makes(profile: Profile, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("made", profile.base / "make_inputs.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.make_inputs(tmp_path)
    for file in tmp_path.glob("*.wav"):
        assert file.read_bytes() == (profile.base / "inputs" / file.name).read_bytes()
    assert len(list(tmp_path.iterdir())) == 5  # PNG files depend on the version of zlib
    with wave.open(str(profile.base / "inputs" / "spoken.wav")) as spoken:
        assert spoken.getframerate() == 16_000 and 1 < spoken.getnframes() / 16_000 < 5


def test_the_kinds_of_the_announced_suite_are_there(profile: Profile) -> None:
    kinds = {entry.kind for entry in profile.tasks()}
    assert kinds == {"atomic", "composed"} and len(profile.tasks()) == 17
