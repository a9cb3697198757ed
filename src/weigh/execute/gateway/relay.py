"""Runs inside a sandbox without a network: listens on the sandbox's own loopback and passes bytes to a unix socket.

    python relay.py PORT SOCKET COMMAND...

It starts the command, ends with the command's exit code, and needs nothing but Python's standard library; the file is
copied into the sandbox and run there by whatever Python is there.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading


def pump(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until one side ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve(listener: socket.socket, path: str) -> None:
    """Give every connection one of its own to the socket."""
    while True:
        client, _ = listener.accept()
        upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            upstream.connect(path)
        except OSError:
            client.close()
            continue
        for ends in ((client, upstream), (upstream, client)):
            threading.Thread(target=pump, args=ends, daemon=True).start()


def main(argv: list[str]) -> int:
    port, path, *command = argv
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=128)
    threading.Thread(target=serve, args=(listener, path), daemon=True).start()
    code = subprocess.call(command)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
