"""Judges in a run: part of a score's identity and of nothing else, remembered, and one task's own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.pipeline.conftest import Bench
from weigh.define.harness import Harness
from weigh.define.registry import default
from weigh.pipeline.helpers import Helpers
from weigh.pipeline.rescore import rescore
from weigh.records.errors import CapabilityError
from weigh.records.request import ChatRequest, Message

YES = '{"reason": "r", "grade": "correct"}'
NO = '{"reason": "r", "grade": "incorrect"}'
IMPORT = "from weigh.score.judge import JudgeScorer\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What judges say is remembered in the test's own folder."""
    monkeypatch.setenv("WEIGH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "judge"


def judge(folder: Path, name: str, *answers: str) -> str:
    """A scripted model that gives these answers in turn."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps(answers))
    return f"scripted/{file}"


def test_swapping_a_judge_scores_again_and_asks_the_model_nothing(bench: Bench) -> None:
    task = bench.write(scorer="JudgeScorer", extra=IMPORT)
    yes, no = judge(bench.folder, "yes", YES), judge(bench.folder, "no", NO)
    first = bench.run(task, overrides=(f"helpers.judge={yes}",))
    assert (first.executed, first.failed) == (20, {})
    assert {t.scores["judge"].value for t in bench.trials(first)} == {1.0}
    again = bench.run(task, overrides=(f"helpers.judge={yes}",))
    assert (again.run.id, again.executed, again.rescored) == (first.run.id, 0, 0)
    swapped = bench.run(task, overrides=(f"helpers.judge={no}",))
    assert (swapped.run.id, swapped.executed, swapped.rescored) == (first.run.id, 0, 20)
    assert {t.scores["judge"].value for t in bench.trials(swapped)} == {0.0}


def test_a_judge_that_cannot_be_read_fails_the_score_and_is_tried_again_alone(bench: Bench) -> None:
    bench.rows(4)
    task = bench.write(scorer="JudgeScorer(repairs=0)", extra=IMPORT)
    mumbles = judge(bench.folder, "judge", "hm")
    first = bench.run(task, overrides=(f"helpers.judge={mumbles}",), concurrency=1)
    assert first.failed == {"judge": 4}
    assert {t.scores["judge"].value for t in bench.trials(first)} == {None}
    judge(bench.folder, "judge", YES)
    second = bench.run(task, overrides=(f"helpers.judge={mumbles}",))
    assert (second.executed, second.rescored, second.failed) == (0, 4, {})


def test_what_a_judge_said_is_remembered_but_not_what_cannot_be_read(bench: Bench, cache: Path) -> None:
    bench.rows(3)
    bench.run(
        bench.write(scorer="JudgeScorer", extra=IMPORT),
        overrides=(f"helpers.judge={judge(bench.folder, 'j', 'hm', YES)}",),
        concurrency=1,
    )
    kept = [file.read_text() for file in cache.glob("*/*.json")]
    assert kept and not any("hm" in json.loads(text)["text"] for text in kept)


def test_a_missing_judge_and_a_template_that_cannot_be_filled_stop_the_run_before_it_begins(bench: Bench) -> None:
    with pytest.raises(CapabilityError, match=r"helpers\.judge=PROVIDER/NAME"):
        bench.run(bench.write(scorer="JudgeScorer", extra=IMPORT))
    task = bench.write(scorer='JudgeScorer(template="{{ nothing }}")', extra=IMPORT)
    with pytest.raises(CapabilityError, match="'nothing' is undefined"):
        bench.run(task, overrides=(f"helpers.judge={judge(bench.folder, 'yes', YES)}",))
    assert not bench.store.runs()


def test_rescoring_keeps_the_judge_it_had_or_takes_the_one_it_is_given(bench: Bench) -> None:
    task = bench.write(scorer="JudgeScorer", extra=IMPORT)
    default.load_file(bench.folder / "bench.py")
    first = bench.run(task, overrides=(f"helpers.judge={judge(bench.folder, 'yes', YES)}",))
    assert asyncio.run(rescore(bench.store, first.run)).trials == 0, "same scorer, same judge"
    other = Harness(helpers={"judge": judge(bench.folder, "no", NO)})
    assert asyncio.run(rescore(bench.store, first.run, harness=other)).trials == 20
    assert {t.scores["judge"].value for t in bench.trials(first)} == {0.0}
    assert asyncio.run(rescore(bench.store, first.run)).trials == 0, "the last judge is the one it keeps"


def test_one_task_may_have_a_judge_of_its_own(tmp_path: Path) -> None:
    async def check() -> None:
        roles = {
            "judge": "scripted/constant::answer=a", "judge-2": "scripted/constant::answer=b",
            "judge@sums": "scripted/constant::answer=c", "judge@sums:hard": "scripted/constant::answer=d",
        }  # fmt: skip
        helpers = await Helpers.plan(roles, cache=tmp_path)

        def answers(task: tuple[str, str]) -> list[str]:
            return [h.model[-1] for h in helpers.members("judge", task).values()]

        assert answers(("facts", "")) == ["a", "b"]
        assert answers(("sums", "")) == answers(("sums", "easy")) == ["c"]
        assert answers(("sums", "hard")) == ["d"]
        assert helpers.identities("judge", ("facts", "")) != helpers.identities("judge", ("sums", ""))
        assert helpers.find("judge", ("sums", "")).model.endswith("c")
        with pytest.raises(CapabilityError, match="'grader'"):
            helpers.find("grader", ("sums", ""))

    asyncio.run(check())


def test_a_judge_is_no_part_of_a_harness_identity() -> None:
    plain = Harness().identity()
    for role in ("judge", "judge-2", "judge@task", "grader"):
        assert Harness(helpers={role: "scripted/echo"}).identity() == plain
    assert Harness(helpers={"user": "scripted/echo"}).identity() != plain


def test_the_cache_answers_without_starting_the_judge(tmp_path: Path) -> None:
    async def check() -> None:
        request = ChatRequest(messages=(Message(role="user", content="q"),))
        for expected in (1, 0):
            async with await Helpers.plan({"judge": "scripted/echo"}, cache=tmp_path) as helpers:
                output = await helpers["judge"].ask(request)
                assert (output.text, helpers["judge"].asked) == ("q", expected)

    asyncio.run(check())
