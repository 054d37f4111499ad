"""Recording in a process of its own, beside the worker that speaks HTTP.

The worker's threads share one interpreter, and the databases' drivers hand it over at every
statement, so sixteen threads that record take turns more than they work, and each waits for a
commit of its own. One process that takes all waiting requests, asks the store about them together
and writes them in one commit does more: on SQLite, and on PostgreSQL several times as much.

The process takes what waits in groups of bounded size, in which the identities take turns, so
that nobody waits for somebody else's many (`process`). Requests that are large go to a lane
of their own before they come here (`action_provider.lanes`).
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping

import msgspec

from action_provider.auth import Caller
from action_provider.child_process import Child, ChildConnection
from action_provider.errors import error_named
from action_provider.framing import CHUNK, framed, taken
from action_provider.logs import request_id
from action_provider.providers.record.actions import RecordAnswer
from action_provider.recording_process.messages import RecordReply, RecordRequest
from provenance_store.errors import StoreUnavailable

__all__ = ["NEEDS_GROUPS", "RecordingConnection", "RecordingProcess", "answer_of"]

NEEDS_GROUPS = "NeedsGroups"
"""The process cannot ask Globus on the caller's behalf; the worker does, and asks again."""
TOO_LONG = "Recording takes too long; send the request again."
MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 28), "MALLOC_TOP_PAD_": str(1 << 22)}
"""Tells glibc to keep memory that was freed: SQLite needs some 100 kB for each list that a question
compares with, and to give it back and take it anew costs more than to answer the question."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(RecordReply).decode


class RecordingProcess(Child):
    """`RecordActions.run` in another process, started at once, and again when it has ended."""

    module = "action_provider.recording_process.process"
    memory = MEMORY

    def __init__(self, store_url: str, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(store_url, environ)
        self._connection: RecordingConnection | None = None
        self.begin()

    def run(self, caller: Caller, data: bytes) -> RecordAnswer:
        """As `RecordActions.run`. Raises StoreUnavailable when the process ends while it records.

        Asking again is safe then: a request that was recorded is answered as before.
        """
        reply = self._ask(caller, caller.known_groups, data)
        if reply.error == NEEDS_GROUPS:
            reply = self._ask(caller, caller.groups, data)
        return answer_of(reply)

    def new_connection(self) -> RecordingConnection:
        """The one connection to the process; raises OSError when there can be none."""
        self._connection = RecordingConnection(self, self._connect())
        return self._connection

    def close(self) -> None:
        super().close()
        if self._connection is not None:
            self._connection.close()

    def _ask(self, caller: Caller, groups: frozenset[str] | None, data: bytes) -> RecordReply:
        request = _encode(_request_of(caller, groups, data))
        try:
            try:
                return _decode(self._exchange(request))
            except ConnectionError:  # The process may have ended long ago; a new one is asked once.
                return _decode(self._exchange(request))
        except BlockingIOError:  # Asking again would only make it wait for longer.
            raise StoreUnavailable(TOO_LONG) from None
        except OSError:
            raise StoreUnavailable("Recording was interrupted; send the request again.") from None


class RecordingConnection:
    """Asks the process about any number of requests at a time, for one thread that never waits.

    So the worker is woken once for all that were recorded together, and the process once for all
    that came together.
    """

    def __init__(
        self,
        recording_process: RecordingProcess,
        connection: ChildConnection,
    ) -> None:
        connection.socket.setblocking(False)
        self._recording_process = recording_process
        self._process = connection.process
        self._socket = connection.socket
        self._unsent = bytearray()
        self._come = bytearray()
        self._numbers = itertools.count(1)

    def fileno(self) -> int:
        """The descriptor that can be read from when there are replies."""
        return self._socket.fileno()

    def ask(self, caller: Caller, data: bytes) -> int:
        """Ask with the next `send`; the number of the reply."""
        number = next(self._numbers)
        self._unsent += framed(_encode(_request_of(caller, caller.known_groups, data, number)))
        return number

    def send(self) -> bool:
        """Send what is asked, as far as there is room for it; whether that was all. Whoever reads
        the replies sees that the process is gone."""
        while self._unsent:
            try:
                del self._unsent[: os.write(self._socket.fileno(), self._unsent)]
            except BlockingIOError:
                return False
            except OSError:
                self._unsent.clear()
        return True

    def replies(self) -> list[RecordReply]:
        """Those that have come; raises OSError when no more will come."""
        try:
            if not (piece := os.read(self._socket.fileno(), CHUNK)):
                raise ConnectionError("the recording process is gone")
        except BlockingIOError:
            return []
        self._come += piece
        return [_decode(message) for message in taken(self._come)]

    def give_up(self) -> None:
        """End the process, which takes too long; that may be waited for."""
        self._recording_process.end(self._process)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _request_of(
    caller: Caller, groups: frozenset[str] | None, data: bytes, number: int = 0
) -> RecordRequest:
    return RecordRequest(
        caller.identity,
        list(caller.identities),
        None if groups is None else list(groups),
        caller.reader_group,
        data,
        time.monotonic(),
        request_id(),
        number,
    )


def answer_of(reply: RecordReply) -> RecordAnswer:
    """What a reply says; raises the error that it tells of."""
    if reply.error is not None:
        raise error_named(reply.error, reply.message, reply.choices)
    return RecordAnswer(reply.document, reply.is_new, reply.records, reply.steps)
