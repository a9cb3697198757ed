"""A trial's own context behind the gateway: the program hears of its limits as refusals."""

from __future__ import annotations

from tests.execute.helpers import run_all
from tests.execute.test_gateway import chat, post
from weigh.define.harness import Limits
from weigh.execute.gateway.server import Gateway
from weigh.execute.gateway.session import Session
from weigh.execute.providers.scripted import ScriptedOptions, ScriptedProvider
from weigh.execute.retry import ONCE
from weigh.execute.stop import StopSignal
from weigh.protocols import ScaffoldContext
from weigh.records.request import Request
from weigh.records.trajectory import Trajectory


class ThroughGateway:
    """A scaffold whose program is four calls over HTTP, whatever they are answered."""

    name = "through_gateway"

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.session: Session | None = None
        self.statuses: list[int] = []
        self.codes: list[str | None] = []
        self.over: list[bool] = []

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        self.session = session = self.gateway.open(context.provider, retry=ONCE)
        try:
            for _ in range(4):
                status, body = await post(self.gateway, session.token, chat("two words"))
                self.statuses.append(status)
                self.codes.append(body.get("error", {}).get("code"))
                self.over.append(session.over.is_set())
        finally:
            self.gateway.close(session)
        if session.ended is not None:
            raise session.ended
        return Trajectory(request=request)


async def test_a_limit_of_the_trial_refuses_and_becomes_its_outcome() -> None:
    provider = ScriptedProvider(["a b c"])
    async with Gateway() as gateway:
        scaffold = ThroughGateway(gateway)
        [trial], _ = await run_all(provider, scaffold=scaffold, limits=Limits(turns=2))
    assert trial.status == "limit:turns"
    assert (trial.usage.calls, trial.usage.generated) == (2, 6)
    assert scaffold.statuses == [200, 200, 429, 429]
    assert scaffold.codes == [None, None, "limit:turns", "limit:turns"]
    assert scaffold.over == [False, False, True, True]
    assert provider.calls == 2
    session = scaffold.session
    assert session is not None
    assert session.spent == "limit:turns"
    assert (session.meter.started, session.meter.refused, session.meter.errors) == (2, 2, 0)
    assert session.meter.usage == trial.usage


async def test_a_token_limit_of_the_trial_is_told_by_its_name() -> None:
    async with Gateway() as gateway:
        scaffold = ThroughGateway(gateway)
        [trial], _ = await run_all(ScriptedProvider(["a b c"]), scaffold=scaffold, limits=Limits(tokens=5))
    assert (trial.status, scaffold.codes[1]) == ("limit:tokens", "limit:tokens")


async def test_a_failure_behind_it_is_tried_by_the_trial_alone() -> None:
    provider = ScriptedProvider(["x"], ScriptedOptions(fail_every=2))
    async with Gateway() as gateway:
        scaffold = ThroughGateway(gateway)
        [trial], _ = await run_all(provider, scaffold=scaffold)
    assert scaffold.statuses == [200] * 4
    assert scaffold.session is not None
    assert (scaffold.session.meter.retries, len(trial.attempts)) == (3, 4)  # three tries that failed, and the trial


async def test_a_failure_that_cannot_pass_is_kept_for_the_scaffold() -> None:
    async with Gateway() as gateway:
        scaffold = ThroughGateway(gateway)
        await run_all(ScriptedProvider(["x"], ScriptedOptions(refuse_every=2)), scaffold=scaffold)
    assert scaffold.statuses == [200, 400, 200, 400]
    assert scaffold.session is not None
    assert scaffold.session.last_error is not None
    assert scaffold.session.last_error.code == "http_400"


async def test_a_run_that_stops_refuses_and_gives_the_trial_back() -> None:
    stop = StopSignal()

    class Stopping(ScriptedProvider):
        async def respond(self, request: Request):  # type: ignore[no-untyped-def]
            stop.request("enough")
            return await super().respond(request)

    async with Gateway() as gateway:
        scaffold = ThroughGateway(gateway)
        provider = Stopping(["x"], ScriptedOptions(fail_every=1))
        trials, _ = await run_all(provider, scaffold=scaffold, stop=stop, grace=120)
    assert trials == []
    assert scaffold.statuses == [429] * 4
    assert scaffold.codes == ["stopping"] * 4
    assert scaffold.session is not None
    assert scaffold.session.spent is None
    assert provider.calls == 1
