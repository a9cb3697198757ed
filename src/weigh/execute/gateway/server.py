"""The gateway's server: on loopback and on a unix socket, OpenAI's routes in front of the sessions' providers.

    async with Gateway() as gateway:
        session = gateway.open(provider, budget=GatewayBudget(calls=100))
        ...                                  # a program uses gateway.url with session.token as its API key
        print(session.meter.usage, session.spent)

Programs never see a key of the user's: the provider holds it, and a token is worth nothing once its session is closed.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from weigh.execute.gateway import wire
from weigh.execute.gateway.session import GatewayBudget, Session
from weigh.execute.limiter import Limiter
from weigh.execute.retry import RetryPolicy
from weigh.protocols import Capability, Provider
from weigh.records.errors import Error, Failure
from weigh.records.request import Output, Request

BODY_LIMIT = 64_000_000
PATIENCE = 2.0
"""Seconds a stream waits before it sends its status: a failure within them gets a proper one."""
KEEP_ALIVE = 10.0

_encode = msgspec.json.encode


class Gateway:
    """An asynchronous context manager: entering starts to listen, leaving stops and removes the socket.

    Attributes:
        url: The base address for OpenAI clients, `http://127.0.0.1:PORT/v1`.
        socket: Path of the unix socket that serves the same, for sandboxes without a network.
    """

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        self._runner: web.AppRunner | None = None
        self._folder = ""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def socket(self) -> str:
        return str(Path(self._folder) / "gateway.sock")

    async def __aenter__(self) -> Gateway:
        application = web.Application(client_max_size=BODY_LIMIT)
        application.router.add_get("/v1/models", self._models)
        application.router.add_post("/v1/chat/completions", self._chat)
        application.router.add_post("/v1/completions", self._completion)
        application.router.add_post("/weigh/loglikelihood", self._loglikelihood)
        # Cancelled with its client: a program that was killed must not keep a model busy.
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        self._folder = tempfile.mkdtemp(prefix="weigh-gateway-")  # mode 0700: no other user reaches the socket
        try:
            site = web.TCPSite(self._runner, "127.0.0.1", 0)
            await site.start()
            await web.UnixSite(self._runner, self.socket).start()
        except BaseException:
            await self.__aexit__()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        runner, self._runner = self._runner, None
        self._sessions.clear()
        if runner is not None:
            await runner.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(
        self,
        provider: Provider,
        *,
        budget: GatewayBudget | None = None,
        record: bool = False,
        transform: Callable[[Request], Request] | None = None,
        limiter: Limiter | None = None,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[bool]] | None = None,
    ) -> Session:
        """Let somebody use a provider.

        Args:
            provider: Already entered; or a trial's context, which then counts, retries and limits (`retry=ONCE`).
            budget: What may be used.
            record: Whether to keep requests and answers.
            transform: Applied to every request: what harness and command line change.
            limiter: The provider's slots; share one between the sessions of one provider.
            retry: What is tried again before the program hears of it.
            sleep: How to wait between tries; False ends the tries (the run stops).
        """
        session = Session(
            provider,
            budget=budget,
            record=record,
            transform=transform,
            limiter=limiter,
            retry=retry,
            sleep=sleep,
        )
        self._sessions.append(session)
        return session

    def close(self, session: Session) -> None:
        """Make its token worthless."""
        self._sessions.remove(session)

    # -- routes -----------------------------------------------------------------------------------------------------

    async def _models(self, http: web.Request) -> web.StreamResponse:
        session = self._session(http)
        if session is None:
            return _unauthorized()
        entry = {"id": session.model, "object": "model", "created": 0, "owned_by": "weigh"}
        return _json({"object": "list", "data": [entry]})

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        async def answer(session: Session, body: Mapping[str, Any], question: str | None) -> Output:
            request = wire.chat_request(body)
            _require(session, "chat")
            if request.tools:
                _require(session, "tools")
            return await session.respond(request, question)

        return await self._serve(http, answer, wire.chat_response, wire.chat_chunks)

    async def _completion(self, http: web.Request) -> web.StreamResponse:
        async def answer(session: Session, body: Mapping[str, Any], question: str | None) -> list[Output]:
            requests = wire.completion_requests(body)
            _require(session, "completion")
            return list(await asyncio.gather(*(session.respond(r, question) for r in requests)))

        return await self._serve(http, answer, wire.completion_response, wire.completion_chunks)

    async def _loglikelihood(self, http: web.Request) -> web.StreamResponse:
        async def answer(session: Session, body: Mapping[str, Any], question: str | None) -> Output:
            request = wire.loglikelihood_request(body)
            _require(session, "loglikelihood")
            return await session.respond(request, question)

        def show(output: Output, model: str) -> dict[str, Any]:
            return {"model": model, "continuations": msgspec.to_builtins(output.continuations)}

        return await self._serve(http, answer, show, None)

    async def _serve(
        self,
        http: web.Request,
        answer: Callable[[Session, Mapping[str, Any], str | None], Awaitable[Any]],
        whole: Callable[[Any, str], dict[str, Any]],
        chunks: Callable[..., Iterable[dict[str, Any]]] | None,
    ) -> web.StreamResponse:
        session = self._session(http)
        if session is None:
            return _unauthorized()
        try:
            body = msgspec.json.decode(await http.read(), type=dict[str, Any])
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            return _error(wire.bad_request(f"the body is no JSON object: {error}").error)
        question = http.headers.get("X-Weigh-Question")
        try:
            if chunks is None or not body.get("stream"):
                return _json(whole(await answer(session, body, question), session.model))
            return await self._stream(http, answer(session, body, question), session, chunks, body)
        except Failure as failure:
            return _error(failure.error)

    async def _stream(
        self,
        http: web.Request,
        answer: Awaitable[Any],
        session: Session,
        chunks: Callable[..., Iterable[dict[str, Any]]],
        body: Mapping[str, Any],
    ) -> web.StreamResponse:
        """Events of an answer that our providers give in one piece; comments keep the connection alive until then."""
        waiting = asyncio.ensure_future(answer)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        try:
            await asyncio.wait([waiting], timeout=PATIENCE)
            if waiting.done():
                waiting.result()
            await response.prepare(http)
            while not waiting.done():
                await asyncio.wait([waiting], timeout=KEEP_ALIVE)
                if not waiting.done():
                    await response.write(b": waiting for the model\n\n")
            try:
                output = waiting.result()
            except Failure as failure:
                await response.write(b"data: " + _encode(_body(failure.error)[1]) + b"\n\n")
            else:
                with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
                for chunk in chunks(output, session.model, with_usage=with_usage):
                    await response.write(b"data: " + _encode(chunk) + b"\n\n")
            await response.write(b"data: [DONE]\n\n")
            await response.write_eof()
            return response
        finally:
            waiting.cancel()

    def _session(self, http: web.Request) -> Session | None:
        """Whose token the request shows. All are compared, each in constant time."""
        match = re.fullmatch(r"Bearer\s+(\S+)", http.headers.get("Authorization", ""), re.IGNORECASE)
        token = match[1] if match else http.headers.get("x-api-key", "")
        found = None
        for session in self._sessions:
            if session.is_me(token):
                found = session
        return found


def _require(session: Session, capability: Capability) -> None:
    if capability not in session.provider.capabilities:
        offered = ", ".join(sorted(session.provider.capabilities))
        raise wire.bad_request(f"{session.model} cannot do {capability} (it does {offered})")


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=_encode(body), status=status, content_type="application/json", headers=headers)


def _unauthorized() -> web.Response:
    message = "unknown token: use the one you were given for this run as the API key"
    return _json({"error": {"message": message, "type": "authentication_error", "code": "unknown_token"}}, 401)


def _error(error: Error) -> web.Response:
    status, body = _body(error)
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = f"{error.retry_after:.0f}"
    if status == 429 and error.kind == "limit":
        headers["x-should-retry"] = "false"
    return _json(body, status, headers)


def _body(error: Error) -> tuple[int, dict[str, Any]]:
    """Status and body of a failure, as OpenAI clients expect them."""
    code = error.code or "error"
    if code.startswith("limit:") or code == "stopping":
        status, kind = 429, "budget_exceeded"
    elif code == "bad_request":
        status, kind = 400, "invalid_request_error"
    elif code == "context_length":
        status, kind, code = 400, "invalid_request_error", "context_length_exceeded"
    else:
        match = re.fullmatch(r"http_(\d{3})", code)
        # The provider refusing the key is not the program's token being wrong.
        status = int(match[1]) if match and match[1] not in ("401", "403") else 502
        kind = "provider_error"
    return status, {"error": {"message": error.message, "type": kind, "code": code}}
