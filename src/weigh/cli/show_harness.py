"""A harness for people: what it sets, what the model may call, and what of it does not work here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from weigh.cli.terminal import bold, is_colour
from weigh.define.harness import Harness, load_harness
from weigh.pipeline.acting import Acting, find_acting
from weigh.pipeline.request import Setting


def show_harness(ref: str, overrides: Sequence[str], *, as_json: bool) -> int:
    """Print a harness; exit code 1 where something of it does not work here."""
    harness = load_harness(ref, overrides)
    acting, problems = asyncio.run(find_acting(Setting(harness=harness)))
    if as_json:
        tools = msgspec.to_builtins(acting.tools.specs)
        print(json.dumps({**harness.public(), "digest": harness.identity_digest(), "offered": tools,
                          "problems": problems}, indent=1, ensure_ascii=False))  # fmt: skip
    else:
        print("\n".join(lines(harness, acting, problems)))
    return 1 if problems else 0


def lines(harness: Harness, acting: Acting, problems: Sequence[str]) -> Iterator[str]:
    """A harness as text."""
    yield bold(harness.name) if is_colour() else harness.name
    settings: dict[str, Any] = {"scaffold": harness.scaffold, **harness.public()}
    for key, value in settings.items():
        if key not in ("name", "tools"):
            yield f"  {key:<14} {text(value)}"
    if acting.sandbox is not None:
        yield f"  {'each trial':<14} has a {acting.sandbox.mode} sandbox of its own"
    for tool in acting.tools.tools.values():
        needs = f"  (needs {', '.join(sorted(tool.needs))})" if tool.needs else ""
        yield f"  tool {tool.name}{needs}"
        yield f"    {tool.description.splitlines()[0]}"
        required = tool.signature.parameters.get("required", ())
        for name, schema in tool.signature.parameters.get("properties", {}).items():
            kind = schema.get("type") or (
                "one of " + ", ".join(map(repr, schema["enum"])) if "enum" in schema else "any"
            )
            default = "" if name in required else f" = {json.dumps(schema.get('default'))}"
            told = schema.get("description", "")
            yield f"    {name}: {kind}{default}" + (f"  {told}" if told else "")
    yield f"  {'digest':<14} {harness.identity_digest()}"
    for problem in problems:
        yield f"  problem        {problem}"


def text(value: Any) -> str:
    """A setting: text as it is, tables as `key=value`."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={text(inner)}" for key, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value)
