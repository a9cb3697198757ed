"""The shipped profile of transformers in two released versions, each installed by the profile, on tiny weights.

The weights are made once, by the older release, and both read them. What is right is computed without pipelines.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.score.conftest import Context
from tests.score.trips import trip
from weigh.define.decode import decode
from weigh.define.study import StudyRevision
from weigh.execute.sandboxes.bubblewrap import BubblewrapSandbox
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.process import run_process
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.records.errors import CapabilityError
from weigh.records.marker import MarkerSpec
from weigh.score.guard import score_trial
from weigh.score.markers import MarkerScorer
from weigh.study.installations import Installation, build
from weigh.study.profile import Profile, load_profile
from weigh.study.revisions import Revision
from weigh.study.spec import SkillSpec
from weigh.study.tasks import make_instance, make_scorer

OLD, NEW = "4.57.1", "5.24.0"
TINY = Path(__file__).with_name("tiny_transformers.py").resolve()
PIPE = "from transformers import pipeline; "
WAV = f"from scipy.io import wavfile; {PIPE}r, a = wavfile.read('FILE'); a = dict(raw=a / 32768, sampling_rate=r); "
SEE = "from PIL import Image; from transformers import KIND as M, AutoProcessor as P; i = Image.open('circle.png')"
READ = "from transformers import KIND as M, AutoTokenizer as P"
LOAD = "p, m = P.from_pretrained('MODEL'), M.from_pretrained('MODEL')"
SST = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
SQUAD, BART = "distilbert/distilbert-base-cased-distilled-squad", "sshleifer/distilbart-cnn-12-6"
BLIP, VILT = "Salesforce/blip-image-captioning-base", "dandelin/vilt-b32-finetuned-vqa"
IDA = "question='Where does Ida repair clocks?', context='Ida has repaired clocks in a cellar in Bergen.'"


def python(*lines: str, kind: str = "", model: str = "") -> str:
    return f'python -c "{"; ".join(lines)}"'.replace("KIND", kind).replace("MODEL", model)


COMMANDS = {
    "sentiment": python(f"{PIPE}p = pipeline('text-classification', model='{SST}')",
                        "print(p('The soup was cold, and nobody said sorry.')[0]['label'])"),
    "entities": python(f"{PIPE}p = pipeline('token-classification', model='dslim/bert-base-NER', "
                       "aggregation_strategy='simple')", "f = p('Ingrid Solberg moved from Trondheim to Lisbon.')",
                       "print(*sorted({w for e in f if e['entity_group'] == 'PER' for w in e['word'].split()}))"),
    "transcription": python(f"{WAV}p = pipeline('automatic-speech-recognition', model='openai/whisper-tiny.en')",
                            "print(p(a)['text'])").replace("FILE", "spoken.wav"),
    "token-count": python("from transformers import AutoTokenizer as P",
                          "p = P.from_pretrained('openai-community/gpt2')",
                          "print(len(p('The quick brown fox jumps over the lazy dog.').input_ids))"),
    "caption": python(SEE, LOAD, "w = m.generate(**p(images=i.convert('RGB'), return_tensors='pt'), max_new_tokens=5)",
                      "print(p.decode(w[0], skip_special_tokens=True))",
                      kind="BlipForConditionalGeneration", model=BLIP),
    "summary": python(READ, LOAD, "w = m.generate(**p('The old iron bridge', return_tensors='pt'), max_new_tokens=6)",
                      "print(p.decode(w[0], skip_special_tokens=True))", kind="AutoModelForSeq2SeqLM", model=BART),
    "question-answering": python(
        READ, LOAD, "t = p('Where does Ida repair clocks?', 'Ida has repaired clocks in a cellar in Bergen.', "
        "return_tensors='pt')", "print(p.decode(t.input_ids[0, m(**t).start_logits.argmax()]))",
        kind="AutoModelForQuestionAnswering", model=SQUAD),
    "fill-mask": python(f"{PIPE}p = pipeline('fill-mask', model='google-bert/bert-base-uncased')",
                        "print(p('Paris is the [MASK] of France.')[0]['token_str'])"),
    "zero-shot": python(f"{PIPE}p = pipeline('zero-shot-classification', model='facebook/bart-large-mnli')",
                        "print(p('The striker scored twice in the second half.', "
                        "candidate_labels=['cooking', 'sports', 'politics'])['labels'][0])"),
    "image-classes": python(f"{PIPE}p = pipeline('zero-shot-image-classification', "
                            "model='openai/clip-vit-base-patch32')",
                            "print(p('square.png', candidate_labels=['a red circle', 'a blue square', 'a green tree'], "
                            "hypothesis_template='{}')[0]['label'])"),
    "objects": python(f"{PIPE}p = pipeline('object-detection', model='facebook/detr-resnet-50')",
                      "print(max(p('sign.png', threshold=0), key=lambda o: o['score'])['label'])"),
    "visual-question": python(SEE, LOAD, "q = 'What colour is the circle?'",
                              "w = m(**p(i.convert('RGB'), q, return_tensors='pt'))",
                              "print(m.config.id2label[w.logits[0].argmax().item()])",
                              kind="ViltForQuestionAnswering", model=VILT),
    "generation": python(f"{PIPE}p = pipeline('text-generation', model='openai-community/gpt2')",
                         "print(p('1, 2, 3, 4, 5, 6,', max_new_tokens=8, do_sample=False, "
                         "return_full_text=False)[0]['generated_text'])"),
    "audio-classes": python(f"{WAV}p = pipeline('audio-classification', "
                            "model='MIT/ast-finetuned-audioset-10-10-0.4593')",
                            "print(p(a)[0]['label'])").replace("FILE", "tone.wav"),
}  # fmt: skip
"""A command for each atomic task, as the profile's Skill has it: the same in both releases."""

REMOVED = {
    "caption": python(f"{PIPE}p = pipeline('image-to-text', model='{BLIP}')",
                      "print(p('circle.png', max_new_tokens=5)[0]['generated_text'])"),
    "summary": python(f"{PIPE}p = pipeline('summarization', model='{BART}')",
                      "print(p('The old iron bridge', max_new_tokens=6, num_beams=1)[0]['summary_text'])"),
    "question-answering": python(f"{PIPE}p = pipeline('question-answering', model='{SQUAD}')",
                                 f"print(p({IDA})['answer'])"),
    "visual-question": python(f"{PIPE}p = pipeline('visual-question-answering', model='{VILT}')",
                              "print(p('circle.png', 'What colour is the circle?')[0]['answer'])"),
}  # fmt: skip
"""Commands that only the older release has: pipelines that the newer dropped."""

RUN = f"echo 'The soup was cold, and nobody said sorry.' | transformers run --task text-classification --model {SST}"
CLI = {
    "version": ("transformers version", {"cli"}),
    "env": ("transformers env", {"cli"}),
    "help": ("transformers --help", {"ran-help"}),
    "run": (f"{RUN} --format pipe", {"cli"}),
    "old-name": ("transformers-cli env", {"cli", "deprecated-api"}),
}
"""Commands of the library's own command line, and the markers that they are."""


class Release(msgspec.Struct, frozen=True):
    """A release that is installed, and what its commands gave: exit code and output of `CLI`, output of the others."""

    revision: Revision
    installation: Installation
    ran: dict[str, tuple[int, str]]
    said: dict[str, str]
    right: dict[str, str]


@pytest.fixture(scope="module")
def profile() -> Profile:
    """The shipped profile, but for torch and what else is large, which is taken from the venv that runs this."""
    shipped = load_profile("transformers", Path())
    install = msgspec.structs.replace(shipped.declared.install, packages=("pillow", "scipy"), base=sys.prefix)
    return type(shipped)(shipped.file, msgspec.structs.replace(shipped.declared, install=install))


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where installations and sources lie until the tests of this file are over."""
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def releases(profile: Profile, own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Release]:
    """Both releases and all that their commands said."""
    if importlib.util.find_spec("torch") is None:
        if "transformers" in os.environ.get("EXTRAS", "") and os.environ.get("CI"):
            pytest.fail("has to be here in CI: torch")
        pytest.skip("needs torch")
    probe = asyncio.run(available("bubblewrap"))
    if not probe.ok:
        pytest.fail(f"bubblewrap: {probe.reason}") if os.environ.get("CI") else pytest.skip(
            f"bubblewrap: {probe.reason}"
        )
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("WEIGH_CACHE", str(own_cache))
        try:
            made = asyncio.run(installed(profile))
        except CapabilityError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        return asyncio.run(tried(profile, made, tmp_path_factory.mktemp("weights")))


async def installed(profile: Profile) -> list[tuple[Revision, Installation]]:
    await profile.identify()
    revisions = await profile.revisions([StudyRevision(version=v) for v in (OLD, NEW)], profile.base)
    made = await asyncio.gather(*(build(profile.recipe(revision)) for revision in revisions))
    for one in made:
        await profile.check(one)
    return list(zip(revisions, made, strict=True))


async def tried(profile: Profile, made: list[tuple[Revision, Installation]], folder: Path) -> dict[str, Release]:
    for file in (profile.base / "inputs").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    env = {"HOME": str(folder), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = await run_process([made[0][1].python, str(TINY), "make"], env=env, cwd=str(folder), timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return {r.release.version: await commanded(profile, r, one, folder) for r, one in made if r.release is not None}


async def commanded(profile: Profile, revision: Revision, installation: Installation, folder: Path) -> Release:
    """Run all commands as a trial would, on a copy of the folder with the weights."""
    space = await profile.workspace(revision, "bare")
    env = {**space.env, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    spec = SandboxSpec(path=space.path, readonly=space.readonly, env=env, folder=str(folder), memory_mb=8000)
    commands = {**COMMANDS, **{f"removed:{name}": command for name, command in REMOVED.items()}}
    async with BubblewrapSandbox(spec) as sandbox:
        await sandbox.write_file("tiny.py", TINY.read_bytes())
        await sandbox.write_file("commands.json", json.dumps(commands).encode())

        async def ran(command: str) -> tuple[int, str]:
            ended = await sandbox.exec(["sh", "-c", f"{command} 2>&1"], timeout=600)
            return ended.exit_code, ended.stdout

        last = sandbox.exec(["sh", "-c", "python tiny.py say < commands.json"], timeout=600)
        *first, spoken = await asyncio.gather(*(ran(command) for command, _ in CLI.values()), last)
        assert spoken.exit_code == 0, spoken.stderr[-3000:]
        told = json.loads(spoken.stdout.splitlines()[-1])
        return Release(revision, installation, dict(zip(CLI, first, strict=True)), told["said"], told["right"])


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("version", [OLD, NEW])
def test_every_atomic_task_is_solved_and_judged(profile: Profile, releases: dict[str, Release], version: str) -> None:
    release = releases[version]
    entries = {entry.name: entry for entry in profile.tasks() if entry.kind == "atomic"}
    assert f"transformers=={version}" in release.installation.packages
    assert set(COMMANDS) == set(entries) == set(release.right)
    for name, entry in entries.items():
        said, right = release.said[name].strip(), release.right[name].strip()
        assert said == right and right, (name, said, right)
        # The scorer of the task itself, holding what these weights say for right; and for wrong.
        tiny = msgspec.structs.replace(entry, target=right, score="contains")
        went = trip(("bash", {"command": COMMANDS[name]}, said), answer=said)
        for task, value in ((tiny, 1.0), (msgspec.structs.replace(tiny, target=f"no {right}"), 0.0)):
            instance = make_instance(task, {}, profile.base, profile.name)
            scores = asyncio.run(score_trial([make_scorer(task.score, "match", name)], Context(instance, went)))
            assert scores["match"].value == value, name


@pytest.mark.slow
@pytest.mark.sandbox
def test_both_releases_read_the_same_weights_alike(releases: dict[str, Release]) -> None:
    old, new = releases[OLD], releases[NEW]
    assert old.right == new.right
    assert {n: old.said[n].strip() for n in COMMANDS} == {n: new.said[n].strip() for n in COMMANDS}


@pytest.mark.slow
@pytest.mark.sandbox
def test_what_the_newer_release_dropped(releases: dict[str, Release]) -> None:
    for name in REMOVED:
        before, now = (releases[v].said[f"removed:{name}"] for v in (OLD, NEW))
        assert "Error: " in now and (name == "caption" or "removed" in now), (name, now)
        if name == "question-answering":  # a pipeline gives a span of the text, whatever the first word is
            assert before.strip() and before.strip() in IDA
        else:
            assert before.strip() == releases[OLD].right[name]


@pytest.mark.slow
@pytest.mark.sandbox
def test_the_command_line_that_each_release_has(releases: dict[str, Release]) -> None:
    old, new = releases[OLD].ran, releases[NEW].ran
    for version, ran in ((OLD, old), (NEW, new)):
        code, said = ran["env"]
        assert code == 0 and f"`transformers` version: {version}\n" in said
        assert ran["help"][0] == 0 and "chat" in ran["help"][1]
    assert old["run"][0] == 0 and releases[OLD].right["sentiment"] in old["run"][1], old["run"]
    assert old["old-name"][0] == 0 and old["version"][0] != 0
    assert new["version"] == (0, f"{NEW}\n")
    assert new["run"][0] != 0 and "No such command" in new["run"][1] and new["old-name"][0] == 127


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("version", [OLD, NEW])
def test_markers_fire_on_the_commands_that_were_run(
    profile: Profile, releases: dict[str, Release], version: str
) -> None:
    release = releases[version]
    expected = {f"cli:{name}": (command, release.ran[name][1], fires) for name, (command, fires) in CLI.items()}
    for name, command in COMMANDS.items():
        path = {"imports", "pipeline"} if "pipeline(" in command else {"imports"}
        expected[name] = command, release.said[name], path
    for name, command in REMOVED.items():
        expected[f"removed:{name}"] = (
            command,
            release.said[f"removed:{name}"],
            {"imports", "pipeline", "deprecated-api"},
        )
    scorers = [MarkerScorer(spec=decode(m, MarkerSpec, "marker")) for m in profile.markers()]
    for name, (command, said, fires) in expected.items():
        went = trip(("bash", {"command": command}, said))
        scores = asyncio.run(
            score_trial(scorers, Context(make_instance(profile.tasks()[0], {}, profile.base, ""), went))
        )
        assert {n.removeprefix("marker:") for n, s in scores.items() if s.value} == fires, (name, said[-500:])


@pytest.mark.slow
@pytest.mark.sandbox
async def test_a_skill_is_there_only_where_a_revision_has_one(
    profile: Profile, releases: dict[str, Release], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither release ships one. The profile's own stands in for it; without that, `skill` is no tier of theirs."""
    monkeypatch.setenv("WEIGH_CACHE", str(own_cache))
    alone = msgspec.structs.replace(profile.declared, skill=SkillSpec(source="skills/transformers"))
    without = type(profile)(profile.file, alone)
    for release in releases.values():
        assert await profile.why_not("skill", release.revision) is None
        (ours,) = (await profile.tier("skill", release.revision)).skills
        assert Path(ours) == profile.base / "skill" / "transformers"
        assert await profile.why_not("clone", release.revision) is None
        why = await without.why_not("skill", release.revision)
        assert why is not None and "skills/transformers" in why, why
