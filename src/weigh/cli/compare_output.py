"""A comparison for machines: JSON with everything that is known, CSV with one line a row of the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from weigh.cli.flags import UsageError
from weigh.cli.table import Column, Format, render
from weigh.cli.terminal import say
from weigh.records.plain import plain


def formatted(
    report: Any,
    format: Format,
    flat: Callable[[Any], list[dict[str, Any]]],
    text: Callable[[Any, Format], str],
    **more: Any,
) -> str:
    """A comparison in the form asked for: `flat` gives the rows of the CSV, `text` what people read.

    JSON has those rows under `table`, the whole comparison under `details`, and `more`.
    """
    if format == "json":
        return dumps({**more, "table": flat(report), "details": report})
    if format == "csv":
        rows = flat(report)
        return render([Column(field, field) for field in (rows[0] if rows else ("task",))], rows, "csv")
    return text(report, format)


def dumps(value: Any) -> str:
    """JSON of structs, numpy numbers included."""
    builtins = msgspec.to_builtins(value, enc_hook=plain, str_keys=True)
    return json.dumps(builtins, indent=1, ensure_ascii=False)


def write(text: str, target: str | None) -> None:
    """To a file, or to stdout."""
    if target is None:
        print(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    say(f"written to {target}")
