"""Recording a usual step without Flask around it, and where nothing has to be waited for also
without a thread.

Routing, contexts and hooks cost a worker more than all else that it does for such a step, which
another process records; and handing requests and replies from thread to thread costs more than
both. What is asked here, and in which order, is what the application asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

from action_provider import logs
from action_provider.auth import Authenticator, Caller, MustAsk, not_asking
from action_provider.errors import Malformed, answer
from action_provider.fair_queue import FairLane
from action_provider.metrics import Metrics
from action_provider.providers.record.blueprint import RecordBlueprint
from action_provider.recording_process.client import (
    NEEDS_GROUPS,
    TOO_LONG,
    RecordingConnection,
    RecordingProcess,
    answer_of,
)
from action_provider.recording_process.messages import RecordReply
from action_provider.request_body import check_json
from action_provider.settings import Options
from action_provider.step_size import StepSize
from provenance_store.errors import BraidError, StoreUnavailable

__all__ = ["WithoutFlask", "WithoutThread"]

PATH = "/record/run"
HEAD = b"POST /record/run HTTP/1."
NEW, KNOWN = "202 ACCEPTED", "200 OK"

Application = Callable[..., Iterable[bytes]]
Respond = Callable[[Callable[..., Any]], Iterable[bytes]]
"""Gives the body of an answer, and its head to a WSGI server's `start_response`."""


class _Headers(NamedTuple):
    """The part of a request that says whose it is."""

    headers: dict[str, str]


class WithoutFlask:
    """A WSGI application: takes steps of a usual size, which come with their length, and leaves
    everything else to the application behind it. `queue` is the lane of usual requests,
    `recording_process` is None where there is none."""

    def __init__(
        self,
        behind: Application,
        provider: RecordBlueprint,
        authenticator: Authenticator,
        queue: FairLane,
        metrics: Metrics,
        options: Options,
        recording_process: RecordingProcess | None = None,
    ) -> None:
        self._behind = behind
        self._provider = provider
        self._authenticator = authenticator
        self._queue = queue
        self._metrics = metrics
        self._depth = options.json_depth
        self._limit = options.body_limit
        self._size = StepSize.of(options)
        self._logs_access = options.access_log == "on"
        # A line of the log may have to wait for whoever reads it.
        quick = recording_process is not None and not self._logs_access
        self.quick = (
            WithoutThread(self, provider, queue, recording_process)
            if recording_process and quick
            else None
        )
        """For a server that can answer without a thread."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer a request."""
        if (length := self.length(environ)) is None:
            return self._behind(environ, start_response)
        with logs.answering(environ):
            return self._answer(environ, start_response, length)

    def length(self, environ: dict[str, Any]) -> int | None:
        """The length of the body of a step that may be of a usual size; None for anything else."""
        if environ.get("PATH_INFO") != PATH or environ.get("REQUEST_METHOD") != "POST":
            return None
        given = environ.get("CONTENT_LENGTH") or ""
        length = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0
        if not 0 < length <= self._limit or self._size.is_long(length):
            return None
        if "HTTP_TRANSFER_ENCODING" in environ:
            return None
        return length

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any], length: int
    ) -> Iterable[bytes]:
        began = time.perf_counter()
        caller: Caller | None = None
        try:
            caller = self.caller(environ)
            data = body_of(environ, length)
            if self.is_large(data):
                environ["wsgi.input"] = BytesIO(data)
                return self._behind(environ, start_response)
            document, is_new = self._record(caller, data)
        except Exception as error:
            return self.respond_refused(error, environ, start_response, began, caller)
        if self.quick is not None:
            self.quick.open()
        return self.respond_recorded(document, is_new, start_response, began, caller)

    def respond_recorded(
        self,
        document: str,
        is_new: bool,
        start_response: Callable[..., Any],
        began: float,
        caller: Caller,
    ) -> list[bytes]:
        """Answer with the status of an action."""
        body = document.encode()
        self._note(202 if is_new else 200, len(body), began, caller)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            (logs.HEADER, logs.request_id()),
        ]
        start_response(NEW if is_new else KNOWN, headers)
        return [body]

    def respond_refused(
        self,
        error: Exception,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        began: float,
        caller: Caller | None,
    ) -> Iterable[bytes]:
        """Answer with an error."""
        response = answer(error)
        response.headers[logs.HEADER] = logs.request_id()
        size = response.calculate_content_length() or 0
        self._note(response.status_code, size, began, caller)
        return response(environ, start_response)

    def is_large(self, data: bytes) -> bool:
        """Whether a body is worked at in the lane of large ones."""
        return self._size.is_large(data)

    def check(self, caller: Caller, data: bytes) -> None:
        """Raise for who may not record, and for what must not be parsed."""
        self._provider.require_runnable(caller)
        check_json(data, depth=self._depth)

    def _note(self, status: int, size: int, began: float, caller: Caller | None) -> None:
        seconds = time.perf_counter() - began
        self._metrics.note("POST", PATH, status, seconds)
        if self._logs_access:
            name = None if caller is None else caller.identity
            logs.log_access("POST", PATH, status, size=size, seconds=seconds, caller=name)

    def caller(self, environ: dict[str, Any]) -> Caller:
        """Whose request it is."""
        token = environ.get("HTTP_AUTHORIZATION")
        headers = {} if token is None else {"Authorization": token}
        return self._authenticator.who(_Headers(headers))

    def _record(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        self._queue.enter(caller.identity)
        try:
            self.check(caller, data)
            return self._provider.run(caller, data)
        finally:
            self._queue.leave(caller.identity)


def body_of(environ: dict[str, Any], length: int) -> bytes:
    """The body of a request; raises Malformed for one that is not whole."""
    try:
        data: bytes = environ["wsgi.input"].read(length)
    except Exception:  # each WSGI server has its own
        data = b""
    if len(data) != length:
        raise Malformed("The request's body is cut off or badly framed; send it again.")
    return data


class _SentRequest(NamedTuple):
    """A request that the recording process has."""

    environ: dict[str, Any]
    caller: Caller
    data: bytes
    began: float


class WithoutThread:
    """Steps for which nothing has to be waited for: the caller's token is known, its lane has a
    free place, and the recording process was asked a moment ago and did well.

    All but `open` is called by one thread, the main loop of a server, which never waits. What it
    does not take, or cannot finish, goes to a thread as if it had just come: to record it again
    changes nothing.
    """

    def __init__(
        self,
        direct: WithoutFlask,
        provider: RecordBlueprint,
        queue: FairLane,
        recording_process: RecordingProcess,
    ) -> None:
        self._direct = direct
        self._provider = provider
        self._queue = queue
        self._recording_process = recording_process
        self._begun: dict[int, _SentRequest] = {}
        self._connection: RecordingConnection | None = None
        self._goes_well = False
        self._opening = threading.Lock()
        self.served = False
        """Whether a server uses it."""

    def open(self) -> None:
        """Have a connection to the process; called when a thread has had a step recorded by it."""
        if not self._goes_well and self.served:
            with self._opening:
                if self._connection is None:
                    try:
                        self._connection = self._recording_process.new_connection()
                    except OSError:  # without a descriptor there is none
                        return
                self._goes_well = True

    @property
    def handle(self) -> int | None:
        """The descriptor that replies come from; None while there is no connection."""
        return None if self._connection is None else self._connection.fileno()

    def wants(self, data: bytes | bytearray) -> bool:
        """Whether a request that begins like this may be one to `begin` with."""
        return self._goes_well and data.startswith(HEAD)

    def begin(self, environ: dict[str, Any]) -> int | None:
        """Have a step recorded; the number of the reply. None for what is for a thread."""
        length, connection = self._direct.length(environ), self._connection
        if length is None or connection is None:
            return None
        began = time.perf_counter()
        with logs.answering(environ), not_asking():
            try:
                data = body_of(environ, length)
                environ["wsgi.input"] = BytesIO(data)  # of a thread, perhaps
                if self._direct.is_large(data):
                    return None
                caller = self._direct.caller(environ)
                self._direct.check(caller, data)
            except (MustAsk, BraidError):
                return None
            if not self._queue.enter_at_once(caller.identity):
                return None
            number = connection.ask(caller, data)
        self._begun[number] = _SentRequest(environ, caller, data, began)
        return number

    def send(self) -> bool:
        """Send what was begun to the process; False while there is no room for some of it."""
        return self._connection is None or self._connection.send()

    def finished(self) -> tuple[list[tuple[int, Respond | None]], bool]:
        """The numbers of steps that are done, with what answers each, or None for one that is for
        a thread; and whether the process goes on. `hang_up` if it does not."""
        if self._connection is None:
            return [], False
        try:
            replies = self._connection.replies()
        except OSError:
            return [(number, None) for number in [*self._begun] if self._ended(number)], False
        told = ((reply.number, reply, self._ended(reply.number)) for reply in replies)
        return [
            (number, None if reply.error == NEEDS_GROUPS else partial(self._respond, begun, reply))
            for number, reply, begun in told
            if begun
        ], True

    def overdue(self) -> list[tuple[int, Respond | None]]:
        """As `finished`, those that have taken too long; the process is ended then."""
        since = time.perf_counter() - self._recording_process.wait_seconds
        late = [number for number, begun in self._begun.items() if begun.began < since]
        if late and self._connection is not None:
            threading.Thread(target=self._connection.give_up, name="giving up", daemon=True).start()
        ended = ((number, self._ended(number)) for number in late)
        error = StoreUnavailable(TOO_LONG)
        return [(n, partial(self._respond_refused, begun, error)) for n, begun in ended if begun]

    def hang_up(self) -> None:
        """Close the connection, which nobody may be waiting for any more."""
        with self._opening:
            self._goes_well = False
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ended(self, number: int) -> _SentRequest | None:
        if (begun := self._begun.pop(number, None)) is not None:
            self._queue.leave(begun.caller.identity)
        return begun

    def _respond(
        self, begun: _SentRequest, reply: RecordReply, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        try:
            recorded = self._provider.answered(begun.caller, begun.data, answer_of(reply))
        except Exception as error:
            # Whether the store is lost is looked at by threads, which open it anew.
            self._goes_well = self._goes_well and not isinstance(error, StoreUnavailable)
            return self._respond_refused(begun, error, start_response)
        with logs.answering(begun.environ):
            return self._direct.respond_recorded(
                *recorded, start_response, begun.began, begun.caller
            )

    def _respond_refused(
        self, begun: _SentRequest, error: Exception, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        with logs.answering(begun.environ):
            return self._direct.respond_refused(
                error, begun.environ, start_response, begun.began, begun.caller
            )
