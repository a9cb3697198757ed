"""Makes the pictures and sounds the tasks are about, always the same: `python make_inputs.py [FOLDER]`.

`spoken.wav` is not made here: it is "one two three four five" as `espeak-ng -v en-us -s 130` says it, at 16 kHz.
"""

from __future__ import annotations

import struct
import sys
import wave
import zlib
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16_000
WHITE, RED, BLUE, YELLOW = (255, 255, 255), (214, 30, 30), (40, 70, 200), (250, 205, 40)


def make_inputs(folder: Path) -> None:
    """Write all of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:224, 0:224]
    circle = (x - 112) ** 2 + (y - 112) ** 2 < 70**2
    _png(folder / "circle.png", _paint([(circle, RED)]))
    square = (abs(x - 112) < 65) & (abs(y - 112) < 65)
    _png(folder / "square.png", _paint([(square, BLUE)]))
    octagon = (abs(x - 112) < 80) & (abs(y - 90) < 80) & (abs(x - 112) + abs(y - 90) < 113)
    rim = (abs(x - 112) < 86) & (abs(y - 90) < 86) & (abs(x - 112) + abs(y - 90) < 121)
    bar = (abs(x - 112) < 55) & (abs(y - 90) < 14)
    pole = (abs(x - 112) < 5) & (y > 90)
    _png(folder / "sign.png", _paint([(pole, (120, 120, 120)), (rim, WHITE), (octagon, RED), (bar, WHITE)], YELLOW))

    seconds = np.arange(2 * RATE) / RATE
    _wav(folder / "tone.wav", 0.5 * np.sin(2 * np.pi * 440 * seconds))
    _wav(folder / "noise.wav", np.random.default_rng(7).uniform(-0.4, 0.4, len(seconds)))


def _paint(layers: list[tuple[Any, tuple[int, int, int]]], ground: tuple[int, int, int] = WHITE) -> Any:
    picture = np.full((224, 224, 3), ground, dtype=np.uint8)
    for mask, colour in layers:
        picture[mask] = colour
    return picture


def _png(file: Path, picture: Any) -> None:
    height, width, _ = picture.shape
    lines = b"".join(b"\0" + row.tobytes() for row in picture)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _wav(file: Path, sound: Any) -> None:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((sound * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    make_inputs(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "inputs")
