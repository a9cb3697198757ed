"""Serving the live viewer: on loopback as it comes, elsewhere only with a token; reading only.

Who may ask: a browser on this machine. A page of somebody else's, opened in the same browser, may not: its requests
carry a `Host` of its own (so a name that was bound to 127.0.0.1 gets nothing), no other origin may read an answer, and
nothing can be changed here. Files are served by name from a table, never from a path.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import re
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from weigh.records.errors import DefinitionError
from weigh.records.wish import wish_of
from weigh.report.live import Assets, Live

if TYPE_CHECKING:
    from aiohttp import web

BEAT = 15.0
"""Seconds after which a stream says that it lives."""
Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]
_TRIAL = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_TOKEN_COOKIE = "weigh-view-{port}"


class Server:
    """An asynchronous context manager: entering begins to listen, leaving ends every stream.

    Args:
        live: What is shown.
        assets: The page's files; `index.html` is the page.
        headers: Further headers of the page, such as its content security policy.
        host: The address to listen on.
        port: 0 for any that is free.
        token: What everybody must show once; None for nobody has to.

    Attributes:
        port: Where it listens.
    """

    def __init__(
        self, live: Live, assets: Assets, *, headers: dict[str, str] | None = None, host: str = "127.0.0.1",
        port: int = 0, token: str | None = None,
    ) -> None:  # fmt: skip
        self.live, self.assets, self.headers = live, assets, headers or {}
        self.host, self.port, self.token = host, port, token
        self._names = _own_names(host)
        self._ending = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._loop: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address to open, the token included."""
        host = "127.0.0.1" if self.host in ("", "0.0.0.0") else "[::1]" if self.host == "::" else self.host
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"http://{host}:{self.port}/" + (f"?token={self.token}" if self.token else "")

    async def __aenter__(self) -> Server:
        from aiohttp import web

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        application = web.Application(middlewares=[guard])
        application.router.add_get("/", self._page)
        application.router.add_get("/api/index", self._index)
        application.router.add_get("/api/events", self._events)
        application.router.add_get("/api/trial/{trial}", self._trial)
        application.router.add_get("/{name:.+}", self._asset)
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise DefinitionError(
                f"cannot listen on {self.host}:{self.port}: {error.strerror}; choose another --port, or 0 for any"
            ) from None
        self.port = self._runner.addresses[0][1]
        self._loop = asyncio.create_task(self.live.run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._ending.set()
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        if self._runner is not None:
            await self._runner.cleanup()

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        from aiohttp import web

        if request.method not in ("GET", "HEAD"):
            answer: web.StreamResponse = _refusal(405, "this viewer only shows")
        elif not self._is_own_host(request.headers.get("Host", "")) or not self._is_own_origin(request):
            answer = _refusal(403, "this address is not the viewer's own")
        elif self.token is not None and not self._has_token(request):
            answer = _refusal(401, "open the address that `weigh view` printed: it holds the token")
        elif self.token is not None and "token" in request.query:
            answer = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(
                _TOKEN_COOKIE.format(port=self.port), self.token, httponly=True, samesite="Strict", path="/"
            )
        else:
            try:
                answer = await handler(request)
            except web.HTTPNotFound:
                answer = _refusal(404, "there is nothing here")
        if not answer.prepared:
            answer.headers.update(_SAFE)
        return answer

    def _is_own_host(self, host: str) -> bool:
        """Whether a request was sent to a name of ours. With a token any address of a number will do: numbers cannot
        be bound to another machine."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = (parts.hostname or "").lower(), parts.port or 80
        except ValueError:
            return False
        if port != self.port:
            return False
        return name in self._names or (self.token is not None and _is_number(name))

    def _is_own_origin(self, request: web.Request) -> bool:
        """Browsers say where a request comes from; ours come from this address or from nobody's page."""
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        own = origin is None or urlsplit(origin).netloc == request.headers.get("Host")
        return own and (site in ("same-origin", "none") or request.path == "/")

    def _has_token(self, request: web.Request) -> bool:
        shown = request.query.get("token") or request.cookies.get(_TOKEN_COOKIE.format(port=self.port)) or ""
        return hmac.compare_digest(shown.encode(), (self.token or "").encode())

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return _file(self.assets["index.html"], self.headers)

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        found = self.assets.get(request.match_info["name"])
        return _file(found, {}) if found is not None else _refusal(404, "there is nothing here")

    async def _index(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        payload = await self.live.index(wish_of(request.query))
        headers = {"Content-Encoding": "gzip", "X-Weigh-Version": str(self.live.version)}
        return web.Response(body=payload, content_type="application/json", headers=headers)

    async def _trial(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        trial = request.match_info["trial"]
        found = await self.live.record(trial) if _TRIAL.fullmatch(trial) else None
        if found is None:
            return _refusal(404, "there is no such trial")
        return web.Response(body=found, content_type="application/json")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: what is new, as long as somebody listens."""
        from aiohttp import web

        stream = web.StreamResponse(headers={**_SAFE, "Content-Type": "text/event-stream"})
        await stream.prepare(request)
        self.live.watch()
        told = -1
        try:
            while not self._ending.is_set():
                seen = self.live.told
                if seen != told:
                    told = seen
                    await stream.write(b"data: " + msgspec.json.encode(self.live.news()) + b"\n\n")
                else:
                    await stream.write(b": still here\n\n")
                await self.live.wait(told, self._ending, BEAT)
        except (ConnectionResetError, ConnectionError):
            pass  # the page was closed
        finally:
            self.live.leave()
        return stream


async def until_interrupted() -> None:
    """Wait for Ctrl-C or a request to end."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ending.set)
    try:
        await ending.wait()
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


def _refusal(status: int, why: str) -> web.Response:
    from aiohttp import web

    return web.Response(status=status, text=why + "\n")


def _file(held: tuple[str, bytes], headers: dict[str, str]) -> web.Response:
    from aiohttp import web

    kind, data = held
    charset = "utf-8" if kind.startswith("text/") or kind.endswith(("javascript", "json")) else None
    return web.Response(body=data, content_type=kind, charset=charset, headers=headers)


def _own_names(host: str) -> frozenset[str]:
    """Names by which this server may be asked."""
    names = {"localhost", "127.0.0.1", "::1", host.strip("[]").lower()}
    if not is_loopback(host):
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(names - {"", "0.0.0.0", "::"})


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
