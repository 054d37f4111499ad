"""Gunicorn's worker, with our answer to what is no proper HTTP request.

Gunicorn's own answers are pages of HTML that repeat what was sent, and so do its log lines. Here
they have the shape of every other error, and the log names the kind of fault.

Whether the process lives is answered here too, by the thread that takes connections in: that one
waits for nothing, whatever all the others wait for.
"""

from __future__ import annotations

import errno
import json
import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.gthread import TConn, ThreadWorker

__all__ = ["Worker"]

FAULTS: tuple[tuple[type[Exception], str, str], ...] = (
    (InvalidResponseHeader, "500 Internal Server Error", "Something went wrong here."),
    (InvalidResponseHeaderName, "500 Internal Server Error", "Something went wrong here."),
    (LimitRequestLine, "414 URI Too Long", "The address is longer than this server takes."),
    (
        LimitRequestHeaders,
        "431 Request Header Fields Too Large",
        "The headers are larger than this server takes.",
    ),
    (ExpectationFailed, "417 Expectation Failed", "This server expects nothing of that kind."),
    (UnsupportedTransferCoding, "501 Not Implemented", "This transfer coding is not known here."),
    (ParseException, "400 Bad Request", "This is not a request that HTTP/1.1 knows."),
    (Exception, "500 Internal Server Error", "Something went wrong here."),
)
"""The first that fits decides."""


PEEKED = 8192
"""Bytes of a request that are looked at."""
ALIVE = b'{"status":"ok"}'


WAITED_FOR = (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK)


class Worker(ThreadWorker):  # type: ignore[misc]
    """Threads that answer requests."""

    def accept(self, listener: Any) -> None:
        """Take in a connection; a thread is busy with it only once something was sent."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in WAITED_FOR:
                raise
            return
        connection = TConn(self.cfg, client, address, listener.getsockname())
        connection.timeout = time.monotonic() + self.cfg.keepalive
        self.nr_conns += 1
        self.pending_conns.append(connection)
        readable = partial(self.on_pending_socket_readable, connection)
        self.poller.register(client, selectors.EVENT_READ, readable)

    def _cap_keepalive(self, deadline: float) -> None:
        """A stopping worker does not wait for those who have sent nothing either."""
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)

    def enqueue_req(self, conn: Any) -> None:
        """Let a thread answer a request, but answer here whether the process lives."""
        if not self._is_alive_asked(conn.sock):
            super().enqueue_req(conn)
            return
        head = (
            "HTTP/1.1 200 OK\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(ALIVE)}\r\n\r\n"
        )
        with suppress(OSError):
            conn.sock.recv(PEEKED)
            conn.sock.send(head.encode() + ALIVE)
        self.nr_conns -= 1
        conn.close()

    @staticmethod
    def _is_alive_asked(client: socket.socket) -> bool:
        """Whether a whole request for `/healthz` and no more has come; does not wait."""
        try:
            head = client.recv(PEEKED, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return False
        return head.startswith(b"GET /healthz HTTP/1.") and head.endswith(b"\r\n\r\n")

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer an exception from outside the application."""
        status, sentence = next(rest for kind, *rest in FAULTS if isinstance(exc, kind))
        self.log.warning("A request was answered %s: %s", status, type(exc).__name__)
        body = json.dumps({"code": "".join(status.split()[1:]), "description": sentence})
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with suppress(Exception):
            util.write_nonblock(client, (head + body).encode())
