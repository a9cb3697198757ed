"""Two scripted models until it is settled; what is stored, what is saved, and when no verdict is given."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Bench
from weigh.pipeline.compare import compare
from weigh.pipeline.duel import DuelOptions, DuelResult, duel
from weigh.pipeline.duel_standing import Standing
from weigh.pipeline.request import RunRequest
from weigh.records.errors import DefinitionError, StoreError
from weigh.store.leases import Leases

SCRIPT = """
import hashlib

def right(request, share, salt):
    question = request.messages[-1].content
    number = int(hashlib.md5((salt + question).encode()).hexdigest()[:8], 16) / 2**32
    return question if number < share else "no"

def weak(request):
    return right(request, 0.4, "w")

def strong(request):
    return right(request, 0.8, "s")

def alike(request):
    return right(request, 0.4, "w") + ("" if request.messages[-1].content != "q3" else "!")
"""


@pytest.fixture
def arena(bench: Bench) -> Bench:
    bench.rows(300)
    (bench.folder / "models.py").write_text(SCRIPT)
    return bench


def model(bench: Bench, name: str, options: str = "") -> str:
    return f"scripted/{bench.folder / 'models.py'}:{name}{options}"


def fight(
    bench: Bench, a: str, b: str, *, seen: list[Standing] | None = None, ask: dict[str, Any] | None = None, **how: Any
) -> DuelResult:
    request = RunRequest(
        models=(a, b), tasks=(bench.write(),), store=str(bench.store.path), overrides=("retries=0",), **(ask or {})
    )
    return asyncio.run(duel(request, DuelOptions(**how), seen.append if seen is not None else None))


def test_it_ends_as_soon_as_one_is_better(arena: Bench) -> None:
    seen: list[Standing] = []
    made = fight(arena, model(arena, "weak"), model(arena, "strong"), seen=seen)
    assert (made.verdict, made.ended) == ("better", "settled")
    assert made.standing.low > 0 and made.standing.questions < 150 and made.saved == 300 - made.standing.questions
    assert all(s.verdict == "unresolved" for s in seen[:-1]), "it ended with the first question that settled it"
    assert made.run.executed <= 2 * (made.standing.questions + 8), "nothing was asked beyond what was in flight"
    assert fight(arena, model(arena, "strong"), model(arena, "weak")).verdict == "worse"


def test_its_trials_are_an_ordinary_run_that_compares_and_completes(arena: Bench) -> None:
    weak, strong = model(arena, "weak"), model(arena, "strong")
    made = fight(arena, weak, strong, max_questions=6)
    assert len(arena.trials(made.run)) == made.run.executed
    (report,) = compare(arena.store, [made.run.run.id])
    assert report.rows[0].score is not None and report.rows[0].score.n == 6
    rest = arena.run(arena.write(), models=(weak, strong))
    assert rest.run.id == made.run.run.id
    assert (rest.reused, rest.executed) == (made.run.executed, 600 - made.run.executed)


def test_repeating_it_asks_nothing_and_says_the_same(arena: Bench) -> None:
    weak, strong = model(arena, "weak"), model(arena, "strong")
    first = fight(arena, weak, strong)
    again = fight(arena, weak, strong)
    assert again.run.executed == 0 and again.standing == first.standing


def test_a_smaller_budget_goes_on_where_it_ended(arena: Bench) -> None:
    weak, strong = model(arena, "weak"), model(arena, "strong")
    first = fight(arena, weak, strong, max_questions=5)
    assert (first.verdict, first.standing.questions, first.run.executed) == ("unresolved", 5, 10)
    assert first.ended == "the budget of 5 questions is spent"
    whole = fight(arena, weak, strong)
    fresh = fight(arena, weak, strong, ask={"name": "fresh", "temperature": 0.5})
    assert whole.run.executed <= fresh.run.executed - 10 + 16
    assert (whole.verdict, whole.standing.questions) == (fresh.verdict, fresh.standing.questions)


def test_trials_of_other_runs_are_taken_over(arena: Bench) -> None:
    weak, strong = model(arena, "weak"), model(arena, "strong")
    arena.run(arena.write(), models=(weak,), name="weak")
    arena.run(arena.write(), models=(strong,), name="strong")
    made = fight(arena, weak, strong)
    assert (made.verdict, made.run.executed) == ("better", 0)


def test_arms_that_answer_alike_are_equivalent_within_a_margin(arena: Bench) -> None:
    made = fight(arena, model(arena, "weak"), model(arena, "alike"), margin=0.1)
    assert made.verdict == "equivalent" and made.saved > 0
    open_ = fight(arena, model(arena, "weak"), model(arena, "alike"))
    assert (open_.verdict, open_.ended, open_.saved) == ("unresolved", "all questions are asked", 0)


def test_the_seed_draws_the_order_and_slow_answers_keep_it(arena: Bench) -> None:
    weak, strong = model(arena, "weak"), model(arena, "strong")
    plain = fight(arena, weak, strong, max_questions=20)
    slow = fight(
        arena, model(arena, "weak", "::latency=0.001,jitter=0.01"), strong, max_questions=20,
        ask={"name": "slow", "temperature": 0.5},
    )  # fmt: skip
    assert (plain.standing.questions, plain.standing.difference) == (slow.standing.questions, slow.standing.difference)
    other = fight(arena, weak, strong, max_questions=20, order=1)
    assert other.standing != plain.standing


def test_a_failed_pair_is_left_out_and_unequal_failures_give_no_verdict(arena: Bench) -> None:
    weak, strong = model(arena, "weak"), model(arena, "strong", "::refuse_every=3")
    made = fight(arena, weak, strong)
    assert made.verdict == "withheld" and made.withheld is not None and "failed unequally" in made.withheld
    now = made.standing
    assert (now.failed_a, now.skipped) == (0, now.failed_b) and now.failed_b > 2
    assert now.n == now.questions - now.skipped
    assert sum(made.run.failed.values()) >= now.failed_b


def test_few_failures_do_no_harm(arena: Bench) -> None:
    made = fight(arena, model(arena, "weak", "::refuse_every=12"), model(arena, "strong", "::refuse_every=12"))
    assert made.verdict == "better" and made.standing.skipped > 0


def test_clusters_are_the_units(arena: Bench) -> None:
    text = arena.write()
    bench = arena.folder / "bench.py"
    task = bench.read_text().replace('id=row["id"])', 'id=row["id"], cluster=str(int(row["id"][1:]) // 3))')
    bench.write_text(task)
    request = RunRequest(
        models=(model(arena, "weak"), model(arena, "strong")), tasks=(text,), store=str(arena.store.path)
    )
    made = asyncio.run(duel(request, DuelOptions()))
    assert made.clustered and made.verdict == "better"
    assert made.standing.questions == 3 * made.standing.n


def test_a_budget_of_tokens_or_seconds_ends_it(arena: Bench) -> None:
    weak, strong = model(arena, "weak"), model(arena, "strong")
    tokens = fight(arena, weak, strong, ask={"max_tokens_total": 10})
    assert "budget of 10 tokens" in tokens.ended and tokens.verdict == "unresolved"
    slow = model(arena, "weak", "::latency=0.5")
    timed = fight(arena, slow, strong, ask={"max_seconds": 0.3, "name": "timed", "temperature": 0.5})
    assert "budget of 0.3 s" in timed.ended and timed.standing.questions < 100


def test_what_cannot_be_settled_early_is_refused(arena: Bench) -> None:
    weak = model(arena, "weak")
    with pytest.raises(DefinitionError, match="tokens is a cost"):
        fight(arena, weak, model(arena, "strong"), metric="tokens")
    with pytest.raises(DefinitionError, match="no metric 'exact'"):
        fight(arena, weak, model(arena, "strong"), metric="exact")
    with pytest.raises(DefinitionError, match="the same thing"):
        fight(arena, weak, weak)


def test_another_process_on_the_same_run_is_not_disturbed(arena: Bench) -> None:
    weak, strong = model(arena, "weak"), model(arena, "strong")
    made = fight(arena, weak, strong, max_questions=2)
    folder = arena.store.open(made.run.run.id)
    shard = next(folder.leases.glob("*.json"))
    other = Leases(folder.leases, "other", ttl=60)
    assert other.claim(json.loads(shard.read_text())["shard"])
    with pytest.raises(StoreError, match="another process works on run"):
        fight(arena, weak, strong)
    other.release_all()
    assert fight(arena, weak, strong).verdict == "better"


def command(bench: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    weigh = Path(sys.executable).parent / "weigh"
    models = (model(bench, "weak"), model(bench, "strong"))
    return subprocess.run(
        [weigh, "duel", *models, "-t", bench.write(), "--store", str(bench.store.path), *words],
        capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_on_the_command_line(arena: Bench) -> None:
    done = command(arena)
    assert done.returncode == 0, done.stderr
    assert "models.py:strong is better than" in done.stderr
    assert "saved" in done.stderr and "Traceback" not in done.stderr
    (row,) = json.loads(command(arena, "--format", "json").stdout)
    assert row["verdict"] == "better" and row["low"] > 0 and row["fixed_design"] > 1
    short = command(arena, "--budget", "3", "--seed", "7")
    assert short.returncode == 3 and "not settled (the budget of 3 questions is spent)" in short.stderr
    assert command(arena, "--budget", "soon").returncode == 2
