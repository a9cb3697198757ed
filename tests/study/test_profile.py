"""Profiles: every form that the docs name, and what is said when one is wrong. Nothing is built here."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.score.trips import trip
from tests.study.kit import git
from weigh.define.decode import decode
from weigh.define.prepared import instance_digest
from weigh.define.skill import read_skill
from weigh.define.study import StudyRevision, read_study
from weigh.pipeline.prepare import with_built_in_markers
from weigh.pipeline.study import plan_study
from weigh.records.errors import CapabilityError, DefinitionError
from weigh.records.instance import Instance
from weigh.records.marker import MarkerSpec
from weigh.score.every import EveryScorer
from weigh.score.markers import MarkerScorer
from weigh.score.registry import scorer_by_name
from weigh.study.installations import Installation, build
from weigh.study.profile import Profile, load_profile, shipped_profiles
from weigh.study.revisions import Revision, folder_digest
from weigh.study.sources import fetch_source
from weigh.study.spec import make_spec
from weigh.study.tasks import make_scorer, task_class

SKILL = "---\nname: greet\ndescription: Greets\n  people.\n---\nbody\n"

CLASS = """
from weigh.study.profile import Profile
from weigh.study.spec import ProfileSpec, TaskEntry

class Mine(Profile):
    spec = ProfileSpec(name="mine", package="mine", command="mine")

    def tasks(self):
        return [TaskEntry(name=f"add-{n}", prompt=f"mine add {n}", target=2 * n, score="numeric") for n in (2, 21)]

    async def why_not(self, tier, revision):
        return "no command yet" if revision.name == "1.0" else await super().why_not(tier, revision)

class Other:
    pass
"""


def profile(folder: Path, **values: Any) -> Profile:
    return Profile(folder / "profile.yaml", make_spec({"name": "p", "package": "p", **values}, "profile.yaml", folder))


def revision(name: str = "1.0", folder: Path | None = None) -> Revision:
    kind = "folder" if folder else "package"
    return Revision(name=name, ref=name, kind=kind, id=f"p=={name}", digest=name, origin=str(folder or ""))  # type: ignore[arg-type]


async def committed(folder: Path) -> Revision:
    """What is in a repository now."""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    [found] = await profile(folder.parent, package=None, repository=str(folder)).revisions([], folder.parent)
    return found


async def test_tiers_of_ones_own(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("a")
    (tmp_path / "why.txt").write_text("Because.")
    (tmp_path / "skill").mkdir()
    (tmp_path / "skill" / "SKILL.md").write_text(SKILL)
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "docs" / "guide.md").write_text("guide")
    (tmp_path / "tiers.py").write_text(
        "from weigh.study.tiers import TierContent\n"
        "def made(context):\n    return TierContent(instructions=context.revision.name)\n"
    )
    made = profile(
        tmp_path,
        skill="skill",
        tiers={
            "docs": {"source": {"docs": "docs"}, "instructions": "Read.", "instructions_file": "why.txt"},
            "notes": {"base": "clone", "files": {"n": "notes", "x.md": {"text": "x"}}, "env": {"A": "1"}},
            "late": {"revisions": "2.*"},
            "two": {"skills": ["skill"]},
            "made": {"function": "tiers.py:made"},
        },
    )
    assert list(made.tiers()) == ["bare", "clone", "skill", "docs", "notes", "late", "two", "made"]
    here = msgspec.structs.replace(revision("1.0", source), digest=await folder_digest(source))
    docs = await made.tier("docs", here)
    assert (docs.files, docs.instructions) == ({"docs/guide.md": b"guide"}, "Read.\n\nBecause.")
    notes = await made.tier("notes", here)
    assert (notes.clone, notes.files, notes.env) == (True, {"n/a.md": b"a", "x.md": b"x"}, {"A": "1"})
    assert (await made.tier("two", here)).read_skills()[0].description == "Greets people."
    assert (await made.tier("made", here)).instructions == "1.0"
    assert await made.why_not("late", here) == "the tier is for revisions 2.* only"
    assert await made.why_not("late", revision("2.1", source)) is None
    (source / "docs" / "guide.md").unlink()
    (source / "docs").rmdir()
    assert await made.why_not("docs", here) == "there is no docs in this revision"
    space = await made.workspace(here, "two")
    (copy,) = space.skills
    assert Path(copy).is_relative_to(cache) and (Path(copy) / "SKILL.md").read_text() == SKILL
    before = space.digest
    (tmp_path / "skill" / "SKILL.md").write_text(SKILL + "more\n")
    assert (await made.workspace(here, "two")).digest != before
    assert (await made.workspace(here, "bare", "open")).network == "open"


TIERS = """
from weigh.study.tiers import TierContent

async def late(context):
    if context.revision.name != "1.0":
        return TierContent(instructions="hi")

def broken(context):
    return TierContent(files={"a": context.revision.files[0]})

def no_arguments():
    return TierContent()

def wrong(context):
    return {"files": {}}
"""


async def test_a_tiers_function_says_which_revisions_have_it(tmp_path: Path) -> None:
    (tmp_path / "tiers.py").write_text(TIERS)
    names = ("late", "broken", "no_arguments", "wrong")
    made = profile(tmp_path, tiers={name: {"function": f"tiers.py:{name}"} for name in names})
    assert await made.why_not("late", revision("1.0")) == "tiers.py:late gives nothing for it"
    assert await made.why_not("late", revision("1.1")) is None
    line = TIERS.splitlines().index('    return TierContent(files={"a": context.revision.files[0]})') + 1
    for name, said in (
        ("broken", f"tier 'broken': {tmp_path}/tiers.py:{line}: AttributeError: 'Revision' object has no attribute"),
        ("no_arguments", f"tier 'no_arguments': {tmp_path}/tiers.py: TypeError: no_arguments() takes 0 positional"),
        ("wrong", "tier 'wrong': tiers.py:wrong gave dict, not TierContent or None"),
    ):
        with pytest.raises(DefinitionError) as caught:
            await made.why_not(name, revision())
        assert said in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "return [{'name': 'a', 'prompt': 'b'}]",
            "mine.py: tasks()[0] is of type dict; write TaskEntry(name=..., ...)",
        ),
        ("return", "mine.py: tasks() gave NoneType, not a list of TaskEntry"),
        ("return [TaskEntry(name='a'), TaskEntry(name='a')]", "mine.py: tasks(): 'a' is there twice"),
        (
            "return [TaskEntry(name=n) for n in NAMES]",
            "mine.py:6: NameError: name 'NAMES' is not defined; mend it there",
        ),
        ("return [TaskEntry(name=1, question='x')]", "mine.py:6: TypeError: Unexpected keyword argument 'question'"),
    ],
)
async def test_what_is_wrong_in_a_class_is_no_bug_in_weigh(tmp_path: Path, body: str, said: str) -> None:
    head, _, _ = CLASS.partition("    def tasks")
    (tmp_path / "mine.py").write_text(head.strip() + f"\n    def tasks(self): {body}\n")
    (tmp_path / "study.yaml").write_text("name: s\nprofile: mine.py:Mine\nmodels: [scripted/echo]\n")
    with pytest.raises(DefinitionError) as caught:
        await plan_study(read_study(tmp_path / "study.yaml"))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


async def test_what_an_installation_lacks_is_told_with_what_can_be_run(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, mode in (("greet", 0o755), ("deactivate.bat", 0o644), ("python3", 0o755), ("meet", 0o644)):
        (tmp_path / "bin" / name).touch(mode)
    installation = Installation(key="k", path=str(tmp_path), revision=("1.0", "p==1.0"))
    with pytest.raises(CapabilityError, match=r"no command 'meet'.*\(it installs greet\)"):
        await profile(tmp_path, command="meet").check(installation)


@pytest.mark.parametrize("link", ["docs/more.md", "docs", "skill/notes.md", "skill"])
async def test_no_link_of_a_repository_leads_to_the_users_files(tmp_path: Path, link: str) -> None:
    private = tmp_path / "home"
    private.mkdir()
    (private / "SKILL.md").write_text(SKILL)
    (private / "key").write_text("sk-secret")
    source = tmp_path / "source"
    for folder in ("docs", "skill"):
        (source / folder).mkdir(parents=True)
    git(source, "init", "-q")
    (source / "docs" / "guide.md").write_text("guide")
    (source / "docs" / "again.md").symlink_to("guide.md")
    (source / "skill" / "SKILL.md").write_text(SKILL)
    made = profile(tmp_path, skill={"source": "skill"}, tiers={"docs": {"source": {"docs": "docs"}}})
    before = await committed(source)
    assert (await made.tier("docs", before)).files == {"docs/guide.md": b"guide", "docs/again.md": b"guide"}
    assert (await made.tier("skill", before)).skills

    if (source / link).is_dir():
        shutil.rmtree(source / link)
    (source / link).symlink_to(private if "." not in link else private / "key")
    after = await committed(source)
    await fetch_source(after)  # in git alone, what is behind a link is not there
    with pytest.raises(DefinitionError, match=f"{link}.* is a link that leads out of the source"):
        await made.tier(link.split("/")[0], after)


async def test_a_class_takes_over(tmp_path: Path) -> None:
    (tmp_path / "beside_mine.py").write_text("NUMBERS = (2, 21)\n")
    (tmp_path / "mine.py").write_text("from beside_mine import NUMBERS\n" + CLASS.replace("(2, 21)", "NUMBERS"))
    made = load_profile("mine.py:Mine", tmp_path)
    assert [t.name for t in made.tasks()] == ["add-2", "add-21"]
    assert await made.why_not("bare", revision("1.0")) == "no command yet"
    assert await made.why_not("bare", revision("2.0")) is None
    assert [m["name"] for m in made.markers()] == ["cli"]
    registry = made.registry(["add-2"], "study")
    assert registry.resolve("mine.add-2").prepare(scorer_by_name=scorer_by_name).instances[0].gold_answer == 4
    for ref, said in (
        ("mine.py:Mini", "has no 'Mini'; did you mean 'Mine'"),
        ("mine.py:Other", "no subclass of weigh.study.profile.Profile"),
        ("mime.py:Mine", "does not exist; did you mean 'mine.py'"),
        ("transfomers.yaml", "does not exist"),
        ("nothing-like-it", "there is no profile 'nothing-like-it'"),
    ):
        with pytest.raises(DefinitionError, match=said):
            load_profile(ref, tmp_path)


def test_ones_own_words_for_giving_up_are_the_marker_of_every_agent(tmp_path: Path) -> None:
    made = profile(tmp_path, command="p", markers={"gave-up": "geht leider nicht"},
                   tasks=[{"name": "t", "prompt": "x", "target": "y"}])  # fmt: skip
    [task] = made.registry(["t"], "study").expand(["study"])[1]
    prepared = with_built_in_markers(task).prepare(scorer_by_name=scorer_by_name)
    named = {s.name: s for s in prepared.scorers}
    assert [n for n in named if n.startswith("marker:")] == [
        "marker:unregistered-call", "marker:repeated-call", "marker:error-recovered", "marker:gave-up", "marker:cli",
    ]  # fmt: skip
    assert named["marker:gave-up"].digest() != scorer_by_name("marker:gave-up").digest()


def test_what_ships_can_be_loaded() -> None:
    for name in shipped_profiles():
        made = load_profile(name, Path.cwd())
        assert made.tasks(), name
        made.registry([t.name for t in made.tasks()], "all")
        made.markers()


def test_tasks_in_files_and_their_questions(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "one.yaml").write_text("prompt: a\ntarget: b\n")
    (tmp_path / "tasks" / "two.yaml").write_text(
        "tasks:\n  - {name: c, prompt: d, target: [e, f], tags: x}\n"
        "  - {name: g, score: exact, instances: [{prompt: h, target: i}, {id: own, prompt: j, target: k}]}\n"
    )
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 1000)
    (tmp_path / "small.bin").write_bytes(b"\xff\x00")
    entry = {"name": "m", "prompt": "n", "target": 3, "score": "numeric", "files": {"b": "big.bin", "s": "small.bin"}}
    made = profile(tmp_path, tasks=["tasks/*.yaml", entry])
    assert [t.name for t in made.tasks()] == ["one", "c", "g", "m"]
    registry = made.registry(["g", "m", "c"], "study")
    prepared = {t.name: t.prepare(scorer_by_name=scorer_by_name) for t in registry.expand(["study"])[1]}
    assert [i.id for i in prepared["p.g"].instances] == ["g-1", "own"]
    files = prepared["p.m"].instances[0].inputs["files"]
    assert (sorted(files["b"]), sorted(files["s"])) == (["path", "sha256"], ["base64", "sha256"])
    assert prepared["p.c"].instances[0].metadata == {"profile": "p", "tags": "x"}
    moved = {**files, "b": {**files["b"], "path": "/elsewhere"}}
    assert instance_digest(Instance(inputs={"files": moved})) == instance_digest(Instance(inputs={"files": files}))


def test_ways_to_judge() -> None:
    both = make_scorer(
        ["contains", {"by": "state", "files": [{"path": "a"}], "command": "true", "given": {"t.py": "x"}}], "match", "p"
    )
    assert isinstance(both, EveryScorer)
    assert (both.name, both.live, [s.name for s in both.scorers]) == ("match", True, ["match-1", "match-2"])
    assert make_scorer([{"by": "regex", "pattern": "x"}], "match", "p").__class__ is not EveryScorer
    judge = make_scorer(["exact", {"by": "judge", "scale": [1, 5]}], "match", "p")
    assert isinstance(judge, EveryScorer) and judge.roles == ("judge",)


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ("contain", "there is no way 'contain' to judge; did you mean 'contains'"),
        ({"by": "numeric", "tolerence": 1}, "unknown key 'tolerence'; did you mean 'tolerance'"),
        ({"by": "state"}, "say which `files` are expected, or which `command`"),
        ({"by": "state", "comand": "true"}, "unknown key 'comand'; did you mean 'command'"),
        (
            {"by": "state", "files": [{"path": "a", "contain": "x"}]},
            r"files\[0\].contain: unknown key 'contain'; did you mean 'contains'?",
        ),
        ({"by": "state", "files": [{"path": "a", "matches": "("}]}, r"score: file 'a': matches '\(': missing \)"),
        ({"by": "regex", "target": "a("}, r"judged by 'regex', and its target 'a\(': missing \)"),
        ("exact", "it is judged by 'exact' and has no target"),
        ({"by": "numeric", "target": "many"}, "judged by 'numeric', and its target 'many' is no number"),
    ],
)
def test_a_task_that_cannot_be_judged_is_refused(score: Any, said: str, tmp_path: Path) -> None:
    target = score.pop("target", None) if isinstance(score, dict) else None
    made = profile(tmp_path, tasks=[{"name": "t", "prompt": "x", "target": target, "score": score}])
    with pytest.raises(DefinitionError, match=said):
        task_class(made.tasks()[0], made.file, "p", [])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pakage": "x"}, "unknown key 'pakage'; did you mean 'package'"),
        ({"tiers": {"bare": {}}}, "tiers.bare: this tier is built in"),
        ({"tiers": {"x": {"bas": "clone"}}}, "tiers.x: unknown key 'bas'; did you mean 'base'"),
        ({"tasks": [{"name": "a", "prompt": "x"}, {"name": "a", "prompt": "x"}]}, "'a' is there twice"),
        ({"tasks": ["none/*.yaml"]}, "no file matches 'none/\\*.yaml'"),
        ({"install": {"tool": "conda"}}, "install.tool: expected pip or uv, got 'conda'"),
        ({"skill": {"sorce": "x"}}, "skill.sorce: unknown key 'sorce'; did you mean 'source'"),
    ],
)
def test_what_is_wrong_is_said(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=said):
        profile(tmp_path, **values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no front matter", "no front matter; it begins with"),
        ("---\nname: a\n---\n", "has no description"),
        ("---\nname: A b\ndescription: x\n---\n", "small letters, digits and single hyphens only"),
    ],
)
def test_a_skill_is_checked(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "SKILL.md").write_text(text)
    with pytest.raises(DefinitionError, match=said):
        read_skill(tmp_path)


async def test_uv_builds_too(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests' own packages have uv; the venv need not be activated.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    if shutil.which("uv") is None:
        pytest.skip("needs uv")
    made = profile(
        tmp_path, package=None, repository=str(library), install={"tool": "uv"}, module="greet", command="greet"
    )
    [first] = await made.revisions([StudyRevision(ref="v1.0.0")], tmp_path)
    one = await build(made.recipe(first))
    await made.check(one)
    assert any(p.startswith("greet") for p in one.packages)


@pytest.mark.parametrize(
    ("line", "ran"),
    [
        ("mylib query x", True),
        ("cd data && mylib", True),
        ("cat a.csv | mylib - 'a | b'", True),
        ("(mylib x); echo", True),
        ("total=$(mylib sum x)", True),
        ('echo "it is $(/opt/v/bin/mylib sum x)"', True),
        ("echo `mylib x`", True),
        ("diff <(mylib x) y", True),
        ("MODE=1 sudo -u app env -u HOME A=b timeout -s KILL 5 .venv/bin/mylib x", True),
        ("time mylib x || true", True),
        ("for f in *.csv; do mylib $f; done", True),
        ("if ! mylib x; then echo no; fi", True),
        ("bash -lc 'cd a; mylib x'", True),
        ("find . -name '*.csv' -exec mylib {} \\;", True),
        ("ls *.csv | xargs -n 1 -I {} mylib {}", True),
        ("mylib-tool x; mylib.py", False),
        ("my-two x", True),
        ("sudo apt-get install mylib", False),
        ("pip install -q mylib", False),
        ("which mylib; command -v mylib; man mylib", False),
        ("echo mylib; grep -r mylib .", False),
        ("echo 'use | mylib x' && echo \"; mylib\"", False),
        ("cat > notes <<EOF\nmylib x\nEOF", False),
        ("python -c 'x\nmylib y'", False),
        ("echo $((mylib + 1))", False),
    ],
)
def test_a_command_counts_where_it_is_run(line: str, ran: bool, tmp_path: Path) -> None:
    made = profile(tmp_path, command=["mylib", "my-two"])
    [cli] = [decode(m, MarkerSpec, "p") for m in made.markers() if m["name"] == "cli"]
    assert cli.description == "ran one of the commands mylib, my-two"
    hits = MarkerScorer(spec=cli).hits(trip(("bash", {"command": line}, "")))
    assert bool(hits) is ran
    assert all((hit.scope, hit.start) == ("programs", None) and hit.text in ("mylib", "my-two") for hit in hits)
