"""A server that misbehaves on request, a sink that remembers, and cells to execute."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from weigh.execute.harness import Executor
from weigh.execute.pool import PoolResult, run_cells
from weigh.execute.retry import Circuit, RetryPolicy
from weigh.execute.scaffolds.single_turn import SingleTurn
from weigh.execute.stop import StopSignal
from weigh.execute.trials import bug_trial
from weigh.plan.cell import Cell
from weigh.protocols import Provider, Sandbox
from weigh.records.digest import digest
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Message, Request, SamplingParams
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Trial

FAST = RetryPolicy(retries=3, base=0.01, cap=0.05)

Answer = Callable[["BadServer", web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def chat_answer(text: str = "42", **usage: int) -> dict[str, Any]:
    counts = {"prompt_tokens": 7, "completion_tokens": 2, **usage}
    message = {"role": "assistant", "content": text}
    return {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}], "usage": counts}


class BadServer:
    """An OpenAI-like server whose every answer is decided by a test.

    Attributes:
        answer: Called with the server, the request and its body.
        bodies: Every body received.
        in_flight, most: Requests being answered now, and the most at once.
        models_hang: Whether even `GET /models` is never answered.
    """

    def __init__(self, answer: Answer | None = None, port: int = 0) -> None:
        self.answer = answer or good
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = self.most = 0
        self.models_hang = False
        self.port = port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/{tail:.*}", self._post)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _models(self, request: web.Request) -> web.StreamResponse:
        if self.models_hang:
            await asyncio.sleep(60)
        return web.json_response({"data": [{"id": "m"}]})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            return await self.answer(self, request, body)
        finally:
            self.in_flight -= 1


async def good(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    return web.json_response(chat_answer())


def first(*answers: Answer, then: Answer = good) -> Answer:
    """The given answers one after the other, then another for ever."""
    rest = iter(answers)

    async def answer(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await next(rest, then)(server, request, body)

    return answer


def status(code: int, text: str = "", **headers: str) -> Answer:
    async def answer(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=code, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def body_text(text: str) -> Answer:
    async def answer(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=text, content_type="application/json")

    return answer


async def half(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Promise 1000 bytes, send a few, hang up."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"mess')
    assert request.transport is not None
    request.transport.close()
    return response


async def hang(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def hang_up(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@asynccontextmanager
async def serving(answer: Answer | None = None) -> AsyncIterator[BadServer]:
    server = BadServer(answer)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class ListSink:
    """Keeps trials in memory."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    async def append(self, trial: Trial) -> None:
        self.trials.append(trial)


def chat(text: str, **sampling: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), sampling=SamplingParams(**sampling))


def cells(count: int, request: Request | None = None) -> Iterator[Cell]:
    for index in range(count):
        instance = Instance(id=str(index), question=f"q{index}", gold_answer="42")
        yield Cell(f"{index:032x}", "arm", "task", "", instance, digest(instance), 0, request or chat(f"q{index}"))


async def score_exact(cell: Cell, trajectory: Trajectory, sandbox: Sandbox | None) -> dict[str, Score]:
    return {"exact_match": Score(value=float(trajectory.output.text == cell.instance.gold_answer))}


async def no_match(cell: Cell, trajectory: Trajectory) -> dict[str, Score]:
    return {"exact_match": Score(value=0.0, explanation=trajectory.stop_reason)}


def executor(provider: Provider, **settings: Any) -> Executor:
    defaults = {"scaffold": SingleTurn(), "run": "r", "score": score_exact, "no_match": no_match, "retry": FAST}
    return Executor(provider, **{"concurrency": 8, **defaults, **settings})


async def run_all(
    provider: Provider,
    count: int = 1,
    *,
    request: Request | None = None,
    concurrency: int = 8,
    grace: float = 0.3,
    **settings: Any,
) -> tuple[list[Trial], PoolResult]:
    """Execute `count` cells and return the trials with what the pool says of them."""
    sink = ListSink()
    stop = settings.setdefault("stop", StopSignal())
    settings.setdefault("circuit", Circuit(seconds=0.5))
    runner = executor(provider, concurrency=concurrency, **settings)
    result = await run_cells(
        cells(count, request),
        runner.execute,
        sink,
        concurrency=concurrency,
        stop=stop,
        on_bug=lambda cell, bug: bug_trial("r", cell, bug),
        grace=grace,
    )
    return sink.trials, result
