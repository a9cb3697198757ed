"""`weigh gateway`: any model of ours at an address of its own, for a program or an agent that is tried by hand."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from weigh.cli.flags import UsageError
from weigh.cli.numbers import above_zero, port, positive
from weigh.cli.terminal import say
from weigh.define.spec import parse_model
from weigh.execute.gateway.meter import GatewayBudget, Meter
from weigh.execute.gateway.open import open_gateway
from weigh.execute.providers.registry import open_provider
from weigh.execute.recording import RecordedCall, RecordingFile

if TYPE_CHECKING:
    from weigh.execute.gateway.server import Gateway
    from weigh.execute.gateway.session import Session

HELP = """Serve a model on loopback in OpenAI's and Anthropic's protocols, under a token that is made for this once.
With a command after `--`, run that with the address and the token in its environment, and exit as it does; without
one, print them and serve until Ctrl-C. Every call is shown as it ends."""

_NOT_STARTED = 127


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--model", metavar="MODEL", help="what answers, e.g. scripted/echo or openai/gpt-4o-mini")
    parser.add_argument("--port", type=port, default=0, help="0 is any free one (default %(default)s)")
    parser.add_argument("--calls", type=positive, metavar="N", help="answer so many calls, then refuse")
    parser.add_argument("--tokens", type=positive, metavar="N", help="refuse once so many tokens are used")
    parser.add_argument("--dollars", type=above_zero, metavar="X", help="refuse once so much is spent")
    parser.add_argument("--seconds", type=above_zero, metavar="S", help="refuse after so long")
    parser.add_argument(
        "--record", metavar="FILE", help="keep every request and answer; replay them with -m replay/FILE"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="do not show calls")
    parser.add_argument("command", nargs="*", help="what to run against it, after `--`")


def run(args: argparse.Namespace) -> int:
    if not args.model:
        raise UsageError("which model? give one with -m, e.g. -m scripted/echo (weigh gateway --help)")
    return asyncio.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    budget = GatewayBudget(calls=args.calls, tokens=args.tokens, dollars=args.dollars, seconds=args.seconds)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(open_provider(parse_model(args.model)))
        file = stack.enter_context(RecordingFile(Path(args.record), provider.name)) if args.record else None
        gateway = await stack.enter_async_context(open_gateway(port=args.port))

        def ended(call: RecordedCall) -> None:
            if file is not None:
                file.add(call)
            if not args.quiet:
                say(_call(call))

        session = gateway.open(provider, budget=budget, on_call=ended)
        env = environment(gateway, session)
        if args.command:
            code = await _run(args.command, env)
        else:
            print("\n".join(f"export {name}={value}" for name, value in env.items()), flush=True)
            say(f"{provider.name} is served until Ctrl-C")
            await _until_asked()
            code = 0
        say(_sums(session.meter, session.spent))
    return code


def environment(gateway: Gateway, session: Session) -> dict[str, str]:
    """The variables that clients of both protocols look for."""
    return {
        "OPENAI_BASE_URL": gateway.url,
        "OPENAI_API_KEY": session.token,
        "ANTHROPIC_BASE_URL": gateway.root,
        "ANTHROPIC_API_KEY": session.token,
    }


async def _run(command: Sequence[str], env: dict[str, str]) -> int:
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **env})
    except OSError as error:
        say(f"weigh: cannot run {command[0]}: {error.strerror}")
        return _NOT_STARTED
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    return code if code >= 0 else 128 - code


async def _until_asked() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    try:
        await asked.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _call(call: RecordedCall) -> str:
    if call.output is None:
        why = call.error.message if call.error is not None else "it failed"
        return f"{call.wire}: {why}"
    used, calls = call.output.usage, ", ".join(c.name for c in call.output.tool_calls)
    what = f"calls {calls}" if calls else f"{len(call.output.text)} characters"
    counts = f"{_count(used.new)} new, {_count(used.cached)} cached, {_count(used.generated)} generated"
    return f"{call.wire}: {what}; {counts}; {call.seconds:.2f} s"


def _sums(meter: Meter, spent: str | None) -> str:
    used = meter.usage
    counts = f"{_count(used.new)} new, {_count(used.cached)} cached, {_count(used.generated)} generated tokens"
    dollars = "" if used.cost is None else f", ${used.cost:.4f}"
    return (
        f"{used.calls} answered, {meter.errors} failed, {meter.refused} refused, {meter.retries} retries: {counts}"
        f"{dollars}{f'; {spent}' if spent else ''}"
    )


def _count(value: int | None) -> str:
    return "?" if value is None else str(value)
