"""Runs a command and outlives nobody: when its parent goes, however it goes, the command's whole group is killed.

Used as `python guard.py COMMAND...` with a pipe as standard input that the parent keeps open and never writes to. The
end of that pipe is the one signal that also arrives after `kill -9`. Standard library only, so that it starts fast.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 5.0


def main(command: list[str]) -> int:
    """Run the command in a group of its own until it ends or standard input does; returns its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def kill(number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)

    def end(*_: object) -> None:
        kill(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.02)
        kill(signal.SIGKILL)

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        end()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's to handle
    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    kill(signal.SIGKILL)  # what it left behind in its group
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
