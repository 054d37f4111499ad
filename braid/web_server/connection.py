"""A connection of the production server, between its main loop and its threads."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from enum import Enum
from ipaddress import IPv6Address
from typing import Any

from gunicorn.http.parser import RequestParser

from braid.web_server.limits import Limits
from braid.web_server.requests import HeldUnreader, Incoming

__all__ = ["Connection", "Outgoing", "Stage"]

LEAST_READ = 16 * 1024
MOST_READ = 256 * 1024
MOST_WRITTEN = 1 << 20
"""At once, so that other connections have their turn."""
IPV6_HOST_BITS = 64


class Stage(Enum):
    """What the main loop waits for on a connection."""

    IDLE = "the first byte of a next request"
    HEAD = "the end of a request's head"
    BODY = "the end of a request's body"
    ANSWER = "the client's reading of an answer"
    LINGER = "the client's end of the connection, after the last answer"


class Outgoing:
    """Stands for a client's socket while a thread makes the answer, and keeps it.

    An answer is sent when it is whole, in one piece and without waiting: what the client does not
    read at once, the main loop sends.
    """

    def __init__(self, sock: socket.socket, client: Any, server: Any) -> None:
        self.sock = self
        self.client = client
        self.server = server
        self._real = sock
        self._parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        """Keep a part of the answer."""
        self._parts.append(data)

    def whole(self) -> bytes:
        """The answer."""
        return b"".join(self._parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Connection:
    """A client's socket and the request that comes on it."""

    def __init__(
        self, cfg: Any, sock: socket.socket, client: Any, server: Any, limits: Limits
    ) -> None:
        self.cfg = cfg
        self.sock = sock
        self.client = client
        self.server = server
        self.address = _network(client)
        self.incoming = Incoming()
        self.stage = Stage.HEAD
        self.since = self.deadline = 0.0
        self.told_to_continue = False
        self.lingered = 0
        self.unsent = memoryview(b"")
        self.goes_on = False
        """Whether it can be used again, once the answer is sent."""
        self.watched = False
        """Whether the main loop is told what happens on it."""
        self._parsed: Any = None
        self._limits = limits
        self._linger_end: float | None = None
        # The system's socket never blocks. Python's sendall waits on it for so long in all; the
        # main loop and the unreader read past Python, without waiting.
        sock.settimeout(limits.answer_seconds)
        self._unreader = HeldUnreader(sock, limits)
        self.parser = RequestParser(cfg, sock, client)
        self.parser.unreader = self._unreader

    def enter(self, stage: Stage, seconds: float) -> None:
        """Begin to wait for something, for so many seconds; lingering has an end of its own."""
        self.since = time.monotonic()
        self.deadline = self.since + seconds
        if stage is Stage.LINGER:
            if self.stage is not Stage.LINGER or self._linger_end is None:
                self._linger_end = self.since + self._limits.linger_seconds
            self.deadline = min(self.deadline, self._linger_end)
        self.stage = stage

    def receive(self) -> bytes:
        """What has come, some of it; raises BlockingIOError if nothing has."""
        size = MOST_READ if self.stage is Stage.LINGER else self.incoming.missing
        return os.read(self.sock.fileno(), min(max(size, LEAST_READ), MOST_READ))

    def say(self, data: bytes) -> None:
        """Send some bytes if that is possible without waiting; it is, for a first short answer."""
        with suppress(OSError):
            os.write(self.sock.fileno(), data)

    def answer(self, data: bytes) -> None:
        """Send an answer as far as that is possible without waiting; the rest is `unsent`."""
        self.unsent = memoryview(data)
        self.send_some()

    def send_some(self) -> None:
        """Send of what is unsent what the client has room for; raises OSError if it is gone."""
        with suppress(BlockingIOError):
            sent = os.write(self.sock.fileno(), self.unsent[:MOST_WRITTEN])
            self.unsent = self.unsent[sent:]

    def parse(self) -> Any:
        """The request that has come; raises what gunicorn raises for what is none."""
        if self._parsed is not None:
            parsed, self._parsed = self._parsed, None
            if isinstance(parsed, Exception):
                raise parsed
            return parsed
        self._unreader.hold(self.incoming)
        request = next(self.parser)
        if self.told_to_continue:
            request._expected_100_continue = False
            self.told_to_continue = False
        return request

    def parse_whole(self) -> Any:
        """As `parse`, of a request that is here whole: nothing more is waited for."""
        self._unreader.hold(self.incoming)
        self._unreader.end()
        return next(self.parser)

    def put_back(self, parsed: Any) -> None:
        """Have `parse` return this request, or raise this exception."""
        self._parsed = parsed

    def finish(self) -> bool:
        """Skip what the application left of the body; False if where it ends is not known."""
        self._unreader.end()
        try:
            return bool(self.parser.finish_body())
        except Exception:  # The answer is sent: a fault in the body's framing has no other.
            return False

    def next_request(self) -> bytes:
        """Make ready for the next request; returns what is already here of it."""
        self.incoming = Incoming()
        return self._unreader.rest()

    def close(self) -> None:
        """Close the socket at once."""
        self.sock.close()


def _network(client: Any) -> str:
    """Who is counted as one: an IPv4 address, or an IPv6 network of one site."""
    host = client[0] if isinstance(client, tuple) else str(client)
    if ":" not in host:
        return host
    return str(int(IPv6Address(host.partition("%")[0])) >> IPV6_HOST_BITS)
