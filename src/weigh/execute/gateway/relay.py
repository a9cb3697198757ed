"""Runs inside a sandbox without a network: listens on the sandbox's own loopback and passes bytes to a unix socket.

    python relay.py PORT SOCKET COMMAND...
    python relay.py < START                     START: {"port", "socket", "files", "links", "env", "stdin", "command"}

It starts the command, ends with the command's exit code, and needs nothing but Python's standard library; the file is
copied into the sandbox and run there by whatever Python is there. Told by its standard input, it first writes `files`
(text by path below the home folder, readable by the user only) and makes `links` there, which keeps keys out of
command lines and out of the workspace; without a port it relays nothing. START is JSON; the command's standard input
is the text `stdin`, or closed.
"""

from __future__ import annotations

import contextlib
import json
import os
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


def relay(port: int, path: str) -> None:
    """Listen; returns as soon as connections are accepted."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    threading.Thread(target=serve, args=(listener, path), daemon=True).start()


def write(files: dict[str, str], links: dict[str, str]) -> None:
    """Write files and links below the home folder."""
    for name, target in links.items():
        path = os.path.join(os.environ["HOME"], name)  # noqa: PTH118
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        os.symlink(target, path)  # noqa: PTH211
    for name, text in files.items():
        # Without pathlib, which costs more time than all the rest here.
        path = os.path.join(os.environ["HOME"], name)  # noqa: PTH118
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)


def main(argv: list[str]) -> int:
    if argv:
        port, path, *command = argv
        relay(int(port), path)
        code = subprocess.call(command)
    else:
        start = json.load(sys.stdin)
        write(start["files"], start["links"])
        if start["port"]:
            relay(start["port"], start["socket"])
        told = start["stdin"].encode()
        given = {"input": told} if told else {"stdin": subprocess.DEVNULL}
        code = subprocess.run(start["command"], env={**os.environ, **start["env"]}, check=False, **given).returncode
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
