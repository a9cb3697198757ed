"""The page as files: everything it needs in `index.html`, traces beside it, or all in one file.

Nothing is fetched from anywhere, and the page's own policy forbids it: scripts run only with the digests written here.
What models, tasks and people wrote enters the page as compressed data, never as markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import shutil
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from weigh.records.errors import StoreError
from weigh.report.scripts import bundle

LIBRARIES = ("vega.min.js", "vega-lite.min.js", "vega-interpreter.js")
TRACES = "traces"
LIVE = {"index": "api/index", "events": "api/events", "trial": "api/trial/"}
_MINE = "weigh report: this folder was written by `weigh report` and may be replaced by it\n"
_MARKER = ".weigh-report"


@cache
def asset(name: str) -> str:
    """A file of the page."""
    return (files("weigh.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def application() -> str:
    """The page's scripts as one."""
    folder = files("weigh.report") / "assets" / "js"
    return bundle(
        {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if f.name.endswith(".js")}, "main.js"
    )


def pack(data: bytes, level: int = 6) -> str:
    """Compressed with gzip (readable by every browser), as text."""
    squeeze = zlib.compressobj(level, zlib.DEFLATED, 31)
    return base64.b64encode(squeeze.compress(data) + squeeze.flush()).decode()


def page(title: str, index: bytes = b"", chunks: Sequence[bytes] = (), *, live: bool = False) -> str:
    """The page with its data in it.

    Args:
        index: The payload; empty for a live page, which asks its server.
        chunks: Records of trials to embed.
        live: Whether a server stands behind it.
    """
    scripts = [application(), *(asset(f"vendor/{name}") for name in LIBRARIES)]
    embedded = "".join(
        f'<script type="text/plain" id="chunk-{i}">{pack(chunk)}</script>\n' for i, chunk in enumerate(chunks)
    )
    values = {
        "policy": policy(scripts, live=live),
        "title": html.escape(title),
        "style": asset("style.css"),
        "config": _inert(json.dumps({"live": LIVE} if live else {})),
        "charts": _inert(asset("charts.json")),
        "payload": pack(index) if index else "",
        "chunks": embedded,
        "app": scripts[0],
        "libraries": "\n".join(f"<script>{script}</script>" for script in scripts[1:]),
    }
    # Cut at the names and joined: no value is looked through for names of others.
    first, *rest = asset("page.html").split("{{")
    parts = [first]
    for piece in rest:
        name, _, text = piece.partition("}}")
        parts += [values[name], text]
    return "".join(parts)


def policy(scripts: Sequence[str], *, live: bool = False) -> str:
    """The content security policy: these scripts, traces from beside the page, no other address whatsoever."""
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    connect = "'self'" if live else "'none'"
    return (
        f"default-src 'none'; script-src 'self' file: {digests}; style-src 'unsafe-inline'; img-src data:; "
        f"media-src data:; connect-src {connect}; base-uri 'none'; form-action 'none'"
    )


def _inert(text: str) -> str:
    """JSON that cannot end the element it stands in."""
    return text.replace("<", "\\u003c")


def write_site(
    folder: Path, title: str, index: bytes, chunks: Sequence[bytes], *, single_file: bool = False
) -> list[Path]:
    """Write the page. Returns the files written, the page first.

    Raises:
        StoreError: The folder holds something else, or cannot be written.
    """
    try:
        _prepare(folder)
        target = folder / "index.html"
        target.write_text(page(title, index, chunks if single_file else ()), encoding="utf-8")
        written = [target]
        if chunks and not single_file:
            (folder / TRACES).mkdir()
            for number, chunk in enumerate(chunks):
                path = folder / TRACES / f"{number}.js"
                path.write_text(f'weighChunk({number},"{pack(chunk, 3)}")\n', encoding="ascii")
                written.append(path)
    except OSError as error:
        raise StoreError(f"cannot write the report to {folder}: {error.strerror or error}") from error
    return written


def _prepare(folder: Path) -> None:
    """An empty folder, or one that holds an earlier report, which is then replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    there = {p.name for p in folder.iterdir()}
    if there and _MARKER not in there:
        shown = ", ".join(sorted(there)[:3])
        raise StoreError(f"{folder} holds other files ({shown}); choose an empty folder with -o, or remove them")
    shutil.rmtree(folder / TRACES, ignore_errors=True)
    (folder / _MARKER).write_text(_MINE, encoding="utf-8")


def live_assets(title: str) -> dict[str, Any]:
    """The files of a page that a server stands behind, by name: (content type, bytes)."""
    return {"index.html": ("text/html", page(title, live=True).encode())}
