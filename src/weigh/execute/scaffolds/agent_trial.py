"""One run of an agent program: started, read while it speaks, ended in time, and what it left kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from weigh.execute.agents.agent import Agent, Assignment, Installation
from weigh.execute.gateway import relay
from weigh.execute.gateway.session import GatewayBudget, Session
from weigh.execute.program import SOCKET
from weigh.execute.retry import ONCE
from weigh.execute.scaffolds.agent_calls import HIDDEN, AgentCalls
from weigh.execute.scaffolds.conversation import REFUSED
from weigh.execute.scaffolds.given import record_texts, texts_of
from weigh.execute.venvs import base_python
from weigh.protocols import ExecResult, Sandbox, ScaffoldContext
from weigh.records.errors import Error, Failure
from weigh.records.request import Output, Request
from weigh.records.trajectory import Step, Trajectory

if TYPE_CHECKING:
    from weigh.execute.gateway.server import Gateway

LONGEST = 7 * 86_400.0
"""Seconds after which a program is ended even where the harness sets no deadline."""
PARTING = 1.0
"""Seconds a program has to end by itself once no call of its is answered any more; it then writes its session."""
KEPT = 32_000_000
"""Bytes of the event stream, and of the session, that are kept."""
_ERROR = re.compile(r"\s*(Uncaught )?[\w.]*(Error|Exception)\b")

_READ_SESSION = """
import fnmatch, json, os, sys
found = [os.path.join(folder, name) for folder, _, names in os.walk(os.environ["HOME"]) for name in names]
for path in sorted(p for p in found if fnmatch.fnmatch(p, sys.argv[1]) and not os.path.islink(p)):
    if path.endswith(".db"):
        import sqlite3
        rows = sqlite3.connect(path)
        rows.row_factory = sqlite3.Row
        for (table,) in rows.execute("select name from sqlite_master where type = 'table' order by name").fetchall():
            for row in rows.execute('select * from "%s"' % table):
                print(json.dumps({"table": table, **dict(row)}, default=repr), flush=True)
    else:
        with open(path, "rb") as file:
            sys.stdout.buffer.write(file.read())
"""


class AgentTrial:
    """See above.

    Attributes:
        session: Of the gateway; closed by whoever made this.
    """

    def __init__(
        self,
        agent: Agent,
        program: Installation,
        gateway: Gateway,
        request: Request,
        context: ScaffoldContext,
        *,
        calls: int | None,
    ) -> None:
        self._agent, self._program, self._request, self._context = agent, program, request, context
        self._prompt = ""
        self._calls = AgentCalls(context, request)
        self.session: Session = gateway.open(self._calls, budget=GatewayBudget(calls=calls), retry=ONCE)
        self._calls.secret = self.session.token
        self._reader = agent.reader()
        self._stream = bytearray()
        self._left_out = 0

    async def run(self, assignment: Assignment, *, port: int) -> Trajectory:
        """Run the program to its end, a limit or a failure.

        Raises:
            LimitReached, Abandoned: From the trial's context, once the program has been ended.
            Failure: Of the provider; or kind `agent`, when the program failed or cannot be understood.
        """
        try:
            self._prompt = assignment.prompt
            ended = await self._execute(assignment, port)
        finally:
            # Also when this is being cancelled (the deadline): it takes milliseconds, and is all there will be.
            await self._keep()
        if self.session.ended is not None:
            raise self.session.ended
        if self._calls.bug is not None:
            raise self._calls.bug
        if self._calls.failure is not None:
            raise Failure(self._calls.failure)
        return self._conclude(ended)

    async def _execute(self, assignment: Assignment, port: int) -> ExecResult | None:
        """Start it and wait; None when it had to be ended because no call would be answered any more."""
        sandbox = self._context.sandbox
        assert sandbox is not None
        launch = self._agent.launch(self._program, assignment)
        start = {"port": port, "socket": SOCKET, **msgspec.to_builtins(launch)}
        running = asyncio.ensure_future(
            sandbox.exec(
                [_python(sandbox), "-I", "-S", "-c", Path(relay.__file__).read_text()],
                stdin=json.dumps(start).encode(),
                timeout=LONGEST,
                output_limit=100_000,
                on_output=self._read,
            )
        )
        over = asyncio.ensure_future(self._over())
        try:
            await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                await asyncio.wait({running}, timeout=PARTING)
            return running.result() if running.done() else None
        finally:
            over.cancel()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, Failure):
                await running

    async def _over(self) -> None:
        """Return once no further call of the program can be answered."""
        waits = [asyncio.ensure_future(self.session.over.wait()), asyncio.ensure_future(self._calls.failed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _read(self, data: bytes) -> None:
        room = KEPT - len(self._stream)
        self._stream += data[: max(0, room)]
        self._left_out += max(0, len(data) - room)
        self._reader.feed(data.replace(self.session.token.encode(), HIDDEN.encode()), self._context.seconds)

    async def _keep(self) -> None:
        """Put what there is of stream and session into the trial, whatever became of it."""
        context, reader = self._context, self._reader
        reader.close(context.seconds)
        steps = self._calls.timed(reader.steps)
        if not any(s.source == "user" for s in steps):  # an agent that does not repeat what it was asked
            steps.insert(0, Step(source="user", message=self._prompt, at=0.0))
        context.steps[:] = msgspec.json.decode(self._clean(msgspec.json.encode(steps)), type=list[Step])
        context.artifacts["events.jsonl"] = self._clean(bytes(self._stream))
        session = await self._session()
        if session:
            context.artifacts[self._agent.session_name] = self._clean(session)
        context.metadata["agent"] = {
            "name": self._agent.name,
            "version": self._program.version,
            "reported": msgspec.to_builtins(reader.usage),
            "gateway": msgspec.to_builtins(self._calls.usage),
            # A call of any other is one of a tool that was never registered.
            **({"tools": sorted(self._calls.tools)} if self._calls.tools else {}),
            **({"tools_withheld": True} if self._calls.withheld else {}),
            **({"bytes_left_out": self._left_out} if self._left_out else {}),
        }
        if self._calls.first is not None:
            told = [step.message for step in context.steps if step.source != "model"]
            texts = texts_of(self._calls.first, self._prompt, told)
            record_texts(context, {name: text.replace(self.session.token, HIDDEN) for name, text in texts.items()})
        context.metadata["turns"] = sum(s.source == "model" for s in context.steps)
        context.metadata["tool_calls"] = sum(len(s.tool_calls) for s in context.steps)

    async def _session(self) -> bytes:
        """The program's own session file, read inside: nothing it may have linked there leads out."""
        sandbox = self._context.sandbox
        assert sandbox is not None
        parts: list[bytes] = []
        try:
            await sandbox.exec(
                [_python(sandbox), "-I", "-S", "-c", _READ_SESSION, self._agent.session],
                timeout=20.0,
                output_limit=1000,
                on_output=parts.append,
            )
        except Failure:
            return b""  # the sandbox is gone; the event stream has to do
        return b"".join(parts)[:KEPT]

    def _clean(self, data: bytes) -> str:
        return data.decode(errors="replace").replace(self.session.token, HIDDEN)

    def _conclude(self, ended: ExecResult | None) -> Trajectory:
        """What came of a program that ended while its calls were still answered, or that spent the session's budget."""
        reader, context, last = self._reader, self._context, self._calls.last
        stop = self.session.spent
        if stop is None:
            assert ended is not None
            if ended.limit is not None and not reader.finished:
                stop = f"limit:{ended.limit}"
            elif last is not None and last.finish_reason in REFUSED and not last.tool_calls:
                stop = "refused"  # agents take it for an error of the model's server
            else:
                self._check(ended)
        return Trajectory(
            request=self._request,
            output=Output(
                text=reader.answer,
                finish_reason=last.finish_reason if last else None,
                usage=last.usage if last else Output().usage,
                model=last.model if last else None,
            ),
            steps=tuple(context.steps),
            stop_reason=stop,
        )

    def _check(self, ended: ExecResult) -> None:
        """Raise what makes a run of the agent worth nothing."""
        reader, name = self._reader, self._agent.name
        stderr = self._clean(ended.stderr.encode()).strip()
        detail = stderr[-4000:] or None
        if self.session.last_error is not None:
            raise Failure(self.session.last_error)
        told = reader.error or gist(stderr)
        if ended.exit_code != 0 and not reader.answer:
            message = f"{name} ended with exit code {ended.exit_code}" + (f": {told[:300]}" if told else "")
            raise Failure(Error(kind="agent", code=f"exit_{ended.exit_code}", message=message, detail=detail))
        if reader.unreadable is not None:
            message = f"{name}'s event stream cannot be read: {reader.unreadable}"
            raise Failure(Error(kind="agent", code="stream", message=message, detail=detail))
        if reader.error is not None and not reader.answer:
            raise Failure(Error(kind="agent", code="reported", message=f"{name}: {told[:300]}", detail=detail))
        if not reader.events:
            message = f"{name} ended without saying anything" + (f": {told[:300]}" if told else "")
            raise Failure(Error(kind="agent", code="silent", message=message, detail=detail))


def gist(stderr: str) -> str:
    """The line that says what went wrong: the last that names an error (Node writes more after it), or the last."""
    lines = stderr.splitlines()
    named = [line for line in lines if _ERROR.match(line)]
    return (named or lines or [""])[-1].strip()


def _python(sandbox: Sandbox) -> str:
    """A Python with the standard library inside."""
    return "python3" if sandbox.mode == "container" else base_python()
