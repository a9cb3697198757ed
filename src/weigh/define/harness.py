"""A harness: how tasks are run: provider settings, scaffold, tools, sandbox, limits, helpers; never what is asked.

A harness is a frozen value made by preset, file (TOML, YAML), Python or `-o key=value`, all checked alike. Its identity
is what can change an answer; how fast and how stubbornly requests are sent is no part of it, and neither is the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from weigh.define.config_file import read_config
from weigh.define.decode import RawText, decode, replace
from weigh.define.spec import join_options, parse_options
from weigh.records.bounds import Count, Positive, Whole, check_bounds
from weigh.records.digest import digest
from weigh.records.errors import DefinitionError, suggest
from weigh.records.secrets import names_a_secret

SandboxMode = Literal["bubblewrap", "local", "container", "modal", "memory", "none"]
"""Where commands run; `weigh.execute.sandboxes.spec.Mode`, or nowhere."""

OPERATIONAL = frozenset(
    {
        "api_key_env", "base_url", "command", "concurrency", "cwd", "env", "extra_headers", "headers", "health_timeout",
        "host", "port", "proxy", "retries", "slots", "start_timeout", "threads", "timeout", "url", "workers",
    }
)  # fmt: skip
"""Provider and scaffold options that say how a model is reached, not what it is or is asked."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one trial may spend before it ends as an outcome; None is no limit.

    Attributes:
        turns: Answers of the model.
        tokens: New, cached and generated together.
        seconds: Wall time of the trial, its process tree included.
        tool_calls: Calls of tools.
        dollars: Where prices are known.
    """

    turns: Count | None = None
    tokens: Count | None = None
    seconds: Positive | None = None
    tool_calls: Count | None = None
    dollars: Positive | None = None

    def __post_init__(self) -> None:
        check_bounds(self)


class Harness(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How tasks are run.

    Attributes:
        name: For people and as the `harness` axis.
        provider: Options for the provider of the model, over those of the model's own spec.
        helpers: Helper models by role (`judge`, `grader`, `user`), as model specs; `judge-2`, `judge-3` are further
            members of a panel, `judge@TASK` is for one task.
        system_prompt: Put in front of every chat.
        scaffold: The loop that drives the model.
        scaffold_options: For it.
        tools: Names of tools the model may call.
        tool_options: For tools, by name: `search.endpoint`, `bash.seconds`.
        mcp: Servers whose tools the model may call too, by a name of one's own: `command` and `args`, or `url`.
        tool_choice: `auto`, `required`, `none` or a tool's name.
        sandbox: Where commands run: `none`, `local`, `bubblewrap`, `container`, `modal`; None leaves it to the machine.
        sandbox_options: For it: image, memory, network, ...
        limits: Of one trial.
        concurrency: Trials in flight; None leaves it to the provider.
        executors: Sandboxes at work at one time; None is the concurrency where the model works in one, else twice the
            cores.
        retries: How often a request that can pass is made again.
        record: Whether each trial keeps every request and answer as its artifact `calls.jsonl`, for `replay/`.
        required_secrets: Names of variables that must be set before anything runs.
    """

    name: str = "default"
    provider: dict[str, Any] = {}
    helpers: dict[str, str] = {}
    system_prompt: str = ""
    scaffold: str = "single_turn"
    scaffold_options: dict[str, Any] = {}
    tools: tuple[str, ...] = ()
    tool_options: dict[str, dict[str, Any]] = {}
    mcp: dict[str, dict[str, Any]] = {}
    tool_choice: str | None = None
    sandbox: SandboxMode | None = None
    sandbox_options: dict[str, Any] = {}
    limits: Limits = Limits()
    concurrency: Count | None = None
    executors: Count | None = None
    retries: Whole = 5
    record: bool = False
    required_secrets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_bounds(self)

    def identity(self) -> dict[str, Any]:
        """What can change an answer, in plain values; empty for the default harness.

        Left out: its name, helpers that only judge, whatever is operational, and the sandbox of a harness whose
        model runs nothing (there it only serves scoring).
        """
        acts = self.scaffold != "single_turn" or bool(self.tools) or bool(self.mcp)
        shaping = Harness(
            provider=shaping_options(self.provider),
            helpers={role: spec for role, spec in self.helpers.items() if not is_judging(role)},
            system_prompt=self.system_prompt,
            scaffold=self.scaffold,
            scaffold_options=shaping_options(self.scaffold_options),
            tools=self.tools,
            tool_options={name: shaping_options(options) for name, options in self.tool_options.items()},
            mcp={name: shaping_options(options) for name, options in self.mcp.items()},
            tool_choice=self.tool_choice,
            sandbox=self.sandbox if acts else None,
            sandbox_options=self.sandbox_options if acts else {},
            limits=self.limits,
        )
        plain: dict[str, Any] = msgspec.to_builtins(shaping)
        return {key: value for key, value in plain.items() if value not in ({}, [], ())}

    def identity_digest(self) -> str:
        """Digest of `identity`."""
        return digest(self.identity())

    def public(self) -> dict[str, Any]:
        """The whole configuration in plain values for a run's manifest, secrets replaced."""
        plain: dict[str, Any] = _masked(msgspec.to_builtins(self))
        return {"name": self.name, **plain}


def _masked(value: Any, key: str = "") -> Any:
    """The value with everything under a key that names a secret replaced."""
    if isinstance(value, Mapping):
        return {name: _masked(inner, str(name)) for name, inner in value.items()}
    return "***" if isinstance(value, str) and names_a_secret(key) else value


JUDGING_ROLES = frozenset({"judge", "grader"})
"""Helpers that look at an answer when it is there; they are part of a score's identity, not of the answer's."""


def base_role(role: str) -> str:
    """What is asked: `judge` of `judge`, `judge-2` and `judge@TASK`."""
    return re.sub(r"-\d+$", "", role.partition("@")[0])


def is_judging(role: str) -> bool:
    """Whether a helper only judges: `judge`, `judge-2`, `judge@TASK`, and the same of the other judging roles."""
    return base_role(role) in JUDGING_ROLES


def shaping_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without the operational ones."""
    return {key: value for key, value in options.items() if key not in OPERATIONAL}


def _agent(name: str) -> Harness:
    """A command-line agent in a sandbox of its own."""
    return Harness(
        name=name,
        scaffold=name,
        sandbox="bubblewrap",
        # JavaScript engines reserve much and use some hundred megabytes; they start a thread a core and some.
        sandbox_options={"memory_mb": 2048, "pids": 256, "disk_mb": 1024, "files": 50_000},
        limits=Limits(turns=50, tool_calls=150, seconds=1800.0),
    )


PRESETS: dict[str, Harness] = {
    "default": Harness(),
    "tools": Harness(
        name="tools",
        scaffold="tool_loop",
        tools=("python",),
        system_prompt="You have a tool that runs Python. Use it for every calculation, never calculate in your head. "
        "When you have the result, answer in plain words.",
        limits=Limits(turns=12, tool_calls=24, seconds=600.0),
    ),
    "coder": Harness(
        name="coder",
        scaffold="tool_loop",
        tools=("bash", "read", "write", "edit", "submit"),
        system_prompt="You are in a folder with a shell and tools for files. Look, change what is needed, run what "
        "shows that it works, and call submit with a short account when it is done.",
        limits=Limits(turns=50, tool_calls=150, seconds=1800.0),
    ),
    "search_agent": Harness(
        name="search_agent",
        scaffold="tool_loop",
        tools=("search", "fetch"),
        system_prompt="Find the answer on the web: search, read the pages that may have it, and answer from what they "
        "say.",
        limits=Limits(turns=20, tool_calls=60, seconds=900.0),
    ),
    **{name: _agent(name) for name in ("pi", "opencode", "qwen_code", "mini_swe_agent")},
}
"""Harnesses by name; `register_harness` adds to them."""


def register_harness(harness: Harness) -> Harness:
    """Register a harness under its own name.

    Raises:
        DefinitionError: Another harness has the name.
    """
    if PRESETS.get(harness.name, harness) != harness:
        raise DefinitionError(f"harness {harness.name!r} is already registered; choose another name")
    PRESETS[harness.name] = harness
    return harness


def load_harness(ref: str | Path, overrides: Iterable[str] = ()) -> Harness:
    """The harness of a preset's name or a file (TOML, YAML or JSON), with overrides applied.

    A file may say `extends = "NAME"` to begin from a preset.

    Raises:
        DefinitionError: The name is unknown, or something in the file or an override is wrong.
    """
    text = str(ref)
    if text in PRESETS:
        harness = PRESETS[text]
    elif Path(text).suffix in (".toml", ".yaml", ".yml", ".json"):
        values = read_config(Path(text))
        base = values.pop("extends", "default")
        if base not in PRESETS:
            raise DefinitionError(f"{text}: extends: unknown harness {base!r}{suggest(str(base), PRESETS)}")
        harness = merge_harness(PRESETS[base], {"name": Path(text).stem, **values}, text)
    else:
        hint = suggest(text, PRESETS) or "; known: " + ", ".join(PRESETS)
        raise DefinitionError(f"unknown harness {text!r}{hint} (or a .toml or .yaml file)")
    return apply_overrides(harness, overrides)


def merge_harness(base: Harness, values: Mapping[str, Any], where: str) -> Harness:
    """A harness over another: what `values` says counts, nested tables are merged key by key."""
    decode(values, Harness, where)
    return decode(_merge(msgspec.to_builtins(base), values), Harness, where)


def apply_overrides(harness: Harness, overrides: Iterable[str]) -> Harness:
    """A harness with `key=value` changes; keys may be paths: `limits.seconds=60`, `provider.dtype=float32`.

    A harness that was changed in what can change an answer says so in its name: `default+limits.turns=3`.
    """
    changed = harness
    shown: dict[str, str] = {}
    for text in overrides:
        for key, value in parse_options(text, "-o").items():
            before = changed.identity_digest()
            changed = replace(changed, {key: RawText(value)}, "-o")
            if changed.identity_digest() != before:
                shown[key] = value
    if shown and changed.name == harness.name:
        changed = msgspec.structs.replace(changed, name=f"{harness.name}+{join_options(shown)}")
    return changed


def _merge(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in values.items():
        inner = merged.get(key)
        merged[key] = _merge(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged
