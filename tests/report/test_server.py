"""The viewer's server: who may ask, what is served, what is told, and that it works only while somebody watches."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from weigh.records.errors import DefinitionError, StoreError
from weigh.records.wish import Wish
from weigh.report.live import Live
from weigh.report.server import Server, is_loopback

ASSETS = {"index.html": ("text/html", b"<!doctype html>page"), "a/b.js": ("text/javascript", b"1")}


class Scripted:
    """A source that a test moves on."""

    def __init__(self) -> None:
        self.running = True
        self.number = 0
        self.looked = 0
        self.fails = False
        self.wished: list[Sequence[Wish] | None] = []
        self.begun = threading.Event()
        self.busy: threading.Event | None = None
        self._seen = -1

    def look(self) -> bool:
        self.looked += 1
        if self.fails:
            raise StoreError("the disk is gone")
        changed, self._seen = self._seen != self.number, self.number
        return changed

    def progress(self) -> dict[str, Any]:
        return {"done": self.number}

    def build(self, wishes: Sequence[Wish] | None) -> bytes:
        self.wished.append(wishes)
        if self.busy is not None:
            self.begun.set()
            self.busy.wait(120)
        return json.dumps({"number": self.number}).encode()

    def record(self, trial: str) -> bytes | None:
        return b'{"id":"t1"}' if trial == "t1" else None


@asynccontextmanager
async def serving(
    source: Scripted | None = None, **options: Any
) -> AsyncIterator[tuple[Server, aiohttp.ClientSession]]:
    live = Live(source or Scripted(), look_every=0.02, rebuild_every=options.pop("rebuild_every", 0.05), share=0.9)
    await live.start()
    async with (
        Server(live, ASSETS, **options) as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", auto_decompress=False) as client,
    ):
        yield server, client


async def events(client: aiohttp.ClientSession) -> AsyncIterator[dict[str, Any]]:
    async with client.get("/api/events") as stream:
        async for line in stream.content:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


async def test_page_files_payload_and_trials() -> None:
    async with serving(headers={"Content-Security-Policy": "default-src 'none'"}) as (server, client):
        page = await client.get("/")
        assert page.status == 200 and "page" in await page.text() and page.content_type == "text/html"
        assert page.headers["Content-Security-Policy"] == "default-src 'none'"
        assert page.headers["Cache-Control"] == "no-store" and page.headers["X-Content-Type-Options"] == "nosniff"
        assert await (await client.get("/a/b.js")).text() == "1"
        index = await client.get("/api/index")
        assert json.loads(gzip.decompress(await index.read())) == {"number": 0}
        assert await (await client.get("/api/trial/t1")).json() == {"id": "t1"}
        assert (await client.get("/api/trial/t2")).status == 404
        assert server.url == f"http://127.0.0.1:{server.port}/"


@pytest.mark.parametrize(
    "path",
    ["/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/a/../../etc/passwd", "/a%2f..%2f..%2fetc%2fpasswd",
     "//etc/passwd", "/a/b.js/", "/api/trial/..%2f..%2fetc%2fpasswd", "/api/trial/%00", "/index.html%00.js"],
)  # fmt: skip
async def test_nothing_but_the_table_is_served(path: str) -> None:
    async with serving() as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        assert answer.split(b" ", 2)[1] in (b"404", b"400") and b"root:" not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_it_only_shows(method: str) -> None:
    async with serving() as (_, client):
        assert (await client.request(method, "/api/index")).status == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:PORT"}, 200),
        ({"Host": "localhost:PORT"}, 200),
        ({"Host": "evil.example:PORT"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Host": "127.0.0.1.evil.example:PORT"}, 403),
        ({"Host": "127.0.0.1:PORT", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1:PORT", "Origin": "null"}, 403),
        ({"Host": "127.0.0.1:PORT", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "127.0.0.1:PORT", "Origin": "http://127.0.0.1:PORT", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_pages_of_others_get_nothing(headers: dict[str, str], status: int) -> None:
    async with serving() as (server, client):
        own = {k: v.replace("PORT", str(server.port)) for k, v in headers.items()}
        assert (await client.get("/api/index", headers=own)).status == status


async def test_a_token_is_shown_once_and_then_kept_in_a_cookie() -> None:
    async with serving(token="s3cret") as (server, client):
        assert server.url.endswith("/?token=s3cret")
        assert (await client.get("/")).status == 401 and (await client.get("/?token=wrong")).status == 401
        assert (await client.get("/api/index")).status == 401
        first = await client.get("/?token=s3cret", allow_redirects=False)
        assert first.status == 303 and first.headers["Location"] == "/"
        cookie = first.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        kept = {"Cookie": cookie.split(";")[0]}
        assert (await client.get("/api/index", headers=kept)).status == 200
        number = {"Host": f"192.168.0.7:{server.port}"}
        assert (await client.get("/api/index", headers=kept | number)).status == 200
        assert (await client.get("/api/index", headers=number)).status == 401
        assert (await client.get("/api/index", headers=kept | {"Host": f"evil.example:{server.port}"})).status == 403


async def test_news_come_while_it_grows_and_the_last_numbers_at_once() -> None:
    source = Scripted()
    async with serving(source, rebuild_every=3600) as (server, client):
        seen = events(client)
        first = await anext(seen)
        assert first["version"] == 1 and first["progress"] == {"done": 0}
        for number in range(1, 6):
            source.number = number
            while (await asyncio.wait_for(anext(seen), 30))["progress"]["done"] != number:
                pass
        source.number, source.running = 7, False
        while True:
            news = await asyncio.wait_for(anext(seen), 30)
            index = await client.get("/api/index")
            shown = json.loads(gzip.decompress(await index.read()))
            if int(index.headers["X-Weigh-Version"]) == news["version"] and shown == {"number": 7}:
                break
        assert server.live.builds == 2, "not one for every change"
        await seen.aclose()


async def test_nothing_is_done_while_nobody_watches() -> None:
    source = Scripted()
    async with serving(source) as (server, client):
        await asyncio.sleep(0.1)
        looked, source.number = source.looked, 5
        await asyncio.sleep(0.2)
        assert source.looked == looked and server.live.builds == 1
        seen = events(client)
        while (await asyncio.wait_for(anext(seen), 30))["progress"] != {"done": 5}:
            pass
        await seen.aclose()


async def test_only_what_is_looked_at_is_compared_while_a_run_goes_on_and_everything_when_it_has_ended() -> None:
    source = Scripted()
    async with serving(source, rebuild_every=0.05) as (server, client):
        assert source.wished == [(Wish(),)]
        await client.get("/api/index")
        assert len(source.wished) == 1, "that is there already"
        answer = await client.get("/api/index?metric=tokens&level=0.9&shared=1&by=kind&errors=zero")
        wish = Wish(metric="tokens", level="0.9", shared=True, by="kind", errors="zero")
        assert set(source.wished[-1] or ()) == {Wish(), wish} and answer.headers["X-Weigh-Version"] == "2"
        seen = events(client)
        await anext(seen)
        for number in range(1, 5):
            source.number = number
            while server.live.version < 2 + number:
                await asyncio.wait_for(anext(seen), 30)
            await client.get("/api/index?metric=tokens&level=0.9&shared=1&by=kind&errors=zero")
        assert source.wished[-1] == (wish,), "nobody asks for the first one any more"
        source.running = False
        while server.live.made is not None:
            await asyncio.wait_for(anext(seen), 30)
        builds = len(source.wished)
        await client.get("/api/index?metric=turns")
        assert source.wished[-1] is None and len(source.wished) == builds
        await seen.aclose()


async def test_a_trial_can_be_read_while_everything_is_computed() -> None:
    source = Scripted()
    async with serving(source) as (_, client):
        source.busy = threading.Event()
        waiting = asyncio.create_task(client.get("/api/index?metric=tokens"))
        assert await asyncio.to_thread(source.begun.wait, 30)
        assert (await asyncio.wait_for(client.get("/api/trial/t1"), 30)).status == 200 and not waiting.done()
        source.busy.set()
        assert (await waiting).status == 200


async def test_a_failure_is_told_and_tried_again() -> None:
    source = Scripted()
    async with serving(source) as (_, client):
        seen = events(client)
        await anext(seen)
        source.fails = True
        while (await asyncio.wait_for(anext(seen), 30))["problem"] != "the disk is gone":
            pass
        source.fails, source.number = False, 3
        while (news := await asyncio.wait_for(anext(seen), 30))["progress"] != {"done": 3} or news["problem"]:
            pass
        await seen.aclose()


async def test_leaving_ends_open_streams_at_once() -> None:
    async with aiohttp.ClientSession() as client:
        live = Live(Scripted(), look_every=0.02)
        await live.start()
        async with Server(live, ASSETS) as server:
            stream = await client.get(server.url + "api/events")
            await stream.content.readline()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 30, "a server waits 60 s for them by itself"
        stream.close()
    with pytest.raises(DefinitionError, match="cannot listen on"):
        blocker = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        try:
            async with Server(live, ASSETS, port=blocker.sockets[0].getsockname()[1]):
                pass
        finally:
            blocker.close()


def test_which_addresses_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "example.org", "")))
