"""Python with a memory: one interpreter for each trial lives in the sandbox, and names stay between calls.

The interpreter is one long command of the sandbox; code and results pass through files of the workspace, since every
kind of sandbox has those. It is under the sandbox's limits, dies with it, and is started anew when a call took too
long or it died; the model is told that names are lost.
"""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from weigh.execute.tools.tool import ToolContext, ToolResult, tool
from weigh.protocols import ExecResult, Sandbox
from weigh.records.bounds import Positive
from weigh.records.errors import Failure

SERVER = r"""
import ast, contextlib, io, json, os, sys, time, traceback
folder = sys.argv[1]
names = {"__name__": "__main__"}
number = 0
def show(error):
    found = traceback.TracebackException.from_exception(error)
    found.stack[:] = [f for f in found.stack if f.filename.startswith("<cell")]
    return "".join(found.format())
sys.path.insert(0, os.getcwd())
wait = 0.001
while True:
    path = os.path.join(folder, "%d.in" % number)
    if not os.path.exists(path + ".ok"):
        time.sleep(wait)
        wait = min(wait * 1.2, 0.05)
        continue
    wait = 0.001
    with open(path, encoding="utf-8") as file:
        code = file.read()
    os.remove(path)
    os.remove(path + ".ok")
    out, failed = io.StringIO(), False
    name = "<cell %d>" % (number + 1)
    import linecache
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            tree = ast.parse(code, name)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, name, "exec"), names)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), name, "eval"), names)
                if value is not None:
                    print(repr(value))
        except SystemExit as error:
            print("(exit %s ignored)" % error.code)
        except BaseException as error:
            failed = True
            out.write(show(error))
    text = out.getvalue()
    limit = int(sys.argv[2])
    if len(text) > limit:
        text = text[:limit] + "\n[output was cut]"
    target = os.path.join(folder, "%d.out" % number)
    with open(target + ".part", "w", encoding="utf-8", errors="replace") as file:
        json.dump({"text": text, "failed": failed}, file)
    os.replace(target + ".part", target)
    number += 1
"""
"""The interpreter's side. It polls quickly after a call and slowly when nothing comes."""

OUTPUT = 200_000
FOREVER = 7 * 24 * 3600.0


class PythonOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    seconds: How long one call may take.
    """

    seconds: Positive = 60.0


class _Answer(msgspec.Struct):
    text: str
    failed: bool


class PythonSession:
    """One interpreter in a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._folder = f".python-{secrets.token_hex(4)}"
        self._process: asyncio.Task[ExecResult] | None = None
        self._lock = asyncio.Lock()
        self._number = 0

    async def run(self, code: str, seconds: float) -> ToolResult:
        """Run code; calls wait for one another."""
        async with self._lock:
            if self._process is None:
                await self._start()
            assert self._process is not None
            number, self._number = self._number, self._number + 1
            await self.sandbox.write_file(f"{self._folder}/{number}.in", code.encode())
            await self.sandbox.write_file(f"{self._folder}/{number}.in.ok", b"")
            try:
                answer = await asyncio.wait_for(self._answer(number, self._process), seconds)
            except TimeoutError:
                await self.aclose()
                return _lost(f"killed after {seconds:g} s: it took too long", limit="deadline")
            if isinstance(answer, ExecResult):
                self._process = None
                why = f"limit of {answer.limit}" if answer.limit else f"exit code {answer.exit_code}"
                said = answer.stderr.strip()[-2000:]
                return _lost(f"the interpreter ended ({why}){': ' + said if said else ''}", limit=answer.limit)
            return ToolResult(content=answer.text.rstrip("\n") or "(no output)", is_error=answer.failed)

    async def aclose(self) -> None:
        """End the interpreter and all it started."""
        process, self._process = self._process, None
        if process is not None:
            process.cancel()
            await asyncio.gather(process, return_exceptions=True)

    async def _start(self) -> None:
        self._folder = f".python-{secrets.token_hex(4)}"
        self._number = 0
        await self.sandbox.write_file(f"{self._folder}/server.py", SERVER.encode())
        command = ["python3", f"{self._folder}/server.py", self._folder, str(OUTPUT)]
        self._process = asyncio.create_task(self.sandbox.exec(command, timeout=FOREVER, output_limit=20_000))

    async def _answer(self, number: int, process: asyncio.Task[ExecResult]) -> _Answer | ExecResult:
        """Wait for the result of a call, or for the interpreter's end."""
        wait = 0.001
        while True:
            ended = process.done()
            try:
                data = await self.sandbox.read_file(f"{self._folder}/{number}.out")
                return msgspec.json.decode(data, type=_Answer)
            except Failure as failure:
                if failure.error.code not in ("no_file", "path"):
                    raise
            if ended:
                return process.result()
            await asyncio.wait({process}, timeout=wait)
            wait = min(wait * 1.3, 0.05)


def _lost(why: str, *, limit: str | None) -> ToolResult:
    metadata = {"session_lost": True, **({"limit": limit} if limit else {})}
    return ToolResult(content=f"error: {why}; the next call starts anew, without the names defined so far",
                      is_error=True, metadata=metadata)  # fmt: skip


@tool(needs=("python", "files"), seconds=FOREVER, options=PythonOptions)
async def python(code: str, context: ToolContext) -> ToolResult:
    """Run Python code. Names stay between calls; the value of a last expression is shown, as is what is printed.

    Args:
        code: The code.
    """
    session = context.state.get("python")
    if session is None:
        session = context.state["python"] = PythonSession(context.box)
    options = context.options if isinstance(context.options, PythonOptions) else PythonOptions()
    result: ToolResult = await session.run(code, options.seconds)
    return result
