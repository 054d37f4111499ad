"""Recording a usual step without Flask around it.

Routing, contexts and hooks cost a worker more than all else that it does for such a step, which
another process records. What is asked here, and in which order, is what the application asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, NamedTuple

from action_provider import logs
from action_provider.auth import Authenticator, Caller
from action_provider.errors import Malformed, answer
from action_provider.guard import check_json
from action_provider.lanes.queue import FairLane
from action_provider.metrics import Metrics
from action_provider.record.blueprint import RecordBlueprint
from action_provider.settings import Options

__all__ = ["DirectRecording"]

PATH = "/record/run"
NEW, KNOWN = "202 ACCEPTED", "200 OK"

Application = Callable[..., Iterable[bytes]]


class _Headers(NamedTuple):
    """The part of a request that says whose it is."""

    headers: dict[str, str]


class DirectRecording:
    """A WSGI application: takes steps of a usual size, which come with their length, and leaves
    everything else to the application behind it. `queue` is the lane of usual requests."""

    def __init__(
        self,
        behind: Application,
        provider: RecordBlueprint,
        authenticator: Authenticator,
        queue: FairLane,
        metrics: Metrics,
        options: Options,
    ) -> None:
        self._behind = behind
        self._provider = provider
        self._authenticator = authenticator
        self._queue = queue
        self._metrics = metrics
        self._depth = options.json_depth
        self._most_bytes = min(options.large_bytes, options.body_limit)
        self._most_items = options.large_items
        self._logs_access = options.access_log == "on"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer a request."""
        if environ.get("PATH_INFO") != PATH or environ.get("REQUEST_METHOD") != "POST":
            return self._behind(environ, start_response)
        given = environ.get("CONTENT_LENGTH") or ""
        length = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0
        if not 0 < length <= self._most_bytes or "HTTP_TRANSFER_ENCODING" in environ:
            return self._behind(environ, start_response)
        with logs.answering(environ):
            return self._answer(environ, start_response, length)

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any], length: int
    ) -> Iterable[bytes]:
        began = time.perf_counter()
        caller: Caller | None = None
        try:
            caller = self._caller(environ)
            data = _body(environ, length)
            if data.count(b",") >= self._most_items:
                environ["wsgi.input"] = BytesIO(data)
                return self._behind(environ, start_response)
            document, is_new = self._recorded(caller, data)
        except Exception as error:
            response = answer(error)
            response.headers[logs.HEADER] = logs.request_id()
            size = response.calculate_content_length() or 0
            self._note(response.status_code, size, began, caller)
            return response(environ, start_response)
        body = document.encode()
        self._note(202 if is_new else 200, len(body), began, caller)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            (logs.HEADER, logs.request_id()),
        ]
        start_response(NEW if is_new else KNOWN, headers)
        return [body]

    def _note(self, status: int, size: int, began: float, caller: Caller | None) -> None:
        seconds = time.perf_counter() - began
        self._metrics.note("POST", PATH, status, seconds)
        if self._logs_access:
            name = None if caller is None else caller.identity
            logs.log_access("POST", PATH, status, size=size, seconds=seconds, caller=name)

    def _caller(self, environ: dict[str, Any]) -> Caller:
        token = environ.get("HTTP_AUTHORIZATION")
        headers = {} if token is None else {"Authorization": token}
        return self._authenticator.who(_Headers(headers))

    def _recorded(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        self._queue.enter(caller.identity)
        try:
            self._provider.require_runnable(caller)
            check_json(data, depth=self._depth)
            return self._provider.run(caller, data)
        finally:
            self._queue.leave(caller.identity)


def _body(environ: dict[str, Any], length: int) -> bytes:
    try:
        data: bytes = environ["wsgi.input"].read(length)
    except Exception:  # each WSGI server has its own
        data = b""
    if len(data) != length:
        raise Malformed("The request's body is cut off or badly framed; send it again.")
    return data
