"""A whole study, from its file to the store: two revisions built from git, their tiers, every trial in a sandbox."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.study.kit import make_study
from weigh.cli.main import main
from weigh.define.study import read_study
from weigh.pipeline.request import RunResult
from weigh.pipeline.study import StudyChanges, build_study, open_session, plan_study
from weigh.pipeline.study_about import study_about
from weigh.pipeline.study_status import cell_groups, forecast
from weigh.records.errors import WeighError
from weigh.records.trial import Trial
from weigh.records.workspace import Workspace
from weigh.store.layout import Store
from weigh.store.leases import Leases
from weigh.store.reader import read_trials
from weigh.study.installations import build, find_installation, remove

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("bubblewrap")]


async def run(file: Path, changes: StudyChanges | None = None) -> RunResult:
    plan = await plan_study(read_study(file), changes)
    session = await open_session(plan)
    await build_study(plan)
    return await session.execute()


def trials(file: Path) -> list[Trial]:
    store = Store(file.parent / "store")
    return [trial for one in store.runs() for trial in read_trials(store.open(one.id))]


def answers(file: Path, task: str = "greet.tell") -> dict[str, str]:
    return {t.arm: (t.output.text if t.output else "") for t in trials(file) if t.task == task}


async def test_revisions_and_tiers_are_what_the_agent_finds(study: Path, library: Path) -> None:
    tiers = "[bare, clone, skill, notes, made]"
    study = make_study(study.parent, library, {"[bare, skill]": tiers, "epochs: 2": "epochs: 1"})
    plan = await plan_study(read_study(study))
    assert plan.lacking == ("v1.0.0 has no tier 'skill': there is no Skill at skill in this revision",)
    result = await run(study, StudyChanges(tasks=("tell",)))
    assert (result.executed, result.failed, result.missing) == (9, {}, 0)
    result = await run(study, StudyChanges(only=("tier=bare",)))
    assert (result.executed, result.failed, result.missing) == (4, {}, 0)
    said = answers(study)
    assert "HELLO ADA" in said["small/coder/v1.1.0/bare"]
    assert "HELLO ADA" not in said["small/coder/v1.0.0/bare"]
    assert "README.md" not in said["small/coder/v1.1.0/bare"]
    assert "greet greets" in said["small/coder/v1.0.0/clone"]  # also what an archive would leave out
    assert "try --shout" in said["small/coder/v1.0.0/notes"]
    assert "greet greets" in said["small/coder/v1.1.0/made"]
    assert said["small/coder/v1.1.0/made"].rstrip().endswith("v1.1.0")
    by_task = {(t.task, t.arm): t.scores["match"].value for t in trials(study)}
    assert by_task["greet.shout", "small/coder/v1.1.0/bare"] == 1.0
    assert by_task["greet.shout", "small/coder/v1.0.0/bare"] == 0.0
    assert by_task["greet.file", "small/coder/v1.0.0/bare"] == 1.0
    arm = Store(study.parent / "store").runs()[0].arms[0]
    assert {k: arm.axes[k] for k in ("model", "size", "agent", "revision", "tier")} == {
        "model": "small", "size": 0.5, "agent": "coder", "revision": "v1.0.0", "tier": "bare",
    }  # fmt: skip


async def test_running_again_does_only_what_is_missing(study: Path) -> None:
    part = await run(study, StudyChanges(tasks=("tell", "shout"), only=("tier=bare",)))
    assert part.executed == 8
    plan = await plan_study(read_study(study))
    session = await open_session(plan)
    groups = cell_groups(session)
    assert sum(g.done for g in groups) == 8
    assert sum(g.remaining for g in groups) == 10
    assert not any(g.partly for g in groups)
    made = forecast(session, groups)
    assert (made.trials, made.known) == (10, 10)
    assert made.tokens and made.seconds
    await run(study, StudyChanges(tasks=("file",), epochs=1))
    partly = [g for g in cell_groups(await open_session(plan)) if g.partly]
    assert {(g.task, g.done, g.missing) for g in partly} == {("greet.file", 1, 1)}
    rest = await run(study)
    assert (rest.executed, rest.missing, rest.plan.cells) == (7, 0, 18)
    assert len(Store(study.parent / "store").runs()) == 1
    assert (await run(study)).executed == 0
    before = {t.cell: t.id for t in trials(study)}
    again = await run(study, StudyChanges(tasks=("tell",), only=("tier=bare,revision=v1.1.0",), force=True))
    assert again.executed == 2
    after = {t.cell: t.id for t in trials(study)}
    assert after.keys() == before.keys()
    assert {c for c in after if after[c] != before[c]} == {
        c for c in after if c[0].endswith("v1.1.0/bare") and "tell" in c[1]
    }


async def test_only_what_a_process_was_asked_for_is_running(study: Path) -> None:
    whole = await open_session(await plan_study(read_study(study)))
    asked = await open_session(await plan_study(read_study(study), StudyChanges(tasks=("tell",), epochs=1)))
    folder = asked.store.create(asked.manifest)
    invocation = asked.invocation()
    folder.begin(invocation)
    leases = Leases(folder.leases, invocation.id)
    block = next(iter(asked.blocks))
    assert leases.claim(block.shard)
    running = {(g.arm.id, g.task): (g.running, g.missing) for g in cell_groups(whole) if g.running}
    assert running == {(block.arm.id, "greet.tell"): (1, 1)}
    leases.release_all()
    assert not any(g.running for g in cell_groups(whole))


async def test_every_wrong_name_is_told_before_anything_is_built(study: Path, library: Path, cache: Path) -> None:
    make_study(study.parent, library, {"[coder]": "[coderr]", "[bare, skill]": "[bare, skil]"})
    with pytest.raises(WeighError) as caught:
        await plan_study(read_study(study), StudyChanges(tasks=("sout",)))
    said = str(caught.value)
    assert "there is no agent 'coderr'; did you mean 'coder'" in said
    assert "there is no tier 'skil'; did you mean 'skill'?" in said
    assert "-t: tasks: there is no task 'sout'; did you mean 'shout'?" in said
    make_study(study.parent, library, {"epochs: 2": "epochs: 2\ntasks: [tel]"})
    with pytest.raises(WeighError) as caught:
        await plan_study(read_study(study), StudyChanges(tasks=("tell",)))
    assert str(caught.value) == (
        f"{study}: tasks: there is no task 'tel'; did you mean 'tell'? (there are shout, tell, file)"
    )
    make_study(study.parent, library)
    with pytest.raises(
        WeighError, match=r"no arm of the plan matches tier=bar; did you mean 'bare'\?.*tier is bare, skill"
    ):
        await open_session(await plan_study(read_study(study), StudyChanges(only=("tier=bar",))))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scripted/": "scriptd/"}, "models: there is no provider 'scriptd'; did you mean 'scripted'?"),
        ({"py:answer": "py:anser"}, "models: scripted/"),
        ({'"scripted/answers.py:answer"': '"openai/"'}, "models: model 'openai/::label=small,size=0.5': no name"),
        ({"[v1.0.0, v1.1.0]": "[v1.0.0, v1.0.0]"}, "revisions: two revisions are called 'v1.0.0'"),
        ({"[v1.0.0, v1.1.0]": "[v1.0.0, v1.1]"}, "revisions: "),
        ({"profile.yaml": "profle.yaml"}, "profile: "),
        ({"profile.yaml": "sqlite-utls"}, "profile: there is no profile 'sqlite-utls'; did you mean 'sqlite-utils'?"),
        ({"sandbox: bubblewrap": "sandbox: bubblewarp"}, "harness: sandbox: expected bubblewrap, local, container"),
        (
            {"[coder]": "[coder, {agent: coder, name: again}]"},
            "agents: agent 'coder' and 'again' are the same thing in small/coder/v1.0.0/bare and "
            "small/again/v1.0.0/bare: nothing that the model is given differs; leave one out",
        ),
        (
            {"[bare, skill]": "[bare, empty]"},
            "tiers: tier 'bare' and 'empty' are the same thing in small/coder/v1.0.0/bare and "
            "small/coder/v1.0.0/empty: nothing that the model is given differs; leave one out, "
            "there at least (`revisions:` of the tier)",
        ),
        (
            {"models:": 'models:\n  - {model: "scripted/answers.py:answer", name: other}'},
            "models: models 'scripted/",
        ),
        ({"epochs: 2": "network: closed"}, "network: expected gateway or open, got 'closed'"),
    ],
)
async def test_what_a_study_file_says_wrongly_is_told_with_file_and_key(
    study: Path, library: Path, changes: dict[str, str], said: str
) -> None:
    make_study(study.parent, library)
    text = study.read_text()
    for old, new in changes.items():
        answers = str(study.parent / "answers.py")
        old = old.replace("answers.py", answers) if old.startswith('"') else old
        new = new.replace("answers.py", answers)
        assert old in text
        text = text.replace(old, new)
    study.write_text(text)
    own = study.parent / "profile.yaml"
    own.write_text(own.read_text().replace("tiers:\n", "tiers:\n  empty: {description: no help at all}\n"))
    with pytest.raises(WeighError) as caught:
        await open_session(await plan_study(read_study(study)))
    assert str(caught.value).startswith(f"{study}: {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "tiers:\n",
            "markers: {help: {pattern: x, scope: comands}}\ntiers:\n",
            "scope 'comands'; did you mean 'commands'",
        ),
        ("tiers:\n", "markers: {help: '('}\ntiers:\n", r"markers: marker 'help': the pattern '\(' cannot be read"),
        ("tiers:\n", "markers: {help: {predicate: 'made.py:mad'}}\ntiers:\n", "no function 'mad'; did you mean 'made'"),
        ("target: hello Ada", "target: hello Ada\n    score: contain", "no way 'contain' to judge; did you mean"),
        ("contains: hello", "contain: hello", "unknown key 'contain'; did you mean 'contains'"),
        ("instructions: Read NOTES.md.", "instructions_file: NOTES.md", "instructions_file: there is no "),
    ],
)
async def test_what_a_profile_says_wrongly_is_told_with_its_file(
    study: Path, library: Path, old: str, new: str, said: str
) -> None:
    make_study(study.parent, library, {"[bare, skill]": "[bare, notes]"})
    own = study.parent / "profile.yaml"
    assert old in own.read_text()
    own.write_text(own.read_text().replace(old, new))
    with pytest.raises(WeighError, match=said) as caught:
        await plan_study(read_study(study))
    assert str(caught.value).count(str(own)) == 1 and str(caught.value).startswith(f"{own}: ")


async def test_an_option_of_an_agent_is_told_with_its_place(study: Path, library: Path) -> None:
    make_study(study.parent, library, {"[coder]": "[{agent: coder, options: {skils: loaded}}]"})
    with pytest.raises(WeighError) as caught:
        await plan_study(read_study(study))
    assert str(caught.value) == (
        f"{study}: agents: coder: scaffold 'tool_loop': there is no option 'skils'; did you mean 'skills'?"
    )


async def test_a_judge_that_is_missing_or_mistyped_is_told(study: Path, library: Path) -> None:
    make_study(study.parent, library, {"harness: {sandbox": "harness: {helpers: {judg: scripted/echo}, sandbox"})
    own = study.parent / "profile.yaml"
    own.write_text(own.read_text().replace("    target: hello Ada", "    target: hello Ada\n    score: judge"))
    with pytest.raises(WeighError) as caught:
        await open_session(await plan_study(read_study(study)))
    assert str(caught.value).splitlines() == [
        f"greet.tell needs a helper model with the role 'judge': say `harness: {{helpers: {{judge: PROVIDER/NAME}}}}` "
        f"in {study}",
        "helpers: nobody asks a helper with the role 'judg'; did you mean 'judge'?",
    ]


async def test_a_wrong_sandbox_on_the_command_line_gets_the_choices(study: Path) -> None:
    with pytest.raises(WeighError, match=r"--sandbox: .*or none, got 'bubblewarp'; did you mean 'bubblewrap'\?"):
        await plan_study(read_study(study), StudyChanges(sandbox="bubblewarp"))


@pytest.mark.parametrize(
    ("compare", "said"),
    [
        ("{axis: revison, a: x, b: y}", "axis 'revison'; did you mean 'revision'?"),
        ("{axis: revision, a: v1.0.0, b: v1.1}", "the study has no revision 'v1.1'; did you mean 'v1.1.0'"),
        ("{axis: tier, a: bare, b: bare}", "a and b are both 'bare'; say two of tier"),
        ("{axis: tier, a: bare, b: skil}", "there is no tier 'skil'; did you mean 'skill'?"),
        ("{axis: agent, a: coder, b: pi}", "the study has no agent 'pi' (there are coder)"),
    ],
)
async def test_what_is_to_be_compared_is_in_the_study(study: Path, library: Path, compare: str, said: str) -> None:
    make_study(study.parent, library, {"epochs: 2": f"epochs: 2\ncompare: [{compare}]"})
    with pytest.raises(WeighError) as caught:
        await plan_study(read_study(study))
    assert said in str(caught.value)


async def test_what_makes_a_cell_is_content_and_not_a_place(study: Path, library: Path, tmp_path: Path) -> None:
    other = make_study(tmp_path / "elsewhere", library)
    plans = [await plan_study(read_study(file)) for file in (study, other)]
    spaces = [{s.axes["tier"]: s.workspace for s in plan.request.settings} for plan in plans]
    content = [{tier: space.digest for tier, space in one.items() if space} for one in spaces]
    assert content[0] == content[1]
    digests = [{t.name: t.info().digest for t in (await open_session(plan)).prepared.tasks} for plan in plans]
    assert digests[0] == digests[1]
    (study.parent / "data.bin").write_bytes(b"other" * 100_000)
    changed = {
        t.name: t.info().digest for t in (await open_session(await plan_study(read_study(study)))).prepared.tasks
    }
    assert {n for n in changed if changed[n] != digests[0][n]} == {"greet.file"}


async def test_a_run_remembers_what_its_tiers_gave_the_agent(study: Path, library: Path) -> None:
    models = 'models: [{model: "openai/m::api_key=sk-abcdefgh12345678", name: small}]'
    text = study.read_text()
    made = text[: text.index("models:")] + models + "\n" + text[text.index("revisions:") :]
    study.write_text(made.replace("[bare, skill]", "[bare, skill, notes]"))
    about = (await plan_study(read_study(study))).request.study
    assert (await plan_study(read_study(study), StudyChanges(dry_run=True))).request.study == {}  # nobody runs it
    bare, skill, notes = about["tiers"]
    assert bare == {"name": "bare", "description": "installed, nothing else"}
    assert [(s["name"], s["description"], s["body"]) for s in skill["skills"]] == [
        ("greet", "Greets.", "Run `greet NAME`.")
    ]
    assert (notes["files"], notes["instructions"]) == (["NOTES.md"], "Read NOTES.md.")
    assert "abcdefgh" not in str(about) and str(study.parent) not in str(about["file"])


async def test_what_a_tier_gives_is_remembered_for_every_revision_where_it_differs(study: Path, library: Path) -> None:
    plan = await plan_study(read_study(study))
    names = [revision.name for revision in plan.revisions]
    spaces = [Workspace(digest=name, instructions=f"Call it as {name} does.") for name in names]
    given = [(name, "bare", space) for name, space in zip(names, spaces, strict=True)]
    given += [(name, "skill", spaces[0]) for name in names]
    bare, skill = study_about(plan.study, plan.profile, given)["tiers"]
    assert len(names) == 2 and bare["varies"] and bare["instructions"] == spaces[0].instructions
    assert bare["revisions"] == [
        {"revision": n, "instructions": s.instructions} for n, s in zip(names, spaces, strict=True)
    ]
    assert "varies" not in skill and "revisions" not in skill
    # As arms name them, so that what is compared finds its texts.
    assert {str(settings.axes["revision"]) for settings in plan.request.settings} == set(names)


async def test_two_that_want_the_same_installation_share_it(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = await plan_study(read_study(study))
    recipe = plan.recipes[0]
    notes: list[str] = []
    first, second = await asyncio.gather(build(recipe, notes.append), build(recipe, notes.append))
    assert first == second
    assert sum(note.startswith("built") for note in notes) <= 1
    assert any(p.startswith("greet==1.0.0") for p in first.packages)
    # One that was killed half way does not pass for whole.
    (recipe.path / "weigh-ready.json").unlink()
    assert find_installation(recipe.path) is None
    assert (await build(recipe)).path == first.path


JUDGE = """
def strict(request):
    shouted = "HELLO ADA" in request.messages[-1].content
    return '{"reason": "I looked for capitals", "grade": "%s"}' % ("correct" if shouted else "incorrect")
"""


async def test_a_judge_of_the_harness_judges_a_task(study: Path, library: Path) -> None:
    helper = f'harness: {{sandbox: bubblewrap, helpers: {{judge: "scripted/{study.parent}/judge.py:strict"}}}}'
    changes = {"harness: {sandbox: bubblewrap}": helper, "[bare, skill]": "[bare]", "epochs: 2": "tasks: [tell]"}
    study = make_study(study.parent, library, changes)
    (study.parent / "judge.py").write_text(JUDGE)
    profile = study.parent / "profile.yaml"
    profile.write_text(profile.read_text().replace("    target: hello Ada", "    target: hello Ada\n    score: judge"))
    await run(study)
    made = {t.arm: t.scores["match"] for t in trials(study)}
    assert {arm: score.value for arm, score in made.items()} == {
        "small/coder/v1.0.0/bare": 0.0, "small/coder/v1.1.0/bare": 1.0,
    }  # fmt: skip
    assert all("capitals" in (score.explanation or "") for score in made.values())


def test_what_failed_is_told_with_its_reason_and_runs_again(
    study: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(study.parent, library, {"[bare, skill]": "[bare]", "epochs: 2": "tasks: [tell]"})
    answers = study.parent / "answers.py"
    works = answers.read_text()
    failing = (
        works
        + """
from weigh.records.errors import Error, Failure
answered = answer
def answer(request):
    if (HERE / "down").exists():
        raise Failure(Error(kind="provider", code="http_400", message="too long for me"))
    return answered(request)
"""
    )
    answers.write_text("import pathlib\nHERE = pathlib.Path(__file__).parent\n" + failing)
    (study.parent / "down").touch()
    words = ["study", "run", str(study), "-q", "--sandbox", "local"]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "2 of 2 trials failed: 2 provider" in said
    assert "warning: --sandbox local protects nothing" in said
    assert main(["study", "status", str(study), "--sandbox", "local", "--format", "json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert {(r["revision"], r["failed"], r["state"], r["why"]) for r in status} == {
        (revision, 1, "failed", "1 provider: too long for me") for revision in ("v1.0.0", "v1.1.0")
    }
    (study.parent / "down").unlink()
    assert main(words) == 0
    assert "2 run, 0 reused" in capsys.readouterr().err


def test_a_changed_scorer_is_told_and_what_it_needs_is_built(
    study: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(study.parent, library, {"[bare, skill]": "[bare]", "v1.0.0, v1.1.0": "v1.1.0", "epochs: 2": "epochs: 1"})
    words = [str(study), "--store", str(study.parent / "store")]
    assert main(["study", "run", "-q", *words]) == 0
    profile = study.parent / "profile.yaml"
    text = profile.read_text().replace("contains: hello", "contains: bye")
    profile.write_text(text.replace("target: hello Ada", "target: hello Ada\n    score: exact"))
    capsys.readouterr()

    main(["study", "show", *words])
    shown = " ".join(capsys.readouterr().err.split())
    assert "warning: 2 trials of tell, file carry scores by an older definition of their scorers" in shown
    assert f"weigh study run {study} scores them anew (1 by running again, since a scorer that looks into" in shown
    main(["study", "plan", *words])
    said = capsys.readouterr().err
    assert (
        "3 trials: 2 done (1 of them to be scored anew, since their scorer was changed), 1 to run again, since" in said
    )
    assert "1 trial remain" in said
    main(["study", "plan", "--force", *words])
    assert "3 trials: 0 done, 3 to run again (--force)" in capsys.readouterr().err

    [recipe] = asyncio.run(plan_study(read_study(study))).recipes
    asyncio.run(remove(recipe.path))
    before = {t.task: t.id for t in trials(study)}
    assert main(["study", "run", "-q", *words]) == 0
    assert "1 run, 2 reused, 1 scored anew" in capsys.readouterr().err
    after = {t.task: t for t in trials(study)}
    assert {task for task in after if after[task].id != before[task]} == {"greet.file"}
    assert {task: t.scores["match"].value for task, t in after.items()} == {
        "greet.shout": 1.0, "greet.tell": 0.0, "greet.file": 0.0,
    }  # fmt: skip
    main(["study", "show", *words])
    assert "warning" not in capsys.readouterr().err
