"""How long commands take to start: `python perf/startup.py [--repeats 7]`. Prints a Markdown table.

Each is run several times and the fastest time counts, since anything slower is something else on the machine. Peers are
measured where they are installed on the PATH.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHON = sys.executable
WEIGH = str(Path(PYTHON).parent / "weigh")
ROWS: tuple[tuple[str, list[str], float | None], ...] = (
    ("python -c pass", [PYTHON, "-c", "pass"], None),
    ('python -c "import weigh"', [PYTHON, "-c", "import weigh"], 0.060),
    ("weigh --help", [WEIGH, "--help"], 0.150),
    ("weigh run --help", [WEIGH, "run", "--help"], None),
    ("weigh ls tasks", [WEIGH, "ls", "tasks"], 0.300),
    ("weigh ls runs", [WEIGH, "ls", "runs"], None),
    ("weigh ls models", [WEIGH, "ls", "models"], None),
)
PEERS: tuple[tuple[str, list[str]], ...] = (
    ("inspect --help", ["inspect", "--help"]),
    ("lm-eval --help", ["lm-eval", "--help"]),
    ("lm-eval ls tasks", ["lm-eval", "ls", "tasks"]),
    ("lighteval --help", ["lighteval", "--help"]),
    ("olmo-eval --help", ["olmo-eval", "--help"]),
    ("harbor --help", ["harbor", "--help"]),
)


def fastest(command: list[str], repeats: int, folder: str) -> float:
    """Seconds of the fastest of several runs. Raises when the command fails."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="exit 1 when a bar is not met")
    args = parser.parse_args()
    missed = 0
    print("| command | seconds | bar |\n|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, command, bar in ROWS:
            took = fastest(command, args.repeats, folder)
            missed += bar is not None and took > bar
            print(f"| `{name}` | {took:.3f} | {'' if bar is None else f'{bar:.2f}'} |")
        for name, command in PEERS:
            if shutil.which(command[0]):
                print(f"| `{name}` | {fastest(command, min(args.repeats, 3), folder):.3f} | |")
    return 1 if args.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
