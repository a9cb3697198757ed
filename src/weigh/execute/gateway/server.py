"""The gateway's server: on loopback and on a unix socket, OpenAI's and Anthropic's routes in front of any provider.

    async with Gateway() as gateway:
        session = gateway.open(provider, budget=GatewayBudget(calls=100))
        ...                         # a program uses gateway.url_of(session) with session.token as its API key
        print(session.meter.usage, session.spent)

Programs never see a key of the user's: the provider holds it, and a token is worth nothing once its session is closed.
Each session has an address of its own (`/t/ID/v1`), which takes its token and no other. At the gateway's own (`/v1`),
for whoever serves one model to one program, the token alone says whose the call is.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from weigh.execute.gateway.answer_messages import MESSAGES
from weigh.execute.gateway.answer_responses import RESPONSES
from weigh.execute.gateway.dialect import Dialect, Event, bad_request, refusal
from weigh.execute.gateway.session import GatewayBudget, Session
from weigh.execute.gateway.wire import CHAT, COMPLETION, LOGLIKELIHOOD
from weigh.execute.gateway.wire_messages import read_messages
from weigh.execute.limiter import Limiter
from weigh.execute.recording import RecordedCall
from weigh.execute.retry import RetryPolicy
from weigh.execute.sandboxes.folder import home
from weigh.protocols import Capability, Provider
from weigh.records.errors import CapabilityError, Error, Failure, suggest
from weigh.records.request import ChatRequest, Output, Request

BODY_LIMIT = 64_000_000
PATIENCE = 2.0
"""Seconds a stream waits before it sends its status: a failure within them gets a proper one."""
KEEP_ALIVE = 10.0

ROUTES: dict[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETION,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    "/weigh/loglikelihood": LOGLIKELIHOOD,
}
COUNT_TOKENS = "/v1/messages/count_tokens"
OWN = "/t/{own}"
"""What stands before a route at the address of one session."""

_encode = msgspec.json.encode


class Gateway:
    """An asynchronous context manager: entering starts to listen, leaving stops and removes the socket.

    Attributes:
        url: The base address for OpenAI's clients, `http://127.0.0.1:PORT/v1`.
        root: The same without `/v1`, as Anthropic's clients want it.
        socket: Path of the unix socket that serves the same, for sandboxes without a network.
    """

    def __init__(self, *, port: int = 0) -> None:
        """
        Args:
            port: To listen on; 0 is any free one.
        """
        self._sessions: list[Session] = []
        self._runner: web.AppRunner | None = None
        self._folder = ""
        self.port = port

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url_of(self, session: Session) -> str:
        """The base address for OpenAI's clients that is a session's own."""
        return f"{self.root}{session.path}/v1"

    @property
    def socket(self) -> str:
        return str(Path(self._folder) / "gateway.sock")

    async def __aenter__(self) -> Gateway:
        application = web.Application(client_max_size=BODY_LIMIT)
        for base in ("", OWN):
            application.router.add_get(f"{base}/v1/models", self._models)
            application.router.add_get(f"{base}/v1/models/{{name:.+}}", self._models)
            for route, dialect in ROUTES.items():
                application.router.add_post(base + route, partial(self._serve, dialect))
            application.router.add_post(base + COUNT_TOKENS, self._count)
        application.router.add_route("*", "/{path:.*}", _nowhere)
        # Cancelled with its client: a program that was killed must not keep a model busy.
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        self._folder = _socket_folder()
        home().note_folder(Path(self._folder))
        try:
            site = web.TCPSite(self._runner, "127.0.0.1", self.port)
            await site.start()
            await web.UnixSite(self._runner, self.socket).start()
            # Its folder keeps other users out; in a container, the agent is another user than we are.
            Path(self.socket).chmod(0o666)
        except OSError as error:
            await self.__aexit__()
            raise CapabilityError(f"the gateway cannot listen on port {self.port}: {error.strerror}") from None
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
        on_call: Callable[[RecordedCall], None] | None = None,
        transform: Callable[[Request], Request] | None = None,
        limiter: Limiter | None = None,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[bool]] | None = None,
    ) -> Session:
        """Let somebody use a provider.

        Args:
            provider: Already entered; or a trial's context, which then counts, retries and limits (`retry=ONCE`).
            budget: What may be used.
            record: Whether to keep requests and answers in `session.calls`.
            on_call: Given every call as it ends, e.g. `RecordingFile.add`.
            transform: Applied to every request: what harness and command line change.
            limiter: The provider's slots; share one between the sessions of one provider.
            retry: What is tried again before the program hears of it.
            sleep: How to wait between tries; False ends the tries (the run stops).
        """
        session = Session(
            provider,
            budget=budget,
            record=record,
            on_call=on_call,
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
        """The one model, in the words of both protocols at once."""
        session = self._session(http)
        if session is None:
            return _unauthorized(http, CHAT)
        entry = {"id": session.model, "object": "model", "created": 0, "owned_by": "weigh"}
        entry |= {"type": "model", "display_name": session.model, "created_at": "1970-01-01T00:00:00Z"}
        if "name" in http.match_info:
            return _json(entry)
        ends = {"has_more": False, "first_id": session.model, "last_id": session.model}
        return _json({"object": "list", "data": [entry], **ends})

    async def _count(self, http: web.Request) -> web.StreamResponse:
        """How many tokens a request has, where the provider can tell (`count_tokens`); nothing is guessed."""
        session = self._session(http)
        if session is None:
            return _unauthorized(http, MESSAGES)
        try:
            request = read_messages(await _body(http))
            return _json({"input_tokens": await session.count_tokens(request)})
        except Failure as failure:
            return _error(failure.error, MESSAGES)

    async def _serve(self, dialect: Dialect, http: web.Request) -> web.StreamResponse:
        session = self._session(http)
        if session is None:
            return _unauthorized(http, dialect)
        question = http.headers.get("X-Weigh-Question")
        try:
            body = await _body(http)
            answer = _answer(session, dialect, body, question)
            if dialect.events is None or not body.get("stream"):
                return _json(dialect.whole(await answer, session.model, body))
            return await _stream(http, answer, session.model, dialect, body)
        except Failure as failure:
            return _error(failure.error, dialect)

    def _session(self, http: web.Request) -> Session | None:
        """Whose token the request shows, if it may at this address. All are compared, each in constant time."""
        match = re.fullmatch(r"Bearer\s+(\S+)", http.headers.get("Authorization", ""), re.IGNORECASE)
        token = match[1] if match else http.headers.get("x-api-key", "")
        found = None
        for session in self._sessions:
            if session.is_me(token):
                found = session
        own = http.match_info.get("own")
        return found if found is not None and own in (None, found.id) else None


async def _body(http: web.Request) -> dict[str, Any]:
    try:
        return msgspec.json.decode(await http.read(), type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise bad_request(f"the body is no JSON object: {error}") from None


async def _answer(
    session: Session, dialect: Dialect, body: Mapping[str, Any], question: str | None
) -> Sequence[Output]:
    requests = dialect.read(body)
    for request in requests:
        _require(session, request)
    return await asyncio.gather(*(session.respond(r, question, wire=dialect.name) for r in requests))


async def _stream(
    http: web.Request, answer: Awaitable[Sequence[Output]], model: str, dialect: Dialect, body: Mapping[str, Any]
) -> web.StreamResponse:
    """Events of an answer that our providers give in one piece; comments keep the connection alive until then."""
    assert dialect.events is not None
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
        events: Iterable[Event]
        try:
            events = dialect.events(waiting.result(), model, body)
        except Failure as failure:
            events = dialect.broken(failure.error, model, body)
        for event in events:
            name = b"" if event.name is None else f"event: {event.name}\n".encode()
            await response.write(name + b"data: " + _encode(event.data) + b"\n\n")
        if dialect.last:
            await response.write(dialect.last)
        await response.write_eof()
        return response
    finally:
        waiting.cancel()


def _require(session: Session, request: Request) -> None:
    """Refuse what the provider cannot do."""
    kind: Capability = "chat" if isinstance(request, ChatRequest) else request.__struct_config__.tag  # type: ignore[assignment]
    needed: list[Capability] = [kind]
    if isinstance(request, ChatRequest) and request.tools:
        needed.append("tools")
    for capability in needed:
        if capability not in session.provider.capabilities:
            offered = ", ".join(sorted(session.provider.capabilities))
            raise bad_request(f"{session.model} cannot do {capability} (it does {offered})")


def _socket_folder() -> str:
    """A new folder of mode 0700, so that no other user reaches the socket in it.

    A socket's path may have some hundred bytes (107 on Linux, 103 on macOS); a longer TMPDIR gives way to /tmp.
    """
    short = len(os.fsencode(tempfile.gettempdir())) <= 70
    return tempfile.mkdtemp(prefix="weigh-gateway-", dir=None if short else "/tmp")


async def _nowhere(http: web.Request) -> web.StreamResponse:
    routes = ["/v1/models", *ROUTES, COUNT_TOKENS]
    path = re.sub(r"^/t/[^/]+(?=/)", "", http.path)
    message = f"there is no {http.method} {http.path}{suggest(path, routes, limit=1)}; served: {', '.join(routes)}"
    return _error(Error(kind="agent", code="not_found", message=message), CHAT)


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=_encode(body), status=status, content_type="application/json", headers=headers)


def _unauthorized(http: web.Request, dialect: Dialect) -> web.Response:
    where = " at this address" if "own" in http.match_info else ""
    message = f"unknown token{where}: use the one you were given for this run as the API key"
    return _error(Error(kind="agent", code="unknown_token", message=message), dialect)


def _error(error: Error, dialect: Dialect) -> web.Response:
    status = refusal(error).status
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = f"{error.retry_after:.0f}"
    if error.kind in ("limit", "agent") or not error.transient:
        headers["x-should-retry"] = "false"
    return _json(dialect.error(error), status, headers)
