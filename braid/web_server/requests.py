"""The bytes of an HTTP request, collected in bounds, and answers that need no application.

This module only finds where a request ends. gunicorn parses the same bytes: a request whose end is
misjudged here is refused there, or read on by the thread that answers it.
"""

from __future__ import annotations

import json
import os
import select
import socket
import time
from typing import NamedTuple

from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidChunkSize,
    InvalidRequestLine,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader

from action_provider.logs import log_access
from braid.web_server.limits import Limits

__all__ = [
    "ALIVE",
    "TIMEOUT",
    "HeldUnreader",
    "Incoming",
    "Refusal",
    "faulty",
    "log_refused",
    "refusal",
]

CHUNK_LINE = 8192
"""Longest line with a chunk's size, and longest trailer, that is waited for."""
FREE_CHUNKS = 1000
BYTES_OF_A_CHUNK = 128
"""What chunks beyond the first thousand must hold on average: each costs as much as a kilobyte."""
DIGITS = frozenset(b"0123456789abcdefABCDEF")


class Incoming:
    """One request on its way. `feed` it until it says that nothing more is needed."""

    __slots__ = (
        "_chunks",
        "_end",
        "_scanned",
        "body_bytes",
        "continues",
        "data",
        "fault",
        "head",
        "whole",
    )

    def __init__(self) -> None:
        self.data = bytearray()
        self.head = 0
        """Length of the head with its empty line; 0 while that is not here."""
        self.continues = False
        """The sender waits for "100 Continue" before it sends the body."""
        self.fault: Exception | None = None
        """Why the rest is not waited for."""
        self.body_bytes = 0
        """How much of the body is here."""
        self.whole = False
        """Whether all of it is here, as far as is known."""
        self._scanned = 0
        self._end = 0
        self._chunks: _Chunks | None = None

    def feed(self, piece: bytes, *, head_bytes: int, most: int) -> bool:
        """Take bytes; True when the request is complete, faulty, or too large to be kept here.

        Each byte is looked at once or twice, however it is cut into pieces.
        """
        self.data += piece
        if not self.head and not self._head_ends(head_bytes):
            return self.fault is not None
        self.body_bytes = len(self.data) - self.head
        if self._chunks is not None:
            ended = self._chunks.end(self.data)
            self.fault = self._chunks.fault
            self.whole = ended and self.fault is None
            return ended or self.body_bytes > most
        self.whole = len(self.data) >= self._end
        return self.whole or self._end - self.head > most

    @property
    def asks_whether_alive(self) -> bool:
        """Whether this is a request for `/healthz` and no more."""
        return self.head == len(self.data) and self.data.startswith(b"GET /healthz HTTP/1.")

    @property
    def missing(self) -> int:
        """How many bytes are known to be missing; 0 if that is not known."""
        return max(0, self._end - len(self.data))

    def _head_ends(self, head_bytes: int) -> bool:
        end = self.data.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if 0 <= end <= head_bytes:
            self.head = end + 4
            self._read_framing(bytes(self.data[:end]).lower() + b"\r\n")
            return True
        self._judge(head_bytes)
        self._scanned = len(self.data)
        return False

    def _judge(self, head_bytes: int) -> None:
        """Name a head that will be refused, however it goes on."""
        if len(self.data) > head_bytes:
            self.fault = LimitRequestHeaders("head")
        elif self._bare_line_feed() or not (self.data[:1].isalpha() or self.data[:1] == b"\r"):
            self.fault = InvalidRequestLine("")

    def _bare_line_feed(self) -> bool:
        since = self._scanned
        return self.data.count(b"\n", since) != self.data.count(b"\r\n", max(0, since - 1))

    def _read_framing(self, head: bytes) -> None:
        """How long the body is, by its head in lower case. Two lengths are refused by gunicorn,
        and need not be waited for."""
        codings = b",".join(_values(head, b"transfer-encoding"))
        lengths = _values(head, b"content-length")
        self._end = self.head
        if codings.endswith(b"chunked") and codings.count(b"chunked") == 1 and not lengths:
            self._chunks = _Chunks(self.head)
        elif not codings and len(lengths) == 1 and lengths[0].isdigit():
            # More digits than any size has would be slow to convert.
            self._end += int(lengths[0]) if len(lengths[0]) < 16 else 1 << 60
        expects = _values(head, b"expect") == [b"100-continue"]
        self.continues = expects and head.partition(b"\r\n")[0].endswith(b" http/1.1")


def _values(head: bytes, name: bytes) -> list[bytes]:
    """The values of a header, in a head in lower case whose lines all end."""
    key = b"\r\n" + name + b":"
    values = []
    begin = head.find(key)
    while begin >= 0:
        end = head.index(b"\r\n", begin + len(key))
        values.append(head[begin + len(key) : end].strip(b" \t"))
        begin = head.find(key, end)
    return values


class _Chunks:
    """Finds the end of a chunked body."""

    def __init__(self, begin: int) -> None:
        self.fault: Exception | None = None
        self._at = begin
        self._begin = begin
        self._count = 0
        self._in_trailer = False

    def end(self, data: bytearray) -> bool:
        """Whether all is here, or the rest will be refused."""
        while not self._in_trailer:
            line = data.find(b"\r\n", self._at, self._at + CHUNK_LINE)
            if line < 0:
                return self._too_long(data)
            digits = bytes(data[self._at : line]).partition(b";")[0].rstrip(b" \t")
            if not digits or len(digits) > 15 or not DIGITS.issuperset(digits):
                return self._refused()
            size = int(digits, 16)
            if size == 0:
                self._in_trailer = True
                self._at = line  # The trailer ends with an empty line, and may be nothing else.
            elif line + 4 + size > len(data):
                return False
            else:
                self._at = line + 4 + size
                if data[self._at - 2 : self._at] != b"\r\n" or self._too_many():
                    return self._refused()
        return data.find(b"\r\n\r\n", self._at, self._at + CHUNK_LINE) >= 0 or self._too_long(data)

    def _too_long(self, data: bytearray) -> bool:
        return len(data) - self._at >= CHUNK_LINE and self._refused()

    def _too_many(self) -> bool:
        self._count += 1
        return self._count - FREE_CHUNKS > (self._at - self._begin) // BYTES_OF_A_CHUNK

    def _refused(self) -> bool:
        """Say now that this is at fault: a thread would wait for a rest that need not come."""
        self.fault = InvalidChunkSize(b"")
        return True


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


ALIVE = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    b'Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'
)


class Refusal(NamedTuple):
    """A status line's end and the whole answer."""

    status: str
    answer: bytes


def _refusal(status: str, sentence: str) -> Refusal:
    body = json.dumps({"code": "".join(status.split()[1:]), "description": sentence})
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Refusal(status, (head + body).encode())


FAILED = _refusal("500 Internal Server Error", "Something went wrong here; the log says where.")
TIMEOUT = _refusal("408 Request Timeout", "The request did not arrive in time; send it again.")
FAULTS: tuple[tuple[type[Exception], Refusal], ...] = (
    (InvalidResponseHeader, FAILED),
    (InvalidResponseHeaderName, FAILED),
    (
        LimitRequestLine,
        _refusal("414 URI Too Long", "The address is longer than this server accepts."),
    ),
    (
        LimitRequestHeaders,
        _refusal(
            "431 Request Header Fields Too Large",
            "The headers are larger than this server accepts.",
        ),
    ),
    (
        ExpectationFailed,
        _refusal("417 Expectation Failed", "The Expect header must be 100-continue."),
    ),
    (
        UnsupportedTransferCoding,
        _refusal("501 Not Implemented", "The Transfer-Encoding must be chunked."),
    ),
    (ParseException, _refusal("400 Bad Request", "This is not a valid HTTP/1.1 request.")),
    (Exception, FAILED),
)
"""The first that fits decides."""


def refusal(error: Exception) -> Refusal:
    """The answer to an exception from outside the application."""
    return next(refused for kind, refused in FAULTS if isinstance(error, kind))


def log_refused(refused: Refusal, request: Request | None) -> None:
    """The line in the access log of what did not come to the application; of most that is not
    valid HTTP, no more than the status is known."""
    method, path = (request.method, request.path) if request is not None else (None, None)
    status = int(refused.status.partition(" ")[0])
    log_access(method, path, status, size=len(refused.answer), seconds=None, caller=None)


def faulty(error: Exception) -> str:
    """What the log says of it: its kind, and where it came from if it is a fault of our own.

    The message may repeat what was sent.
    """
    if isinstance(error, ParseException) or error.__traceback__ is None:
        return type(error).__name__
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{type(error).__name__} in {code.co_filename}:{trace.tb_lineno}"
