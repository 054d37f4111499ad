"""Answers that need no application: to what is no proper HTTP request, in the shape of every other
error, and to whoever asks whether the process lives."""

from __future__ import annotations

import json
from typing import NamedTuple

from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request

from action_provider.logs import log_access

__all__ = ["ALIVE", "TIMEOUT", "Refusal", "faulty", "log_refused", "refusal"]


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
