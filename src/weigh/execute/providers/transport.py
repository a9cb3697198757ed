"""JSON over HTTP with one connection pool: bytes in, bytes out, and every way to go wrong as a failure with a code."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from weigh._version import __version__
from weigh.execute.retry import UNREACHABLE
from weigh.records.errors import Error, ErrorKind, Failure

MAX_BODY = 64 * 1024 * 1024
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
_CONTEXT = re.compile(
    r"context.{0,20}(length|size|window)|maximum.{0,20}(context|model) len|max_model_len|too many (input )?tokens"
    r"|(prompt|input|request) is too (long|large)|reduce the length",
    re.IGNORECASE,
)
_FILTER = re.compile(r"content_filter|content management policy|content_policy|ResponsibleAI", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient_quota|billing|credit balance|exceeded your current quota", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Transport:
    """One server's connections. Entered once; `post` may be called by any number of trials at once."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        concurrency: int | None = None,
        timeout: float = 600.0,
        secret: str | None = None,
    ) -> None:
        """
        Args:
            base_url: What paths are appended to.
            headers: Sent with every request.
            concurrency: The most connections; None for as many as are asked for.
            timeout: Seconds one request may take, from sending to the last byte.
            secret: Never appears in an error, even when the server repeats it.
        """
        self.base_url = base_url.rstrip("/")
        self.host = URL(self.base_url).host or ""
        self.timeout = timeout
        self._headers = {"Content-Type": "application/json", "User-Agent": f"weigh/{__version__}", **(headers or {})}
        self._concurrency = concurrency
        self._secret = secret
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        proxied = self.host not in _LOOPBACK and any(os.environ.get(n) for n in ("HTTPS_PROXY", "https_proxy"))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency or 0, ttl_dns_cache=300, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.timeout, sock_connect=min(30.0, self.timeout)),
            headers=self._headers,
            trust_env=proxied,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, path: str, body: bytes) -> bytes:
        """Send a JSON body and return the body of a 200. Raises `Failure` for everything else."""
        session = self._session
        if session is None:
            raise RuntimeError("the provider was used before it was entered")
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self.base_url + path)
        try:
            async with session.post(url, data=body, allow_redirects=False) as response:
                data = await response.read() if (response.content_length or MAX_BODY + 1) <= MAX_BODY else b""
                if not data and response.content_length != 0:
                    data = await self._read_bounded(response)
                if response.status == 200:
                    return data
                error = classify(response.status, response.headers, data, str(url.path))
        except TimeoutError:
            error = _provider_error("timeout", f"no complete answer within {self.timeout:g} s")
        except aiohttp.ClientConnectorError as cause:
            error = _provider_error(UNREACHABLE, f"cannot connect to {self.host}:{url.port}: {cause.strerror or cause}")
        except aiohttp.ClientPayloadError as cause:
            error = _provider_error("half_answer", "the answer broke off before its end", str(cause))
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError) as cause:
            error = _provider_error("connection", "the server closed the connection", repr(cause))
        except aiohttp.ClientError as cause:
            error = _provider_error(
                "garbage", f"the server does not speak HTTP properly: {type(cause).__name__}", str(cause)
            )
        raise Failure(self._redact(error))

    async def answers(self, path: str, *, timeout: float = 5.0) -> int | None:
        """The status of a GET, or None when nothing answers in time: is anybody there?"""
        if self._session is None:
            return None
        try:
            async with self._session.get(
                self.base_url + path, timeout=aiohttp.ClientTimeout(total=timeout)
            ) as response:
                return response.status
        except (TimeoutError, aiohttp.ClientError, OSError):
            return None

    async def _read_bounded(self, response: aiohttp.ClientResponse) -> bytes:
        """Read an answer whose length is not known before; a server may not fill our memory."""
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > MAX_BODY:
                raise Failure(_provider_error("garbage", f"the answer is longer than {MAX_BODY:,} bytes"))
            pieces.append(piece)
        return b"".join(pieces)

    def _redact(self, error: Error) -> Error:
        secret = self._secret
        if not secret or (secret not in error.message and secret not in (error.detail or "")):
            return error
        return msgspec.structs.replace(
            error,
            message=error.message.replace(secret, "***"),
            detail=None if error.detail is None else error.detail.replace(secret, "***"),
        )


def classify(status: int, headers: Mapping[str, str], body: bytes, path: str = "") -> Error:
    """What an HTTP error means: whose fault it is, and whether it may pass."""
    text = body[:4000].decode("utf-8", "replace")
    said = _said(body) or text[:200].strip() or "no explanation"
    message = f"HTTP {status}: {said}"
    kind: ErrorKind = "provider"
    code, transient, wait = f"http_{status}", False, None
    if status in (400, 413, 422, 500) and says_context_length(text):
        kind, code = "limit", "context_length"
    elif status in (400, 403) and _FILTER.search(text):
        code = "content_filter"
    elif status in (402, 429) and _QUOTA.search(text):
        kind, code = "limit", "quota"
    elif status in (408, 409, 425, 429) or status >= 500:
        transient, wait = True, retry_after(headers)
    elif status == 404:
        message += f" (asked for {path}; does the base URL end with /v1, and is the model's name right?)"
    return Error(
        kind=kind, code=code, message=message[:500], transient=transient, retry_after=wait, detail=text[:2000] or None
    )


def says_context_length(text: str) -> bool:
    """Whether a server's words mean that the request is longer than the model's context; every server has its own."""
    return _CONTEXT.search(text) is not None


def garbage(body: bytes, cause: Exception) -> Error:
    """A 200 whose body is not what was agreed on."""
    return _provider_error(
        "garbage", f"the answer is not what the API promises: {cause}", body[:2000].decode("utf-8", "replace")
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How long the server asks to wait, in whichever of the usual headers it says so."""
    if (value := headers.get("retry-after-ms")) is not None and (seconds := _number(value)) is not None:
        return seconds / 1000
    if (value := headers.get("Retry-After")) is not None:
        if (seconds := _number(value)) is not None:
            return seconds
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            pass
    waits = []
    for what in ("requests", "tokens"):
        reset = headers.get(f"x-ratelimit-reset-{what}")
        if reset and headers.get(f"x-ratelimit-remaining-{what}", "0") == "0":
            parts = _DURATION.findall(reset)
            waits.append(sum(float(n) * _UNITS[u] for n, u in parts) if parts else _number(reset) or 0.0)
    return max(waits) if waits else None


def _number(text: str) -> float | None:
    try:
        return max(0.0, float(text))
    except ValueError:
        return None


def _said(body: bytes) -> str | None:
    """The server's own words, wherever it put them."""
    try:
        data: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    for _ in range(3):
        if isinstance(data, str):
            return data[:400]
        if not isinstance(data, dict):
            return None
        data = next((data[k] for k in ("error", "message", "detail", "msg") if data.get(k)), None)
    return None


def _provider_error(code: str, message: str, detail: str | None = None) -> Error:
    return Error(kind="provider", code=code, message=message, transient=True, detail=detail)
