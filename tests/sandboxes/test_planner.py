"""One budget of executors for all the tasks of a run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from weigh.execute.sandboxes.memory import MemorySandbox
from weigh.execute.sandboxes.planner import SandboxPlanner, covers
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import Sandbox
from weigh.records.errors import Failure

SPEC = SandboxSpec(mode="memory")
SHARED = SandboxSpec(mode="memory", reuse=True)


class Made:
    """Makes sandboxes and remembers them."""

    def __init__(self) -> None:
        self.all: list[MemorySandbox] = []

    def __call__(self, spec: SandboxSpec) -> Sandbox:
        self.all.append(MemorySandbox(spec))
        return self.all[-1]

    @property
    def living(self) -> int:
        return sum(s.opened - s.closed for s in self.all)


def on(budget: int, check: Callable[[SandboxPlanner, Made], Awaitable[None]]) -> Made:
    made = Made()

    async def run() -> None:
        async with SandboxPlanner(budget, make=made) as planner:
            await asyncio.wait_for(check(planner, made), 20)

    asyncio.run(run())
    assert made.living == 0, "all gone at the end"
    return made


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_the_budget_holds_and_everybody_is_served() -> None:
    most = 0

    async def check(planner: SandboxPlanner, made: Made) -> None:
        async def job(task: str) -> None:
            nonlocal most
            async with planner.lease(task, SPEC):
                most = max(most, planner.state.running)
                await asyncio.sleep(0.001)

        await asyncio.gather(*(job(f"task{i % 3}") for i in range(60)))
        assert planner.state.running == planner.state.waiting == 0

    on(5, check)
    assert most == 5


def test_places_follow_the_work_that_is_left() -> None:
    async def check(planner: SandboxPlanner, made: Made) -> None:
        planner.plan("long", 90)
        planner.plan("short", 30)
        gate = asyncio.Event()

        async def job(task: str) -> None:
            async with planner.lease(task, SPEC):
                await gate.wait()

        first = [await planner.acquire("other", SPEC) for _ in range(8)]
        jobs = [asyncio.create_task(job(task)) for task in ["short"] * 20 + ["long"] * 20]
        await settle()
        assert planner.state.waiting == 40
        planner.plan("other", 0)
        for sandbox in first:
            await planner.release(sandbox)
        await settle()
        tasks = planner.state.tasks
        assert (tasks["long"].running, tasks["short"].running) == (6, 2), "90 to 30, though the short one came first"
        gate.set()
        await asyncio.gather(*jobs)

    on(8, check)


def test_a_place_that_its_task_does_not_want_serves_another() -> None:
    async def check(planner: SandboxPlanner, made: Made) -> None:
        planner.plan("idle", 1000)
        planner.plan("busy", 1)
        held = [await planner.acquire("busy", SPEC) for _ in range(4)]
        assert planner.state.tasks["busy"].running == 4
        for sandbox in held:
            await planner.release(sandbox)

    on(4, check)


def test_a_small_task_is_not_starved() -> None:
    served: Counter[str] = Counter()

    async def check(planner: SandboxPlanner, made: Made) -> None:
        planner.plan("large", 1_000_000)
        planner.plan("small", 2)

        async def job(task: str) -> None:
            async with planner.lease(task, SPEC):
                served[task] += 1
                if task == "small":
                    assert served["large"] < 100
                await asyncio.sleep(0)

        await asyncio.gather(*(job(t) for t in ["large"] * 150 + ["small"] * 2))

    on(2, check)
    assert served == {"large": 150, "small": 2}


def test_a_session_keeps_its_executor_and_gives_it_back() -> None:
    async def check(planner: SandboxPlanner, made: Made) -> None:
        one, same = await asyncio.gather(planner.session("t", "a", SPEC), planner.session("t", "a", SPEC))
        other = await planner.session("t", "b", SPEC)
        assert one is same and one is not other
        await one.write_file("x", b"1")
        assert await (await planner.session("t", "a", SPEC)).read_file("x") == b"1"
        await planner.end("t", "a")
        await planner.end("t", "a")
        assert planner.state.running == 1
        again = await planner.session("t", "a", SPEC)
        assert again is not one
        waiting = asyncio.create_task(planner.session("t", "c", SPEC))
        await settle()
        assert not waiting.done()
        await planner.end("t", "b")
        assert await waiting

    on(2, check)


def test_scoring_from_within_a_trial_never_waits_for_trials() -> None:
    async def check(planner: SandboxPlanner, made: Made) -> None:
        async def trial() -> None:
            async with planner.lease("t", SPEC):
                await asyncio.sleep(0)
                inner = await planner.acquire("t", SPEC, within=True)
                await planner.release(inner)

        await asyncio.gather(*(trial() for _ in range(12)))

    on(3, check)


def test_an_idle_executor_serves_whatever_it_covers() -> None:
    async def check(planner: SandboxPlanner, made: Made) -> None:
        wide = msgspec.structs.replace(SHARED, memory_mb=4096)
        async with planner.lease("a", wide) as first:
            pass
        async with planner.lease("b", SHARED) as second:
            assert second is first, "more memory covers less"
        async with planner.lease("b", msgspec.structs.replace(SHARED, network="open")) as third:
            assert third is not first, "a wider network is another thing"

    on(4, check)


@pytest.mark.parametrize(
    ("have", "want", "yes"),
    [
        ({}, {}, True),
        ({"memory_mb": 512}, {"memory_mb": 1024}, False),
        ({"network": "open"}, {"network": "none"}, False),
        ({"image": "a"}, {"image": "b"}, False),
        ({"cpu_seconds": 5}, {}, False),
        ({}, {"cpu_seconds": 5}, True),
    ],
)
def test_covering(have: dict[str, object], want: dict[str, object], yes: bool) -> None:
    one, two = (msgspec.structs.replace(SHARED, **fields) for fields in (have, want))
    assert covers(one, two) is yes


def test_who_gives_up_waiting_leaves_no_trace() -> None:
    async def check(planner: SandboxPlanner, made: Made) -> None:
        held = await planner.acquire("t", SPEC)
        waiters = [asyncio.create_task(planner.acquire("t", SPEC)) for _ in range(3)]
        await settle()
        waiters[0].cancel()
        await settle()
        assert planner.state.waiting == 2
        await planner.release(held)  # the second has its turn, and is cancelled in the same moment
        waiters[1].cancel()
        await asyncio.gather(waiters[0], waiters[1], return_exceptions=True)
        got = await waiters[2]
        assert planner.state.running == 1
        await planner.release(got)

    on(1, check)


def test_a_sandbox_that_does_not_start_costs_no_place() -> None:
    async def run() -> None:
        class Broken(MemorySandbox):
            async def __aenter__(self) -> Broken:
                from weigh.records.errors import Error

                raise Failure(Error(kind="sandbox", message="no"))

        async with SandboxPlanner(1, make=Broken) as planner:
            for _ in range(3):
                with pytest.raises(Failure, match="no"):
                    await planner.acquire("t", SPEC)
            assert planner.state.running == 0

    asyncio.run(run())


def test_closing_wakes_who_waits() -> None:
    async def run() -> None:
        async with SandboxPlanner(1, make=Made()) as planner:
            await planner.acquire("t", SPEC)
            waiter = asyncio.create_task(planner.acquire("t", SPEC))
            await settle()
        with pytest.raises(Failure, match="closed"):
            await waiter

    asyncio.run(run())


def test_what_it_says_of_itself() -> None:
    assert str(SandboxPlanner(4).state) == "sandboxes: 0 waiting, 0 of 4 running, 0 idle"
