"""`weigh view`: the report over the store in a browser, renewed while a run goes on."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import socket
import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from weigh.cli.flags import add_store
from weigh.cli.numbers import port
from weigh.cli.redaction import add_redaction, is_redacting, redactor_of
from weigh.cli.terminal import say
from weigh.pipeline.live_feed import LiveReport
from weigh.records.wish import Wish
from weigh.report.live import Live
from weigh.report.redact import Redactor
from weigh.report.server import Server, is_loopback, until_interrupted
from weigh.report.site import live_assets
from weigh.store.layout import Store

HELP = """Show runs in a browser: the page of weigh report, renewed while a run goes on. It listens on this machine
only, unless --host says otherwise; then whoever opens it needs the token in its address. It only reads. Ctrl-C ends
it."""

PORT = 7575


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="what to show (default: the latest run, also a new one)")
    parser.add_argument(
        "--port",
        type=port,
        default=PORT,
        metavar="N",
        help="where to listen, 0 for any that is free (default: %(default)s)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="the address to listen on (default: %(default)s)"
    )
    parser.add_argument("--token", action="store_true", help="ask for a token on this machine too")
    add_redaction(parser)
    add_store(parser)


class Redacted:
    """A source whose every answer went through a redactor, one at a time."""

    def __init__(self, source: LiveReport, redactor: Redactor) -> None:
        self._source, self._redactor = source, redactor
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def progress(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self._clean(self._source.progress())
        return cleaned

    def build(self, wishes: Sequence[Wish] | None = None) -> bytes:
        return msgspec.json.encode(self._clean(msgspec.json.decode(self._source.build(wishes))))

    def record(self, trial: str) -> bytes | None:
        found = self._source.record(trial)
        return None if found is None else msgspec.json.encode(self._clean(msgspec.json.decode(found)))

    def _clean(self, value: Any) -> Any:
        with self._lock:
            return self._redactor.value(value)


def run(args: argparse.Namespace) -> int:
    # A run that goes on is worth more than looking at it.
    if hasattr(os, "nice"):
        os.nice(15)
    source: Any = LiveReport(Store(args.store), args.runs)
    if is_redacting(args):
        source = Redacted(source, redactor_of(args))
    token = secrets.token_urlsafe(16) if args.token or not is_loopback(args.host) else None
    asyncio.run(serve(source, args.host, args.port, token, args.runs))
    return 0


def told_others(others: Sequence[str], named: bool) -> str:
    """A line about the runs that are not shown."""
    first = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    shown = "what was named is shown" if named else "the latest run is shown"
    return f"{shown}; `weigh view RUN ...` shows others, several side by side: {first} (weigh ls runs lists them)"


async def serve(source: Any, host: str, wanted: int, token: str | None, words: Sequence[str] = ()) -> None:
    """Serve until interrupted. Where the usual port is taken, any other is."""
    live = Live(source)
    await live.start()
    if wanted == PORT and is_taken(host, wanted):
        wanted = 0
    async with Server(live, live_assets("weigh"), host=host, port=wanted, token=token) as server:
        say(f"{server.url}  (Ctrl-C ends it)")
        if source.others:
            say(told_others(source.others, bool(words)))
        if token is not None:
            say("whoever has this address can read these runs, prompts and answers included")
        await until_interrupted()
    say("ended")


def is_taken(host: str, wanted: int) -> bool:
    """Whether somebody listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            return True
    return False
