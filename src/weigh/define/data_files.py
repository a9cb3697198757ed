"""Which files of a folder hold a split and a subset, told from their names as people lay such folders out.

`test.jsonl`, `test/part-1.parquet`, `ARC-Easy/test-00000-of-00001.parquet`, `dev/virology_dev.csv`,
`virology/test.csv`: a split or a subset is a folder's name, or a whole name, or what a name begins or ends with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from weigh.records.errors import DataError, suggest

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
"""File endings that hold rows."""

_SHARD = re.compile(r"[-_.]\d+(?:-of-\d+)?$")
_ALIASES = {"validation": ("val", "valid", "dev"), "val": ("validation", "valid"), "dev": ("validation", "val")}


def format_of(name: str) -> str | None:
    """The format a file's name tells, compression aside; None when it tells none."""
    path = PurePosixPath(name.removesuffix(".gz"))
    return FORMATS.get(path.suffix.lower())


def select_files(names: Sequence[str], split: str | None, subset: str | None, where: str) -> list[str]:
    """The files (paths relative to the folder, `/` between) that hold a split and a subset.

    Raises:
        DataError: None does, with the names there are.
    """
    data = [n for n in sorted(names) if format_of(n) and not any(p.startswith(".") for p in n.split("/"))]
    if not data:
        raise DataError(f"data {where!r}: no file of rows in it ({', '.join(sorted(set(FORMATS)))})")
    chosen = data
    if subset:
        chosen = [n for n in chosen if _matches(n, subset, split)]
        if not chosen:
            known = sorted({w for n in data for w in _words(n)})
            hint = f"{suggest(subset, known) or _list(data)} (subset=null takes all)"
            raise DataError(f"data {where!r}: no files for subset {subset!r}{hint}")
    if split:
        for name in (split, *_ALIASES.get(split, ())):
            with_split = [n for n in chosen if _matches(n, name, subset)]
            if with_split:
                return with_split
        raise DataError(f"data {where!r}: no files for split {split!r}{_list(chosen)}")
    return chosen


def _words(name: str) -> list[str]:
    """The folders of a file, and its bare name without ending and shard number."""
    *folders, last = name.removesuffix(".gz").split("/")
    stem = PurePosixPath(last).stem
    return [*folders, _SHARD.sub("", stem) or stem, stem]


def _matches(name: str, wanted: str, other: str | None) -> bool:
    """Whether a file's name names `wanted`: a folder, the whole name, or the name beside what `other` takes up."""
    words = _words(name)
    if wanted in words:
        return True
    stem = words[-2]
    others = {other, *_ALIASES.get(other, ())} if other else {"train", "test", "dev", "val", "validation"}
    if any(stem in (f"{wanted}{sep}{o}", f"{o}{sep}{wanted}") for o in others for sep in "-_."):
        return True
    if other is not None and other not in words:
        return False
    # With nothing else to go by, a split may stand at either end of a name: `gsm8k_test.jsonl`, `train_500.jsonl`.
    return wanted in _ENDS and re.match(rf"{re.escape(wanted)}[-_.]|.*[-_.]{re.escape(wanted)}$", stem) is not None


_ENDS = {"train", "test", "dev", "val", "valid", "validation", "auxiliary_train"}


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"; files: {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")
