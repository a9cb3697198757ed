"""Fills docs/study-example.md from a store: the console blocks under `<!-- pasted -->` are run there and pasted.

    python docs/paste_study.py FOLDER     a folder with the store `weigh-store` and the study files

They are not checked by `make check`, since an hour of a small machine is behind them; this is how they are renewed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent / "study-example.md"
BLOCK = re.compile(r"(<!-- pasted -->\n```console\n)\$ (?P<command>[^\n]+)\n.*?(```\n)", re.DOTALL)


def pasted(found: re.Match[str], folder: Path) -> str:
    """A block with what its command prints now."""
    env = os.environ | {"NO_COLOR": "1", "COLUMNS": "170", "TERM": "dumb"}
    done = subprocess.run(
        ["bash", "-c", found["command"]], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    # The home folder of whoever ran it is nobody's business.
    text = done.stdout.replace(str(Path.home()), "~").rstrip()
    text = "\n".join(line.rstrip() for line in text.splitlines())
    return f"{found[1]}$ {found['command']}\n{text}\n{found[3]}"


if __name__ == "__main__":
    PAGE.write_text(BLOCK.sub(lambda found: pasted(found, Path(sys.argv[1])), PAGE.read_text("utf-8")), "utf-8")
