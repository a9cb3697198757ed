"""Run the console blocks of the docs and compare what they print with the page, or with `--write` mend the page.

A block is run when a comment stands right above its fence:

    <!-- check: run -->                 deterministic (scripted models): verified by `make check`
    <!-- check: models 2026-11-05 -->   real models: run by `make docs-models` only, which also renews the date
    <!-- check: file my_bench.py -->    not run: the block's text is written to that file for the commands that follow

The blocks of one page run in order in one empty folder (those of README in the project's root). Times, rates, ids and
column widths are left out of the comparison.
"""

from __future__ import annotations

import argparse
import datetime
import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"<!-- check: (?P<kind>run|models|file)(?: (?P<what>\S+))? -->\n"
    r"(?P<fence>```+)(?P<language>\w*)\n(?P<body>.*?)(?P=fence)\n",
    re.DOTALL,
)
VARYING = (
    # A rate is only shown for what takes long enough.
    (re.compile(r" +\d+(\.\d+)?/s\b|  \S+( s)? left\b"), ""),
    (re.compile(r"\d+(\.\d+)?( \[\d+(\.\d+)?-\d+(\.\d+)?\])?( s\b| ms\b)|\d+m \d\ds|\d+h \d\dm"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?"), "WHEN"),
    (re.compile(r"\b(?=[a-z2-7]*\d)[a-z2-7]{12,26}\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,64}\b"), "ID"),
    (re.compile(r"[^\s'\"]*/tmp\w*/[^\s/'\"]+"), "FOLDER"),
    # A revision may lie in the cache from before.
    (re.compile(r"\((installed|not built yet)\)"), "(STATE)"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r"-{2,}"), "--"),
)


def normal(text: str) -> list[str]:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def shown(page: Path) -> str:
    """A page's path for people."""
    return str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else str(page)


def commands(body: str) -> list[str]:
    """The commands of a block: lines after `$ `, continued while they end in a backslash."""
    found: list[str] = []
    lines = iter(body.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines)
            found.append(command)
    return found


def play(body: str, folder: Path) -> str:
    """Run a block's commands and return the block as it should be."""
    foreign = ("FORCE_COLOR", "CLICOLOR_FORCE", "LANGUAGE")  # a user's own: other colours, another language
    keep = {k: v for k, v in os.environ.items() if k == "WEIGH_CACHE" or not k.startswith(("WEIGH_", *foreign))}
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    env = keep | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    parts = []
    for command in commands(body):
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=900, check=False,
        )  # fmt: skip
        parts.append(f"$ {command}\n{done.stdout.rstrip()}".rstrip() + "\n")
    return "\n".join(parts)


def check_page(page: Path, *, models: bool, write: bool) -> bool:
    """Run one page. Returns whether it says the truth (now)."""
    text = page.read_text(encoding="utf-8")
    if "<!-- check: " not in text:
        return True
    right = True
    with tempfile.TemporaryDirectory(prefix="weigh-docs-") as temporary:
        folder = ROOT if page.name == "README.md" else Path(temporary)
        result, position = [], 0
        for block in BLOCK.finditer(text):
            kind, body = block["kind"], block["body"]
            if kind == "file":
                if folder != ROOT:
                    target = folder / block["what"]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(body, encoding="utf-8")
                continue
            if (kind == "models") != models and not (models and folder != ROOT):
                continue
            actual = play(body, folder)
            if normal(actual) == normal(body):
                continue
            if kind == "models" or write:
                what = f"models {datetime.date.today().isoformat()}" if kind == "models" else "run"
                fence = f"{block['fence']}{block['language']}"
                result += [
                    text[position : block.start()],
                    f"<!-- check: {what} -->\n{fence}\n{actual}{block['fence']}\n",
                ]
                position = block.end()
                continue
            right = False
            print(f"{shown(page)}: a block prints something else than the page says (make docs mends it):")
            print("\n".join(difflib.unified_diff(normal(body), normal(actual), "the page", "now", lineterm="", n=1)))
        if write and result:
            page.write_text("".join([*result, text[position:]]), encoding="utf-8")
            print(f"{shown(page)}: mended")
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--write", action="store_true", help="mend the pages")
    parser.add_argument("--models", action="store_true", help="run the blocks that need real models (writes them)")
    args = parser.parse_args()
    pages = [p.resolve() for p in args.pages] or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    results = [check_page(p, models=args.models, write=args.write or args.models) for p in pages]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
