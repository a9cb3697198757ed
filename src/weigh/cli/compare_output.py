"""A comparison for machines: JSON with everything that is known, CSV with one line a row of the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from weigh.cli.compare_rows import FIELDS, flat_rows
from weigh.cli.flags import UsageError
from weigh.cli.table import Column, render
from weigh.cli.terminal import say
from weigh.pipeline.compare import Report
from weigh.pipeline.conclusion import conclude


def as_csv(report: Report) -> str:
    """The flat rows."""
    return render([Column(field, field) for field in FIELDS], flat_rows(report), "csv")


def as_json(report: Report) -> str:
    """The flat rows under `table`, the whole comparison under `details`, and the conclusion."""
    return dumps(report_data(report))


def report_data(report: Report) -> dict[str, Any]:
    """As plain values."""
    return {
        "a": report.a,
        "b": report.b,
        "arms_a": report.arms_a,
        "arms_b": report.arms_b,
        "conclusion": conclude(report),
        "table": flat_rows(report),
        "details": report,
    }


def dumps(value: Any) -> str:
    """JSON of structs, numpy numbers included."""
    plain = msgspec.to_builtins(value, enc_hook=_plain, str_keys=True)
    return json.dumps(plain, indent=1, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


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
