"""HTTP spoken by hand: halves of requests, slow ones, and what is none."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

__all__ = ["RawAnswer", "answer_to", "connect", "half_open", "read_answer"]

TIMEOUT = 180


class RawAnswer(NamedTuple):
    """An answer, and whatever came after it until the connection was closed."""

    status: int
    headers: dict[str, str]
    body: bytes
    rest: bytes

    @property
    def document(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.body)


def connect(url: str, source: str = "127.0.0.1") -> socket.socket:
    """A connection to a server, from one of the addresses of this machine."""
    address = urlsplit(url)
    return socket.create_connection(
        (address.hostname, address.port), timeout=TIMEOUT, source_address=(source, 0)
    )


def half_open(stack: ExitStack, url: str, count: int, data: bytes) -> list[socket.socket]:
    """Connections on which some bytes were sent; they are closed with the stack."""
    opened = [stack.enter_context(connect(url)) for _ in range(count)]
    for connection in opened:
        connection.sendall(data)
    return opened


def read_answer(connection: socket.socket) -> RawAnswer:
    """What comes until the server closes the connection."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    length = int(headers.get("content-length", len(rest)))
    return RawAnswer(int(first.split()[1]), headers, rest[:length], rest[length:])


def answer_to(url: str, *pieces: bytes) -> RawAnswer:
    """The answer to some bytes."""
    with connect(url) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return read_answer(connection)
