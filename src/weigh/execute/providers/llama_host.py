"""The process that holds llama.cpp: `python -m weigh.execute.providers.llama_host CONFIG`.

A process of its own, so that a crash in native code cannot take the run along and its threads cannot starve the event
loop. It reads commands as JSON lines from standard input and answers on standard output; what llama.cpp itself prints
goes to standard error. It ends when its input ends, and the kernel kills it when its parent dies.

Commands: `serve` starts llama.cpp's HTTP server on the loopback and answers with its URL; `score` gives log-
probabilities of continuations; `ping` answers that the process lives. Scoring requests that have arrived meanwhile are
computed as one batch.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

import msgspec

from weigh.execute.providers.llama_api import Model, TooLong, Unusable
from weigh.execute.providers.llama_scorer import Line, Scorer

MAX_SEQUENCES = 128


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the host is started with.

    Attributes:
        path: The GGUF file.
        name: What the server calls the model.
        template: A chat template that replaces the file's own.
        context: Tokens one request may have, answer included.
        slots: Requests the server works on at once.
        threads: For computing.
        gpu_layers: Layers to put on a GPU; -1 for all.
        parent: Process id of the parent.
    """

    path: str
    name: str = ""
    template: str | None = None
    context: int = 4096
    slots: int = 4
    threads: int = 1
    gpu_layers: int = 0
    parent: int = 0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the input."""

    op: str
    id: int
    context: str = ""
    continuations: tuple[str, ...] = ()
    unconditional: str | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the output.

    Attributes:
        id: Of the command it answers.
        url: Of the server.
        scores: (log-probability, tokens, unconditional log-probability) of each continuation.
        tokens: How many tokens have to be read for that, shared beginnings once.
        computed: How many of them went through the model.
        code, error: Why there is none of it.
    """

    id: int
    url: str | None = None
    scores: list[tuple[float, int, float | None]] = []
    tokens: int = 0
    computed: int = 0
    code: str | None = None
    error: str | None = None


class Host:
    """Answers commands until the input ends."""

    def __init__(self, config: Config, output: BinaryIO) -> None:
        self._config = config
        self._output = output
        self._lock = threading.Lock()
        self._scores: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._server: Any = None

    def run(self, source: BinaryIO) -> None:
        """Read commands; scoring has a thread of its own, so that reading goes on and batches can form."""
        worker = threading.Thread(target=self._score_all, daemon=True)
        worker.start()
        decode = msgspec.json.Decoder(Command).decode
        for line in source:
            command = decode(line)
            if command.op == "serve":
                self._reply(self._serve(command))
            elif command.op == "ping":
                self._reply(Reply(id=command.id))
            else:
                self._scores.put(command)

    def _reply(self, reply: Reply) -> None:
        data = msgspec.json.encode(reply) + b"\n"
        with self._lock:
            self._output.write(data)
            self._output.flush()

    def _serve(self, command: Command) -> Reply:
        import xllamacpp

        if self._server is not None:  # whoever asked first was cancelled before the answer
            return Reply(id=command.id, url=str(self._server.listening_address))
        config = self._config
        params = xllamacpp.CommonParams()
        params.model.path = config.path
        if config.name:
            params.model_alias = {config.name}
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.n_ctx = config.context * config.slots
        params.n_parallel = config.slots
        params.cpuparams.n_threads = config.threads
        params.cpuparams_batch.n_threads = config.threads
        params.n_gpu_layers = config.gpu_layers
        params.use_jinja = True
        params.warmup = False
        params.kv_unified = False
        params.ui = False
        params.cache_ram_mib = 512
        params.verbosity = 2
        if config.template:
            params.chat_template = config.template
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            return Reply(id=command.id, code="load", error=str(error))
        return Reply(id=command.id, url=str(self._server.listening_address))

    def _score_all(self) -> None:
        config = self._config
        room = max(config.context, 8192)
        try:
            model = Model(config.path, n_ctx=room + config.context, n_seq=MAX_SEQUENCES, threads=config.threads)
        except Unusable as error:
            while (refused := self._scores.get()) is not None:
                self._reply(Reply(id=refused.id, code="unusable", error=str(error)))
            return
        scorer = Scorer(model)
        waiting: list[Command] = []
        while True:
            if not waiting:
                command = self._scores.get()
                if command is None:
                    return
                waiting.append(command)
            while not self._scores.empty() and (command := self._scores.get()) is not None:
                waiting.append(command)
            waiting = self._score_some(scorer, waiting, room)

    def _score_some(self, scorer: Scorer, waiting: list[Command], room: int) -> list[Command]:
        """Score as many requests as fit one batch; return the rest."""
        batch: list[tuple[Command, list[Line]]] = []
        lines: list[Line] = []
        for command in waiting:
            own = _lines(scorer, command)
            if batch and not scorer.fits(lines + own, min(room, 2048)):
                break
            batch.append((command, own))
            lines += own
        before = scorer.computed
        try:
            if max(len(line.tokens) for line in lines) > self._config.context:
                raise TooLong(f"longer than the context of {self._config.context} tokens")
            values = iter(_in_pieces(scorer, lines))
        except TooLong as error:
            if len(batch) > 1:  # one of them is at fault: try each alone
                for command, _ in batch:
                    self._score_some(scorer, [command], room)
            else:
                self._reply(Reply(id=batch[0][0].id, code="context_length", error=str(error)))
            return waiting[len(batch) :]
        computed = scorer.computed - before
        for command, own in batch:
            got = [next(values) for _ in own]
            n = len(command.continuations)
            more: list[float | None] = list(got[n:]) or [None] * n
            scores = [(got[i], own[i].size, more[i]) for i in range(n)]
            share = round(computed * len(own) / len(lines))
            tokens = len({line.tokens[: i + 1] for line in own for i in range(len(line.tokens) - 1)})
            self._reply(Reply(id=command.id, scores=scores, tokens=tokens, computed=min(share, tokens)))
        return waiting[len(batch) :]


def _lines(scorer: Scorer, command: Command) -> list[Line]:
    lines = [scorer.encode(command.context, text) for text in command.continuations]
    if command.unconditional is not None:
        lines += [scorer.encode(command.unconditional, text) for text in command.continuations]
    return lines


def _in_pieces(scorer: Scorer, lines: list[Line]) -> list[float]:
    """Score lines that may be more than there are sequences."""
    step = MAX_SEQUENCES - 1
    return [value for i in range(0, len(lines), step) for value in scorer.score(lines[i : i + step])]


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux); elsewhere the end of the input does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if parent and os.getppid() != parent:
            raise SystemExit(1)


def main() -> None:
    """Run the host."""
    config = msgspec.json.decode(sys.argv[1], type=Config)
    die_with_parent(config.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal reaches the whole group; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Host(config, answers).run(sys.stdin.buffer)
    os._exit(0)  # nothing is left to save, and native threads may still be at work


if __name__ == "__main__":
    main()
