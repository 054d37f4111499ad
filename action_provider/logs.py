"""The log: its lines, the ids of requests in them, and what libraries may write into it.

Nothing of a token, a secret or a request body gets into it.
"""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import msgspec
from flask import Flask, Response, g, has_request_context, request

from action_provider.settings import LOG_FORMAT
from provenance_store.display import shown
from provenance_store.recording.row_maker import NOT_AS_GIVEN
from provenance_store.redaction import scrub_text

__all__ = [
    "HEADER",
    "REQUESTS",
    "TALKATIVE",
    "answering",
    "asked",
    "begin",
    "log_access",
    "quiet",
    "request_id",
    "watch",
]

TALKATIVE = ("globus_action_provider_tools", "globus_sdk", "urllib3")
"""Loggers that repeat pieces of tokens, request bodies or addresses below WARNING."""
ATTACHING = ("globus_action_provider_tools.authentication", "action_provider")
"""Loggers of the toolkit, which uses the application's too, that attach traces."""
INFORMING = ("braid.access", "braid.serve")
"""Loggers of which more than warnings is shown."""

HEADER, VARIABLE = "X-Request-Id", "HTTP_X_REQUEST_ID"
"""Of an answer, and as WSGI names it in a request."""
KNOWN = "braid.request_id"
"""Where a request's environment has the id that was taken or made."""
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=+-]{0,63}")
"""Ids that are taken from the header: UUIDs, what nginx and load balancers make. Globus Auth's
tokens are longer."""

REQUESTS: ContextVar[str] = ContextVar("REQUESTS", default="")
"""Ids of the requests that are worked at, where it is not the application that does."""
_ASKED: ContextVar[dict[str, Any] | None] = ContextVar("_ASKED", default=None)

_log = logging.getLogger(__name__)
_access = logging.getLogger("braid.access")
_made = itertools.count(1)
_names: list[str] = []


class _Quoting(logging.Filter):
    """Leaves out the notes of recorders, which quote what callers sent: they are on the records."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != NOT_AS_GIVEN


class _Traces(logging.Filter):
    """Takes away the traces that are attached: the errors in them may repeat what was sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None
        return True


_QUOTING, _TRACES = _Quoting(), _Traces()
"""To add one again changes nothing."""


def quiet() -> None:
    """Keep the talkative libraries to warnings without traces, and notes out of the log."""
    logging.getLogger("braid").addFilter(_QUOTING)
    for name in ATTACHING:
        logging.getLogger(name).addFilter(_TRACES)
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING or logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    """A line for each event, as text or JSON."""

    def __init__(self, *, json: bool) -> None:
        super().__init__()
        self._json = json

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = scrub_text(record.getMessage())
        trace = scrub_text(self.formatException(record.exc_info)) if record.exc_info else ""
        line: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "request_id": request_id() or None,
            "message": message,
        }
        if self._json:
            more = {"trace": trace} if trace else {}
            return msgspec.json.encode(line | getattr(record, "fields", {}) | more).decode()
        head = f"{line['time']} {record.levelname} {record.name} [{line['request_id'] or '-'}]"
        return f"{head} {message}" + (f"\n{trace}" if trace else "")


class _Standard(logging.StreamHandler[Any]):
    """Writes to standard error; a process has one."""


def begin() -> None:
    """Write the log of this process to standard error, in the format of BRAID_LOG_FORMAT."""
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Standard)]:
        root.removeHandler(old)
    handler = _Standard()
    handler.setFormatter(_Lines(json=LOG_FORMAT.get() == "json"))
    root.addHandler(handler)
    for name in INFORMING:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.raiseExceptions = False  # it would repeat what could not be written
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    quiet()


def _uncaught(
    kind: type[BaseException], _: BaseException | None, trace: TracebackType | None
) -> None:
    """As for an answer of 500: where it happened, and not the message, which may repeat what was
    sent."""
    _log.error("uncaught %s\n%s", kind.__name__, "".join(traceback.format_tb(trace)))


@contextmanager
def answering(environ: dict[str, Any]) -> Iterator[None]:
    """While it is open, this thread answers the request of a WSGI environment without Flask."""
    before = _ASKED.set(environ)
    try:
        yield
    finally:
        _ASKED.reset(before)


def asked() -> dict[str, Any] | None:
    """The WSGI environment of the request that this thread answers; None where it answers none."""
    return request.environ if has_request_context() else _ASKED.get()


def request_id() -> str:
    """The id of the request that is being answered: the caller's, where it sent a sane one. Where
    no request is answered, the ids of those that are worked at."""
    if (environ := asked()) is None:
        return REQUESTS.get()
    known: str | None = environ.get(KNOWN)
    if known is None:
        known = environ.get(VARIABLE)
        if not (known and SANE.fullmatch(known) and scrub_text(known) == known):
            known = f"{_names[0]}-{next(_made):x}"
        environ[KNOWN] = known
    return known


def watch(app: Flask, *, access: bool) -> None:
    """Answer each request with its id, and with `access` log a line for each.

    Made ids begin with a name of this process, so that no two requests have the same.
    """
    _names[:] = [secrets.token_hex(5)]
    app.after_request(_named)
    if access:
        app.before_request(_begun)
        app.after_request(_logged)


def _named(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response


def _begun() -> None:
    g.begun = time.perf_counter()


def _logged(response: Response) -> Response:
    caller = g.get("caller")
    log_access(
        request.method,
        request.path,
        response.status_code,
        size=response.calculate_content_length() or 0,
        seconds=time.perf_counter() - g.begun,
        caller=None if caller is None else caller.identity,
    )
    return response


def log_access(
    method: str | None,
    path: str | None,
    status: int,
    *,
    size: int,
    seconds: float | None,
    caller: str | None,
) -> None:
    """The line of a request. The path is without its query, which may name runs and people. None
    is what is not known of one that was refused before it was read whole."""
    fields = {
        "method": None if method is None else shown(method, 20),
        "path": None if path is None else scrub_text(shown(path, 200)),
        "status": status,
        "bytes": size,
        "seconds": None if seconds is None else round(seconds, 6),
        "caller": caller,
    }
    text = " ".join("-" if value is None else str(value) for value in fields.values())
    _access.info("%s", text, extra={"fields": fields})
