"""Python with a memory in real sandboxes, and the web tools against a server of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from weigh.execute.sandboxes.open import make_sandbox
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.tools import builtin, session
from weigh.execute.tools.equip import equip
from weigh.execute.tools.session import PythonOptions
from weigh.execute.tools.toolbox import Toolbox, ToolSet
from weigh.execute.tools.web import FetchOptions, SearchOptions, fetch, page_text, search
from weigh.protocols import Sandbox
from weigh.records.request import ToolCall
from weigh.records.trajectory import Observation


@pytest.fixture(params=["bubblewrap", "local"])
async def box(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    probe = await available(request.param)
    if not probe.ok:
        pytest.skip(f"{request.param}: {probe.reason}")
    async with make_sandbox(SandboxSpec(mode=request.param)) as sandbox:
        yield sandbox


class Python:
    """A trial's tools, with `python` among them."""

    def __init__(self, box: Sandbox) -> None:
        self.tools = ToolSet((session.python, builtin.bash))
        self.toolbox = Toolbox(self.tools, box)
        self.limit(60.0)

    def limit(self, seconds: float) -> None:
        """How long the calls to come may take."""
        self.tools.options["python"] = PythonOptions(seconds=seconds)

    async def __call__(self, code: str, tool: str = "python") -> Observation:
        arguments = {"code" if tool == "python" else "command": code}
        return (await self.toolbox.call((ToolCall(id="1", name=tool, arguments=arguments),)))[0]


async def test_names_stay_and_errors_are_told(box: Sandbox) -> None:
    run = Python(box)
    assert (await run("import math\nx = 6 * 7")).content == "(no output)"
    assert (await run("print('x is', x)\nx + 1")).content == "x is 42\n43"
    failed = await run("def f():\n    return 1 / 0\nf()")
    assert failed.is_error
    assert "ZeroDivisionError" in failed.content and "return 1 / 0" in failed.content
    assert "server.py" not in failed.content, "the model sees its own lines only"
    assert (await run("f = (")).content.strip().endswith("was never closed")
    assert (await run("exit()\n")).content == "(exit None ignored)"
    assert (await run("math.floor(x / 5)")).content == "8"
    await run.toolbox.close()


async def test_it_lives_beside_the_shell_and_shares_its_files(box: Sandbox) -> None:
    run = Python(box)
    await run("y = 5; open('a.txt', 'w').write('from python')")
    assert (await run("cat a.txt; echo 'z = 1' > mine.py", "bash")).content == "from python"
    assert (await run("import mine; mine.z + y")).content == "6", "the shell's end did not end the interpreter"
    await run.toolbox.close()


async def test_what_takes_too_long_is_killed_and_said(box: Sandbox) -> None:
    run = Python(box)
    await run("x = 1")
    run.limit(0.3)
    late = await run("while True: pass")
    assert late.is_error and late.metadata == {"session_lost": True, "limit": "deadline"}
    assert "starts anew" in late.content
    run.limit(60.0)  # for it takes a start of Python
    assert "NameError" in (await run("x")).content
    await run.toolbox.close()


async def test_an_interpreter_that_dies_is_said_and_started_anew(box: Sandbox) -> None:
    run = Python(box)
    died = await run("import os; os._exit(3)")
    assert died.is_error and "exit code 3" in died.content
    assert (await run("1 + 1")).content == "2"
    await run.toolbox.close()


async def _page(request: web.Request) -> web.Response:
    return web.Response(
        text="<html><head><title>Tea</title><script>x()</script></head>"
        "<body><h1>Tea</h1><p>It is&nbsp;hot.<br>Very.</p></body></html>",
        content_type="text/html",
    )


async def _results(request: web.Request) -> web.Response:
    assert request.query["format"] == "json"
    found = [{"title": f"about {request.query['q']}", "url": f"http://x/{i}", "content": "text"} for i in range(9)]
    return web.json_response({"results": found})


async def _away(request: web.Request) -> web.Response:
    raise web.HTTPFound("/page")


@pytest.fixture
async def site() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/page", _page)
    app.router.add_get("/away", _away)
    app.router.add_get("/search", _results)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def get(tool: Any, options: Any, **arguments: str) -> Observation:
    box = Toolbox(ToolSet((tool,), {tool.name: options}))
    return (await box.call((ToolCall(id="1", name=tool.name, arguments=arguments),)))[0]


async def test_a_search_gives_titles_addresses_and_extracts(site: str) -> None:
    seen = await get(search, SearchOptions(endpoint=f"{site}/search", results=2), query="tea")
    assert seen.content == "1. about tea\n   http://x/0\n   text\n2. about tea\n   http://x/1\n   text"


async def test_a_page_is_read_as_text(site: str) -> None:
    seen = await get(fetch, FetchOptions(allow_private=True), url=f"{site}/away")
    assert seen.content == "Tea\n\nTea\nIt is\xa0hot.\nVery."
    missing = await get(fetch, FetchOptions(allow_private=True), url=f"{site}/none")
    assert missing.is_error and "404" in missing.content


async def test_pages_of_this_machine_are_refused(site: str) -> None:
    for url in (f"{site}/page", site.replace("127.0.0.1", "localhost") + "/page", "http://169.254.169.254/latest"):
        seen = await get(fetch, FetchOptions(), url=url)
        assert seen.is_error, url
    assert "may not be read" in (await get(fetch, FetchOptions(), url=f"{site}/page")).content
    assert (await get(fetch, FetchOptions(), url="file:///etc/passwd")).is_error


def test_a_search_without_an_endpoint_is_a_problem_before_anything_runs() -> None:
    _, problems = equip(["search", "fetch"], {"fetch": {"api_key_env": "WEIGH_TEST_NO_SUCH_KEY"}})
    assert len(problems) == 2
    assert "tool_options.search.endpoint" in problems[0] and "WEIGH_TEST_NO_SUCH_KEY" in problems[1]


def test_text_without_tags_stays() -> None:
    assert page_text("<p>a</p>\n\n\n<p>b</p>") == "a\nb"
