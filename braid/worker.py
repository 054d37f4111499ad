"""Gunicorn's worker, with our answer to what is no proper HTTP request.

Gunicorn's own answers are pages of HTML that repeat what was sent, and so do its log lines. Here
they have the shape of every other error, and the log names the kind of fault.
"""

from __future__ import annotations

import json
from contextlib import suppress
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
from gunicorn.workers.gthread import ThreadWorker

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


class Worker(ThreadWorker):  # type: ignore[misc]
    """Threads that answer requests."""

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
