"""Databases that stop answering without breaking a connection."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

__all__ = ["Relay", "frozen"]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """While it is open, a process and its children do nothing, as those of a machine that hangs."""
    os.kill(pid, signal.SIGSTOP)  # first, so that it has no more children
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pids = [pid, *map(int, children)]
    for one in pids:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in pids:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)


class Relay:
    """A port that leads to another one, until it is `cut`: then everything sent to it is lost,
    though it can still be connected to, as behind a firewall that drops what it does not know."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._through = threading.Event()
        self._through.set()
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._through.set()
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    @contextmanager
    def cut(self) -> Iterator[None]:
        self._through.clear()
        try:
            yield
        finally:
            self._through.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._server.accept()
                theirs = socket.create_connection(("127.0.0.1", self._to))
                self._lines += [ours, theirs]
                for source, target in ((ours, theirs), (theirs, ours)):
                    threading.Thread(
                        target=self._pass_on, args=(source, target), daemon=True
                    ).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._through.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
