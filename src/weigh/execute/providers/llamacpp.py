"""llama.cpp on a GGUF file: `llamacpp/NAME`, `llamacpp/PATH.gguf`, `llamacpp/URL`. The embedded default.

llama.cpp runs in a process of its own (`llama_host`), started with the first request that needs it, and ended on
leaving. Chats and completions go to its HTTP server on the loopback; continuations are scored in the same process,
many questions in one batch (`llama_scorer`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.decode import decode
from weigh.execute import models
from weigh.execute.models_catalogue import Report, find, template_text
from weigh.execute.providers.llama_forced import ForcedScorer
from weigh.execute.providers.llama_gguf import read_header
from weigh.execute.providers.llama_host import Config, Reply
from weigh.execute.providers.llama_process import LlamaProcess
from weigh.execute.providers.openai import OpenAIOptions, OpenAIProvider
from weigh.execute.providers.transport import Transport
from weigh.execute.retry import UNREACHABLE
from weigh.protocols import Capability
from weigh.records.bounds import Count
from weigh.records.digest import digest_bytes
from weigh.records.errors import DefinitionError, Error, Failure
from weigh.records.request import ChatRequest, Continuation, LoglikelihoodRequest, Output, Request
from weigh.records.usage import Usage

MAX_RESTARTS = 3
BROKEN = frozenset({"connection", "half_answer", UNREACHABLE})
"""What a request over HTTP fails with when its server dies before, while or after it answers."""


class LlamaCppOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `llamacpp/MODEL::key=value,...`.

    Attributes:
        slots: Requests worked on at once; by default what the harness asks for, at most 8.
        threads: For computing; see `default_threads`. With agents running beside it on a small machine, 1 is best.
        context: Tokens one request may have, its answer included. Memory grows with context times slots.
        template: The path of a chat template that replaces the model's; `own` for the one in the file.
        gpu_layers: Layers to put on a GPU, -1 for all (the wheel has to be built for it).
        sha256: The digest a path or URL must have.
        cache: The folder of model files.
    """

    slots: Count | None = None
    threads: Count | None = None
    context: Count = 4096
    template: str | None = None
    gpu_layers: int = 0
    sha256: str | None = None
    cache: str | None = None


class LlamaCppProvider:
    """One model in one process.

    Attributes:
        use_direct_scoring: Whether continuations are scored in batches; turns False where the installed build of
            llama.cpp does not allow it, and then they are scored through its server, token by token.

    Args:
        model: A known model's name, or the path or URL of a GGUF file.
        options: See there.
        concurrency: How many requests the harness will have in flight.
        progress: Called while the file is downloaded.
    """

    def __init__(
        self,
        model: str,
        options: LlamaCppOptions | None = None,
        *,
        concurrency: int | None = None,
        progress: Report | None = None,
    ) -> None:
        self.name = f"llamacpp/{model}"
        self.model = model
        self.options = options or LlamaCppOptions()
        self.slots = self.options.slots or max(1, min(concurrency or 4, 8))
        self.concurrency: int | None = max(self.slots, 8)  # more than there are slots lets scoring form batches
        self.capabilities: frozenset[Capability] = frozenset({"completion", "loglikelihood", "logprobs"})
        self.learns: frozenset[Capability] = frozenset({"chat", "tools"})  # the template says, once the file is here
        self._progress = progress
        self._file: models.ModelFile | None = None
        self._first_token = 0
        self._process: LlamaProcess | None = None
        self._client: OpenAIProvider | None = None
        self._forced: ForcedScorer | None = None
        self._forced_transport: Transport | None = None
        self.use_direct_scoring = True
        self._starts = 0
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> LlamaCppProvider:
        file = await self._resolve()
        header = await asyncio.to_thread(read_header, file.path)
        template = self._template(file) or header.get("tokenizer.chat_template")
        if template:
            self.capabilities |= {"chat"}
            if "tools" in template:
                self.capabilities |= {"tools"}
        for key in ("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"):
            if key in header:
                self._first_token = int(header[key])
                break
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stop()

    @property
    def pid(self) -> int | None:
        """Of llama.cpp's process, while it runs."""
        return self._process.pid if self._process else None

    async def identity(self) -> dict[str, Any]:
        """The file's digest, and the chat template's where it is not the file's own. Downloads nothing it need not."""
        known = find(self.model)
        found: dict[str, Any] = {"provider": "llamacpp"}
        if known is not None and self._file is None:
            found["sha256"] = known.sha256
            template = self._chosen(template_text(known.template) if known.template else None)
        else:
            file = await self._resolve()
            found["sha256"] = file.sha256
            template = self._template(file)
        if template:
            found["template"] = digest_bytes(template.encode())
        return found

    async def respond(self, request: Request) -> Output:
        """Answer one request. Raises `Failure`."""
        if isinstance(request, LoglikelihoodRequest):
            return await self._score(request)
        if isinstance(request, ChatRequest) and "chat" not in self.capabilities:
            message = f"{self.name} is a base model without a chat template; give one with template=FILE"
            raise Failure(Error(kind="provider", code="capability", message=message))
        process, client, _ = await self._serve()
        return await _through(process, client.respond(request))

    async def _score(self, request: LoglikelihoodRequest) -> Output:
        if self.use_direct_scoring:
            process = await self._start()
            try:
                reply = await process.ask(
                    "score",
                    context=request.context,
                    continuations=request.continuations,
                    unconditional=request.unconditional_context,
                )
                return _output(reply)
            except Failure as failure:
                if failure.error.code != "unusable":
                    raise
                self.use_direct_scoring = False
        process, _, forced = await self._serve()
        return await _through(process, forced.score(request))

    async def _resolve(self) -> models.ModelFile:
        if self._file is None:
            options = self.options
            self._file = await asyncio.to_thread(
                models.fetch, self.model, sha256=options.sha256, cache=options.cache, progress=self._progress
            )
        return self._file

    def _template(self, file: models.ModelFile) -> str | None:
        return self._chosen(file.template)

    def _chosen(self, default: str | None) -> str | None:
        chosen = self.options.template
        if chosen is None:
            return default
        if chosen == "own":
            return None
        path = Path(chosen).expanduser()
        if not path.is_file():
            raise DefinitionError(f"{self.name}: template={chosen}: there is no such file; `own` takes the model's own")
        return path.read_text("utf-8")

    async def _start(self) -> LlamaProcess:
        """The process, started if there is none or it has died."""
        async with self._starting:
            if self._process is not None and self._process.alive:
                return self._process
            if self._starts > MAX_RESTARTS:
                detail = self._process.log() if self._process else None
                message = f"llama.cpp has died {self._starts} times; it is not started again"
                raise Failure(Error(kind="provider", code="connection", message=message, detail=detail))
            await self._stop()
            file = await self._resolve()
            threads = self.options.threads
            if threads is None:
                threads = await asyncio.to_thread(default_threads)
            config = Config(
                path=str(file.path),
                name=file.path.name,
                template=self._template(file),
                context=self.options.context,
                slots=self.slots,
                threads=threads,
                gpu_layers=self.options.gpu_layers,
            )
            self._starts += 1
            self._process = await LlamaProcess(config).__aenter__()
            return self._process

    async def _serve(self) -> tuple[LlamaProcess, OpenAIProvider, ForcedScorer]:
        """The process and the clients of its server, which is started if it does not run."""
        process = await self._start()
        async with self._starting:
            if self._client is not None and self._forced is not None and process is self._process:
                return process, self._client, self._forced
            url = (await process.ask("serve")).url
            if url is None:
                raise Failure(Error(kind="provider", code="connection", message="llama.cpp gave no address"))
            options = OpenAIOptions(base_url=f"{url}/v1", loglikelihood="no")
            self._forced_transport = Transport(url, headers={}, concurrency=self.slots, timeout=600.0)
            await self._forced_transport.open()
            self._forced = ForcedScorer(self._forced_transport, self._first_token)
            self._client = await OpenAIProvider(self.model, options, concurrency=None).__aenter__()
            return process, self._client, self._forced

    async def _stop(self) -> None:
        client, self._client = self._client, None
        transport, self._forced_transport = self._forced_transport, None
        process, self._process = self._process, None
        self._forced = None
        try:
            if client is not None:
                await client.__aexit__(None, None, None)
            if transport is not None:
                await transport.close()
        finally:
            if process is not None:
                await process.__aexit__(None, None, None)


async def _through(process: LlamaProcess, answer: Awaitable[Output]) -> Output:
    """Wait for an answer of the process's server; where the connection broke, find out whether the process has died,
    so that the next request starts another."""
    try:
        return await answer
    except Failure as failure:
        if failure.error.code not in BROKEN:
            raise
        if await process.has_died():
            message = f"llama.cpp has died: {failure.error.message}"
            died = Error(kind="provider", code="connection", message=message, transient=True, detail=process.log())
            raise Failure(died) from failure
        raise


def default_threads() -> int:
    """How many threads compute: the cores the process may use, less one where there are more than two, less those that
    others keep busy at this moment (llama.cpp's threads wait for one another by spinning: one too many costs most of
    the speed); at least 1, at most 16.
    """
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores if cores <= 2 else cores - 1, cores - _busy(), 16))


def _busy(looks: int = 8, pause: float = 0.025) -> int:
    """How many threads of others want to run, as the median of a few looks; 0 where that cannot be seen."""
    seen = []
    for _ in range(looks):
        try:
            seen.append(int(Path("/proc/loadavg").read_text("ascii").split()[3].split("/")[0]) - 1)
        except (OSError, ValueError, IndexError):
            return 0
        time.sleep(pause)
    return sorted(seen)[looks // 2]


def _output(reply: Reply) -> Output:
    continuations = tuple(
        Continuation(logprob=logprob, num_tokens=tokens, unconditional_logprob=unconditional)
        for logprob, tokens, unconditional in reply.scores
    )
    usage = Usage(new=reply.computed, cached=reply.tokens - reply.computed, generated=0, calls=1)
    return Output(continuations=continuations, usage=usage)


def create(model: str, options: dict[str, Any], *, concurrency: int | None) -> LlamaCppProvider:
    """Make the provider. Raises `DefinitionError` for an unknown option."""
    return LlamaCppProvider(model, decode(options, LlamaCppOptions, f"llamacpp/{model}"), concurrency=concurrency)
