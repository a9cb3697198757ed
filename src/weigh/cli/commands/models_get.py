"""`weigh models get`: download a known model and prove by its digest that it is the right one."""

from __future__ import annotations

import argparse
import sys
import time

from weigh.cli.terminal import is_live, say, size
from weigh.execute.models import fetch
from weigh.execute.models_catalogue import Progress

HELP = """Download models by name (weigh ls models), or a GGUF file by URL. Sources are tried in order; the pinned
SHA-256 decides whether the bytes are right. A download that was cut off goes on where it stopped."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="+", help="a known model's name, or the URL of a GGUF file")
    parser.add_argument("--sha256", metavar="HEX", help="the digest that the file of a URL must have")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


class Download:
    """Shows the progress of one download: a line redrawn in place, or one line a stage."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._message = ""
        self._next = 0.0
        self._drawn = False

    def __call__(self, news: Progress) -> None:
        if self.quiet:
            return
        now = time.monotonic()
        if news.message != self._message:
            self._message = news.message
            self.clear()
            say(f"{news.model}: {news.message}")
        elif is_live() and now >= self._next:
            self._next = now + 0.2
            share = f" of {size(news.total)} ({100 * news.done / news.total:.0f} %)" if news.total else ""
            sys.stderr.write(f"\r\x1b[K  {size(news.done)}{share}")
            sys.stderr.flush()
            self._drawn = True

    def clear(self) -> None:
        """Remove the line that is redrawn."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            self._drawn = False


def run(args: argparse.Namespace) -> int:
    for name in args.name:
        report = Download(quiet=args.quiet)
        file = fetch(name, sha256=args.sha256, progress=report)
        report.clear()
        how = "already here" if file.source in ("cache", "path") else f"from {file.source}"
        print(f"{file.name}  {size(file.size)}  sha256 {file.sha256[:16]}...  {how}  {file.path}")
    return 0
