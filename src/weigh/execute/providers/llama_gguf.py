"""The header of a GGUF file: its key-value pairs, without the tensors (GGUF specification, version 2 and 3)."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

from weigh.records.errors import DataError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


def read_header(path: Path) -> dict[str, Any]:
    """Scalars and strings of the header by key; arrays are left out.

    Raises:
        DataError: The file is no GGUF file, or is cut off within its header.
    """
    if path.stat().st_size < 24:
        raise DataError(f"{path} is no GGUF file: it is too short")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != b"GGUF":
            raise DataError(f"{path} is no GGUF file: it begins with {bytes(data[:4])!r}")
        try:
            return _Reader(data).pairs()
        except (struct.error, KeyError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: the header cannot be read ({error}); the file may be cut off") from error


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 8

    def pairs(self) -> dict[str, Any]:
        _tensors, count = self._take("Q"), self._take("Q")
        found: dict[str, Any] = {}
        for _ in range(count):
            key, kind = self._text(), self._take("I")
            if kind == _ARRAY:
                self._skip_array()
            else:
                found[key] = self._text() if kind == _STRING else self._take(_SCALARS[kind])
        return found

    def _take(self, code: str) -> Any:
        (value,) = struct.unpack_from("<" + code, self._data, self._at)
        self._at += struct.calcsize("<" + code)
        return value

    def _text(self) -> str:
        size = self._take("Q")
        text = bytes(self._data[self._at : self._at + size]).decode()
        self._at += size
        return text

    def _skip_array(self) -> None:
        kind, count = self._take("I"), self._take("Q")
        if kind == _STRING:
            for _ in range(count):
                size = self._take("Q")
                self._at += size
        elif kind == _ARRAY:
            for _ in range(count):
                self._skip_array()
        else:
            self._at += count * struct.calcsize("<" + _SCALARS[kind])
