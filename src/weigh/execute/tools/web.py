"""The web for a model: `search` over an endpoint that the harness names, `fetch` of a page as text.

Both run in weigh's own process, not in the sandbox, so a page at an address of this machine or of its network is
refused unless the harness allows it: a model must not read what only this machine can reach.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from weigh.execute.tools.tool import ToolContext, tool

MAX_BYTES = 5_000_000
SECONDS = 30.0


class SearchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where to search.

    Attributes:
        endpoint: Asked `GET ENDPOINT?q=QUERY&format=json`; answers `{"results": [{"title", "url", "content"}]}`, as
            SearXNG does.
        query_field: The parameter's name, if not `q`.
        results: How many are shown.
        api_key_env: Name of the variable with a key, sent as a bearer token.
    """

    endpoint: str = ""
    query_field: str = "q"
    results: int = 5
    api_key_env: str = ""


class FetchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How pages are fetched.

    Attributes:
        endpoint: If given, `GET ENDPOINT?url=URL` answers the page (a cache, an archive, a reader); else the page
            itself is fetched.
        allow_private: Whether addresses of this machine and its network may be read.
        api_key_env: As for a search, with an endpoint.
    """

    endpoint: str = ""
    allow_private: bool = False
    api_key_env: str = ""


def _search_problem(options: SearchOptions) -> str | None:
    if not options.endpoint:
        return "tool 'search' needs an endpoint: -o tool_options.search.endpoint=https://YOUR-SEARXNG/search"
    return _key_problem("search", options.api_key_env)


def _fetch_problem(options: FetchOptions) -> str | None:
    return _key_problem("fetch", options.api_key_env)


def _key_problem(name: str, variable: str) -> str | None:
    return f"tool {name!r}: {variable} is not set" if variable and not os.environ.get(variable) else None


@tool(needs=("network",), seconds=SECONDS + 5, options=SearchOptions, check=_search_problem)
async def search(query: str, context: ToolContext) -> str:
    """Search the web. Gives titles, addresses and short extracts.

    Args:
        query: A few words.
    """
    options = context.options if isinstance(context.options, SearchOptions) else SearchOptions()
    parameters = {options.query_field: query, "format": "json"}
    body, _ = await _get(options.endpoint, parameters, options.api_key_env, private=True)
    found = msgspec.json.decode(body)
    entries = found.get("results", found) if isinstance(found, dict) else found
    lines = []
    for number, entry in enumerate(entries[: options.results], 1):
        text = entry.get("content") or entry.get("snippet") or entry.get("description") or ""
        lines.append(f"{number}. {entry.get('title', '')}\n   {entry.get('url', '')}\n   {text.strip()[:500]}")
    return "\n".join(lines) or "nothing was found"


@tool(needs=("network",), seconds=SECONDS + 5, options=FetchOptions, check=_fetch_problem)
async def fetch(url: str, context: ToolContext) -> str:
    """Read a web page as text.

    Args:
        url: Its address, with http:// or https://.
    """
    options = context.options if isinstance(context.options, FetchOptions) else FetchOptions()
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is no http or https address")
    if options.endpoint:
        body, kind = await _get(options.endpoint, {"url": url}, options.api_key_env, private=True)
    else:
        body, kind = await _get(url, None, "", private=options.allow_private)
    text = body.decode(errors="replace")
    return page_text(text) if "html" in kind or text.lstrip()[:1] == "<" else text


async def _get(url: str, parameters: dict[str, str] | None, key: str, *, private: bool) -> tuple[bytes, str]:
    """Body and content type of a page."""
    import aiohttp

    headers = {"Authorization": f"Bearer {os.environ[key]}"} if key else {}
    resolver = None if private else _public_resolver()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver), timeout=aiohttp.ClientTimeout(total=SECONDS), headers=headers
    ) as session:
        for _ in range(6):
            if not private:
                _refuse_private(urlsplit(url).hostname or "")
            # By hand, so that every address on the way is looked at.
            async with session.get(url, params=parameters, allow_redirects=False) as answer:
                if answer.status in (301, 302, 303, 307, 308) and "Location" in answer.headers:
                    url, parameters = urljoin(str(answer.url), answer.headers["Location"]), None
                    continue
                if answer.status >= 400:
                    raise OSError(f"{url} answered {answer.status} {answer.reason}")
                body = bytearray()
                async for chunk in answer.content.iter_chunked(65536):
                    body += chunk
                    if len(body) > MAX_BYTES:
                        break
                return bytes(body[:MAX_BYTES]), answer.headers.get("Content-Type", "")
    raise OSError(f"{url} redirects too often")


def _refuse_private(host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return  # a name; the resolver looks at what it stands for
    if not address.is_global:
        raise PermissionError(f"{host} is an address of this machine or its network, which may not be read")


def _public_resolver() -> Any:
    """A resolver that gives only public addresses, so that no name can stand for a private one."""
    from aiohttp.resolver import ThreadedResolver

    class PublicResolver(ThreadedResolver):
        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
            found = await super().resolve(host, port, family)
            for entry in found:
                _refuse_private(entry["host"])
            return found

    return PublicResolver()


class _Text(HTMLParser):
    """Collects what a reader would see."""

    _HIDDEN = frozenset({"script", "style", "noscript", "template", "svg", "head"})
    _BREAKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "pre"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title = ""
        self._hidden = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in self._HIDDEN
        self._in_title = tag == "title"
        if tag in self._BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in self._HIDDEN and self._hidden > 0
        self._in_title = False
        if tag in self._BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._hidden:
            self.parts.append(data)


def page_text(html: str) -> str:
    """The readable text of a page, its title first."""
    parser = _Text()
    parser.feed(html)
    text = re.sub(r"[ \t\r\f\v]+", " ", "".join(parser.parts))
    text = re.sub(r" ?\n[\s]*", "\n", text).strip()
    return f"{parser.title.strip()}\n\n{text}".strip()
