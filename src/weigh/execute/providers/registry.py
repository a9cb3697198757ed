"""Finding a provider by name, without importing any that is not asked for.

An adapter is a module with one function, `create(model, options, *, concurrency)`. The built-in ones are listed here; a
package can add its own through the entry-point group `weigh.providers`, naming such a function.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Collection, Mapping
from typing import Any, Protocol, cast

import msgspec

from weigh.protocols import Capability, Provider
from weigh.records.errors import CapabilityError, DefinitionError, suggest

GROUP = "weigh.providers"


class Create(Protocol):
    """What an adapter module offers."""

    def __call__(self, model: str, options: dict[str, Any], *, concurrency: int | None) -> Provider: ...


class ModelLike(Protocol):
    """What `open_provider` needs of a model spec (`weigh.define.spec.ModelSpec` is one)."""

    @property
    def provider(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def options(self) -> Mapping[str, Any]: ...


class ProviderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as `weigh ls providers` shows it.

    Attributes:
        name: What stands before the slash in `-m`.
        summary: One line.
        example: A model spec that can be typed.
        available: Whether what it needs was found; nothing heavy is imported to find out.
        missing: What was not found and how to get it.
    """

    name: str
    summary: str
    example: str
    available: bool = True
    missing: str | None = None


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    module: str
    summary: str
    example: str
    packages: tuple[str, ...] = ()
    extra: str | None = None


_BUILT_IN: dict[str, _Entry] = {
    "openai": _Entry(
        module="weigh.execute.providers.openai",
        summary="any OpenAI-compatible server (OPENAI_API_KEY, OPENAI_BASE_URL)",
        example="openai/gpt-4o-mini",
    ),
    "server": _Entry(
        module="weigh.execute.providers.server",
        summary="starts a server's command, waits until it is healthy, uses it as openai, and stops it",
        example='"server/Qwen/Qwen3-0.6B::command=vllm serve {model} --port {port}"',
    ),
    "llamacpp": _Entry(
        module="weigh.execute.providers.llamacpp",
        summary="llama.cpp on a GGUF file, a known model's name or a URL",
        example="llamacpp/smollm2-135m-instruct",
        packages=("xllamacpp",),
        extra="llamacpp",
    ),
    "transformers": _Entry(
        module="weigh.execute.providers.transformers",
        summary="a folder, hub id or GGUF file with transformers, in process",
        example="transformers/HuggingFaceTB/SmolLM2-135M-Instruct",
        packages=("transformers", "torch"),
        extra="transformers",
    ),
    "litellm": _Entry(
        module="weigh.execute.providers.litellm",
        summary="whatever litellm knows",
        example="litellm/anthropic/claude-sonnet-4-5",
        packages=("litellm",),
        extra="litellm",
    ),
    "scripted": _Entry(
        module="weigh.execute.providers.scripted",
        summary="answers from a script or a function, with latency, failures and rate limits on request",
        example="scripted/echo",
    ),
    "replay": _Entry(
        module="weigh.execute.providers.replay",
        summary="answers out of recordings of an earlier run (-o record=true) or of the gateway",
        example="replay/calls.jsonl",
    ),
}


def open_provider(
    spec: ModelLike, *, concurrency: int | None = None, options: Mapping[str, Any] | None = None
) -> Provider:
    """Make the provider of a model; entering it starts it.

    Args:
        spec: `provider`, `name` and `options` of the model; its options win over `options`.
        concurrency: How many requests the harness will have in flight.
        options: The harness's provider options.

    Raises:
        DefinitionError: No such provider, or an option it does not have.
        CapabilityError: What the provider needs is not installed or not set.
    """
    create = _find(spec.provider)
    return create(spec.name, {**(options or {}), **spec.options}, concurrency=concurrency)


def provider_names() -> list[str]:
    """Every provider's name, built-in ones first."""
    return [*_BUILT_IN, *(e.name for e in importlib.metadata.entry_points(group=GROUP) if e.name not in _BUILT_IN)]


def list_providers() -> list[ProviderInfo]:
    """Every provider, with what is missing to use it."""
    found = []
    for name, entry in _BUILT_IN.items():
        missing = _missing(entry)
        if name == "openai" and missing is None and not os.environ.get("OPENAI_API_KEY"):
            missing = None if os.environ.get("OPENAI_BASE_URL") else "OPENAI_API_KEY or OPENAI_BASE_URL is not set"
        found.append(
            ProviderInfo(
                name=name, summary=entry.summary, example=entry.example, available=missing is None, missing=missing
            )
        )
    found += [
        ProviderInfo(name=e.name, summary=f"from {e.value}", example=f"{e.name}/MODEL")
        for e in importlib.metadata.entry_points(group=GROUP)
        if e.name not in _BUILT_IN
    ]
    return found


async def require_capabilities(provider: Provider, needed: Collection[Capability], what: str) -> None:
    """Refuse before the first request what the (entered) provider cannot do.

    A provider whose abilities depend on the server has a method `probe(capability)` that finds out with one small
    request; it is asked only for what is needed.

    Raises:
        CapabilityError: Naming `what` (a task spec) and the ability that is missing.
    """
    for capability in needed:
        if capability in provider.capabilities:
            continue
        probe = getattr(provider, "probe", None)
        reason = "" if probe is None else await probe(capability)
        if probe is not None and reason is None:
            continue
        raise CapabilityError(
            f"{what} needs {capability}, which {provider.name} cannot do" + (f": {reason}" if reason else "")
        )


def _missing(entry: _Entry) -> str | None:
    lacking = [p for p in entry.packages if importlib.util.find_spec(p) is None]
    if not lacking:
        return None
    return f"{', '.join(lacking)} not installed: pip install 'weigh[{entry.extra}]'"


def _find(name: str) -> Create:
    entry = _BUILT_IN.get(name)
    if entry is not None:
        missing = _missing(entry)
        if missing:
            raise CapabilityError(f"provider '{name}': {missing}")
        return cast(Create, importlib.import_module(entry.module).create)
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.name == name:
            return cast(Create, point.load())
    raise DefinitionError(
        f"there is no provider '{name}'{suggest(name, provider_names())} (`weigh ls providers` lists them)"
    )
