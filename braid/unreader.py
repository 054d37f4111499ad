"""What gunicorn's parser reads a request from: bytes that are here, then the socket, for a time."""

from __future__ import annotations

import os
import select
import socket
import time

from gunicorn.http.unreader import SocketUnreader

from braid.incoming import Incoming
from braid.limits import Limits

__all__ = ["HeldUnreader"]


class HeldUnreader(SocketUnreader):  # type: ignore[misc]
    """The bytes of an `Incoming`; beyond them a thread waits no longer than the limits say."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        super().__init__(sock)
        self._limits = limits
        self._held: list[memoryview] = []
        self._fault: Exception | None = None
        self._begun: float | None = None
        self._received = 0

    def hold(self, incoming: Incoming) -> None:
        """Give these bytes first. The head comes alone, for the parser copies what it is given."""
        data = memoryview(incoming.data)
        self._held = [part for part in (data[: incoming.head], data[incoming.head :]) if part]
        self._fault = incoming.fault
        self._begun = time.monotonic()
        self._received = incoming.body_bytes

    def end(self) -> None:
        """From now on nothing is read from the socket."""
        self._begun = None

    def rest(self) -> bytes:
        """Take what is here of the requests that follow."""
        held, self._held = self._held, []
        return b"".join([self.take_buffered(), *held])

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes. Raises TimeoutError when they do not come in time."""
        size = min(max(size_hint or 0, self.mxchunk), self.max_body_chunk)
        if self._held:
            return self._next_held(size)
        if self._fault is not None:
            raise self._fault
        piece = self._receive(size)
        self._received += len(piece)
        return piece

    def _next_held(self, size: int) -> bytes:
        first = self._held[0]
        if len(first) <= size:
            del self._held[0]
        else:
            self._held[0] = first[size:]
        return bytes(first[:size])

    def _receive(self, size: int) -> bytes:
        if self._begun is None:
            raise TimeoutError
        while True:
            try:
                return os.read(self.sock.fileno(), size)
            except BlockingIOError:
                self._wait(self._limits.body_deadline(self._begun, self._received))

    def _wait(self, deadline: float) -> None:
        waiting = select.poll()  # Unlike select it takes any descriptor, and needs none itself.
        waiting.register(self.sock, select.POLLIN)
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
