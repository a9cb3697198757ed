"""`python -m weigh.store FOLDER` finishes a run in a process of its own, whose memory is given back when it ends.

Prints the outcome as JSON (`null` when another process is finishing the run), or a reason on stderr with exit code 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from weigh.records.errors import StoreError
from weigh.store.layout import Store
from weigh.store.parquet import finish


def main(path: Path) -> int:
    """Finish the run whose folder this is."""
    try:
        finished = finish(Store(path.parent.parent).open(path.name))
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(finished).decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
