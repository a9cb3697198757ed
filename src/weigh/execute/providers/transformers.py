"""A transformers model in this process: `transformers/FOLDER`, `transformers/HUB_ID`, `transformers/FILE.gguf`.

Requests that arrive while the model computes are answered together when it is free; it runs in one thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from weigh.define.decode import decode
from weigh.execute.providers.transformers_engine import Answer, Engine
from weigh.execute.providers.transformers_load import Weights, load, resolve
from weigh.protocols import Capability
from weigh.records.bounds import Count
from weigh.records.digest import digest_bytes
from weigh.records.errors import Error, Failure
from weigh.records.request import ChatRequest, Output, Request


class TransformersOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `transformers/MODEL::key=value,...`.

    Attributes:
        device: `cpu`, `cuda`, `mps`; by default a GPU if there is one.
        dtype: `float32`, `bfloat16`, `float16`; by default float32 on a CPU (bfloat16 moves a log-probability by up to
            0.4 nats there) and bfloat16 on a GPU.
        batch_size: Prompts generated for at once.
        revision: Of a hub id.
        cache: The folder of model files.
    """

    device: str | None = None
    dtype: str | None = None
    batch_size: Count = 8
    revision: str | None = None
    cache: str | None = None


class TransformersProvider:
    """One model in one thread."""

    def __init__(self, model: str, options: TransformersOptions | None = None) -> None:
        self.name = f"transformers/{model}"
        self.model = model
        self.options = options or TransformersOptions()
        self.capabilities: frozenset[Capability] = frozenset({"completion", "loglikelihood"})
        self.learns: frozenset[Capability] = frozenset({"chat"})  # the tokenizer says, once it is loaded
        self.concurrency: int | None = 2 * self.options.batch_size
        self._weights: Weights | None = None
        self._engine: Engine | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transformers")
        self._waiting: list[tuple[Request, asyncio.Future[Output]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> TransformersProvider:
        weights = await self._resolve()
        device, dtype = self._place()
        model, tokenizer = await self._run(lambda: load(weights, device=device, dtype=dtype, cache=self.options.cache))
        self._engine = Engine(model, tokenizer, batch_size=self.options.batch_size)
        if tokenizer.chat_template:
            self.capabilities |= {"chat"}
        return self

    async def __aexit__(self, *exc: object) -> None:
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)
        self._engine = None
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def identity(self) -> dict[str, Any]:
        """Digest of the weights (or the hub's commit), dtype, and a chat template's that is not the model's own."""
        weights = await self._resolve()
        found: dict[str, Any] = {"provider": "transformers", "dtype": self._place()[1], **weights.identity}
        if weights.template:
            found["template"] = digest_bytes(weights.template.encode())
        return found

    async def respond(self, request: Request) -> Output:
        """Answer one request. Raises `Failure`."""
        if self._engine is None:
            raise RuntimeError("the provider was used before it was entered")
        if isinstance(request, ChatRequest) and ("chat" not in self.capabilities or request.tools):
            what = "tool calls" if request.tools else "chat: the model has no chat template"
            raise Failure(Error(kind="provider", code="capability", message=f"{self.name} cannot do {what}"))
        future: asyncio.Future[Output] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        """Answer what is waiting, as one batch after the other, until nothing is."""
        await asyncio.sleep(0)  # let those who ask at the same moment ask first
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            batch = [(request, future) for request, future in batch if not future.done()]
            engine = self._engine
            if engine is None:
                return
            futures = [future for _, future in batch]

            def deliver(i: int, answer: Answer, futures: list[asyncio.Future[Output]] = futures) -> None:
                loop.call_soon_threadsafe(_settle, futures[i], answer)

            try:
                await self._run(lambda engine=engine, batch=batch, deliver=deliver: engine.answer(  # type: ignore[misc]
                    [request for request, _ in batch], deliver
                ))  # fmt: skip
            except (RuntimeError, ValueError, IndexError) as error:  # what torch raises, running out of memory included
                failure = Failure(Error(kind="provider", code="engine", message=f"{type(error).__name__}: {error}"))
                for future in futures:
                    loop.call_soon(_settle, future, failure)

    async def _resolve(self) -> Weights:
        if self._weights is None:
            options = self.options
            self._weights = await asyncio.to_thread(resolve, self.model, revision=options.revision, cache=options.cache)
        return self._weights

    def _place(self) -> tuple[str, str]:
        import torch

        device = self.options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        return device, self.options.dtype or ("float32" if device == "cpu" else "bfloat16")

    async def _run(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _settle(future: asyncio.Future[Output], answer: Answer) -> None:
    if future.done():
        return
    if isinstance(answer, Failure):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def create(model: str, options: dict[str, Any], *, concurrency: int | None) -> TransformersProvider:
    """Make the provider. Raises `DefinitionError` for an unknown option."""
    return TransformersProvider(model, decode(options, TransformersOptions, f"transformers/{model}"))
