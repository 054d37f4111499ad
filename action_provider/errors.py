"""From an exception to an HTTP answer, once, in one table. Views never catch.

Every error has the shape ``{"code": name, "description": one sentence}``.
"""

from __future__ import annotations

import errno
import logging
import math
import traceback
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from flask import Flask, Response
from globus_action_provider_tools.errors import AuthenticationError
from werkzeug.exceptions import HTTPException

from action_provider.logs import request_id
from provenance_store.display import shown
from provenance_store.errors import (
    Ambiguous,
    BraidError,
    ConfigurationError,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    SchemaMismatch,
    Sealed,
    ServiceUnavailable,
    StoreUnavailable,
    TooLarge,
)

__all__ = [
    "ERRORS",
    "Busy",
    "Malformed",
    "TooManyRequests",
    "Unauthorized",
    "answer",
    "describe",
    "error_named",
    "install",
    "named",
]

log = logging.getLogger(__name__)


class Malformed(InvalidInput):
    """The request body is not JSON."""


class Unauthorized(BraidError):
    """A Globus Auth token is needed: send it as `Authorization: Bearer TOKEN`."""

    def __init__(self, message: str | None = None, *, error: str = "") -> None:
        super().__init__(message)
        self.error = error


class TooManyRequests(BraidError):
    """Too many requests of one identity are under way, or come too fast: `seconds` to wait."""

    def __init__(self, message: str | None = None, *, seconds: float = 1.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class Busy(ServiceUnavailable):
    """The server has too much to do; the same request may be sent again."""


class Mapped(NamedTuple):
    """How one class of error is answered."""

    kind: type[Exception]
    status: int
    code: str
    meaning: str


ERRORS: tuple[Mapped, ...] = (
    Mapped(Unauthorized, 401, "Unauthorized", "no token, or one that is not valid here"),
    Mapped(AuthenticationError, 401, "Unauthorized", "no token, or one that is not valid here"),
    Mapped(TooManyRequests, 429, "TooManyRequests", "the caller's own requests are too many"),
    Mapped(Busy, 503, "Busy", "the server has too much to do: try again"),
    Mapped(Malformed, 400, "BadRequest", "the request body is not JSON"),
    Mapped(TooLarge, 413, "TooLarge", "the request is too large or too deeply nested"),
    Mapped(InvalidInput, 422, "InvalidInput", "the request is not valid; the path says where"),
    Mapped(NotFound, 404, "NotFound", "no such thing, or the caller may not see it"),
    Mapped(NotAllowed, 403, "NotAllowed", "the caller may see the thing, but not do this"),
    Mapped(Sealed, 409, "Sealed", "an addition to a record that is static"),
    Mapped(Conflict, 409, "Conflict", "the store says otherwise already"),
    Mapped(Ambiguous, 409, "Ambiguous", "the name fits several records"),
    Mapped(StoreUnavailable, 503, "StoreUnavailable", "the store is busy or away: try again"),
    Mapped(SchemaMismatch, 503, "SchemaMismatch", "the store has another version"),
    Mapped(ServiceUnavailable, 503, "ServiceUnavailable", "Globus did not answer: try again"),
    Mapped(ConfigurationError, 500, "ConfigurationError", "the server is not set up well"),
)
"""The first row that fits decides. What is not listed is a 500 that says nothing more."""

SENTENCES = {
    404: "There is nothing at this address; /api/openapi.json lists what there is.",
    405: "This method is not possible here; the Allow header says which are.",
    413: "The request body is larger than this server takes.",
}
"""What is said instead of Werkzeug's own words."""

RETRY_AFTER_SECONDS = "5"
UNEXPECTED = "InternalServerError"


def install(app: Flask) -> None:
    """Answer every error of the application this way."""
    app.register_error_handler(Exception, answer)


def answer(error: Exception) -> Response:
    """The HTTP answer to any exception."""
    if isinstance(error, HTTPException) and error.code is not None:
        return _of_http(error)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        error = Busy("The server has no descriptor left for this; send the request again.")
    row = _row(error)
    if row is None:
        _log_unexpected(error)
        return describe(
            500, UNEXPECTED, f"Something went wrong here; the log says where.{_for_the_log()}"
        )
    sentence = _sentence(error)
    if row.status >= 500:
        log.warning("%s: %s", row.code, sentence)
        sentence += _for_the_log()
    response = describe(row.status, row.code, sentence)
    response.headers.extend(_headers(error, row.status))
    return response


def named(error: Exception) -> tuple[str, str]:
    """The name and the sentence with which an error travels between our own processes."""
    row = _row(error)
    if row is None:
        _log_unexpected(error)
        return UNEXPECTED, ""
    return row.code, shown(error.message if isinstance(error, BraidError) else str(error))


def error_named(code: str, message: str, choices: Sequence[str] = ()) -> Exception:
    """The error that `named` named."""
    if code == "Ambiguous":
        return Ambiguous(message, choices=choices)
    for row in ERRORS:
        if row.code == code and issubclass(row.kind, BraidError):
            return row.kind(message)
    return RuntimeError(code)


def describe(status: int, code: str, description: str) -> Response:
    """An error answer."""
    body = msgspec.json.encode({"code": code, "description": description})
    return Response(body, status, mimetype="application/json")


def _for_the_log() -> str:
    """What the operator finds the request by, after the sentence of an error that is logged."""
    return f" (Request {name})" if (name := request_id()) else ""


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    sentence = SENTENCES.get(status) or error.description or error.name
    response = describe(status, type(error).__name__, _clean(sentence))
    kept = ((k, v) for k, v in error.get_headers() if k.lower() in ("allow", "location"))
    response.headers.extend(kept)
    return response


def _row(error: Exception) -> Mapped | None:
    return next((row for row in ERRORS if isinstance(error, row.kind)), None)


def _log_unexpected(error: Exception) -> None:
    """Frames are logged, but not the message: it may repeat what was sent."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected %s\n%s", type(error).__name__, frames)


def _headers(error: Exception, status: int) -> Iterator[tuple[str, str]]:
    if status == 401:
        reason = getattr(error, "error", "")
        yield "WWW-Authenticate", f'Bearer error="{reason}"' if reason else "Bearer"
    if status == 503:
        yield "Retry-After", RETRY_AFTER_SECONDS
    if isinstance(error, TooManyRequests):
        yield "Retry-After", str(max(1, math.ceil(error.seconds)))


def _sentence(error: Exception) -> str:
    if isinstance(error, Ambiguous) and error.choices and not error.told:
        return _clean(f"{error.message} It may be: {', '.join(error.choices)}.")
    if isinstance(error, BraidError):
        return _clean(error.message)
    return _clean(str(error) or type(error).__name__)


def _clean(text: str) -> str:
    """One line of bounded length that any client can print, and any log keep."""
    line = shown(text.encode(errors="replace").decode().replace("\x00", " "))
    return line if line.endswith((".", "?", "!")) else line + "."
