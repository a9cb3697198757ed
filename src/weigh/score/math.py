r"""Mathematical answers by their meaning: `\frac12`, `0.5` and `1/2` are the same (needs the extra `math`).

The work is done by math-verify in a helper process of its own. That library stops itself by a signal, which only
works in a main thread, and a computer algebra system can get stuck on what a model writes: here a deadline ends the
helper, the score fails, and the next one gets a new helper.
"""

from __future__ import annotations

import asyncio
import atexit
import subprocess
import sys
import threading
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, ClassVar

import msgspec

from weigh.protocols import ScoreContext
from weigh.records.errors import CapabilityError
from weigh.records.score import Score
from weigh.score.base import BaseScorer, gold_texts, reply, scorer_error
from weigh.score.extract import Rules, check_rules, find_answer

_WORKER = r"""
import json, os, sys
channel = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import logging
logging.disable(logging.CRITICAL)
from math_verify import parse, verify
from math_verify.parser import ExprExtractionConfig, LatexExtractionConfig
HOW = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
def read(text):
    # A bare formula is no LaTeX to the parser until it stands between dollars.
    attempts = [text, "$" + text + "$"]
    if "\\" in text and "$" not in text:
        attempts.reverse()
    for attempt in attempts:
        found = parse(attempt, HOW, parsing_timeout=None)
        if found:
            return found
    return []
print("ready", file=channel, flush=True)
for line in sys.stdin:
    job = json.loads(line)
    try:
        golds = [read(g) for g in job["golds"]]
        answer = read(job["answer"])
        found = {
            "golds": all(golds),
            "answer": str(answer[-1]) if answer else None,
            "equal": bool(answer) and any(verify(g, answer, timeout_seconds=None) for g in golds if g),
        }
    except Exception as error:
        found = {"error": "%s: %s" % (type(error).__name__, str(error)[:300])}
    print(json.dumps(found), file=channel, flush=True)
"""


class MathScorer(BaseScorer, frozen=True, kw_only=True):
    """1 if the answer equals a gold answer as mathematics, else 0. Every reply that does not parse is no match.

    Attributes:
        extract: Where the answer is. By default the last boxed one, or what follows `####` or "answer is", or what
            math-verify finds in the entire reply.
        seconds: How long one comparison may take.
    """

    name: str = "math"
    extract: Rules = ("boxed", "after:####", "answer_is", "all")
    seconds: float = 10.0
    timeout: ClassVar[float | None] = 120.0

    def __post_init__(self) -> None:
        check_rules(self.extract, f"scorer {self.name!r}")

    async def score(self, context: ScoreContext) -> Score:
        if find_spec("math_verify") is None:
            raise CapabilityError("needs math-verify: install weigh with the extra `math`")
        golds = gold_texts(context.instance)
        answer = find_answer(reply(context), self.extract)
        if answer is None:
            return Score(value=0.0, explanation="no answer found in the reply")
        if answer.strip() in golds:
            return Score(value=1.0, answer=answer.strip())
        found = await asyncio.to_thread(_worker().ask, {"answer": answer, "golds": golds}, self.seconds)
        if "error" in found:
            raise scorer_error(f"math-verify: {found['error']}", code="math_verify")
        if not found["golds"]:
            raise scorer_error(f"math-verify cannot read the gold answer {golds!r}", code="no_gold")
        explanation = None if found["answer"] is not None else "no mathematics found in the answer"
        return Score(value=float(found["equal"]), answer=found["answer"] or answer[:200], explanation=explanation)


class _Worker:
    """The helper process; one question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    def ask(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Put one question. Raises `Failure` when no answer comes in time; the helper is then replaced."""
        with self._lock:
            process = self._started()
            assert process.stdin and process.stdout
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            try:
                process.stdin.write(msgspec.json.encode(job) + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                line = b""
            finally:
                timer.cancel()
            if not line:
                self.stop()
                raise scorer_error(f"math-verify gave no answer within {seconds:g} s", code="timeout")
            found: dict[str, Any] = msgspec.json.decode(line)
            return found

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert self._process.stdout
            # Importing takes a second or two; it is no part of the first question's time.
            if self._process.stdout.readline() != b"ready\n":
                self.stop()
                raise scorer_error("the helper process for math-verify did not start", code="math_verify")
        return self._process

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        pass


@lru_cache(maxsize=1)
def _worker() -> _Worker:
    return _Worker()
