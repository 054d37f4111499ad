"""Recording in a process of its own, beside the worker that speaks HTTP.

The worker's threads share one interpreter, and the databases' drivers hand it over at every
statement, so sixteen threads that record take turns more than they work, and each waits for a
commit of its own. One process that takes all waiting requests, asks the store about them together
and writes them in one commit does more: on SQLite, and on PostgreSQL several times as much.

The process takes what waits in groups of bounded size, in which the identities take turns, so
that nobody waits for somebody else's many (`desk_process`). Requests that are large go to a lane
of their own before they come here (`action_provider.lanes`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from action_provider.auth import Caller
from action_provider.child import Child
from action_provider.errors import error_named
from action_provider.logs import request_id
from action_provider.record.actions import Answer
from action_provider.record.messages import Asking, Reply
from provenance_store.errors import StoreUnavailable

__all__ = ["NEEDS_GROUPS", "Desk"]

NEEDS_GROUPS = "NeedsGroups"
"""The process cannot ask Globus on the caller's behalf; the worker does, and asks again."""
MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 28), "MALLOC_TOP_PAD_": str(1 << 22)}
"""Tells glibc to keep memory that was freed: SQLite needs some 100 kB for each list that a question
compares with, and to give it back and take it anew costs more than to answer the question."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reply).decode


class Desk(Child):
    """`Actions.run` in another process, which is started at once and again when it has ended."""

    module = "action_provider.record.desk_process"
    memory = MEMORY

    def __init__(self, store_url: str, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(store_url, environ)
        self.begin()

    def run(self, caller: Caller, data: bytes) -> Answer:
        """As `Actions.run`. Raises StoreUnavailable when the process ends while it records.

        Asking again is safe then: a request that was recorded is answered as before.
        """
        reply = self._ask(caller, caller.known_groups, data)
        if reply.error == NEEDS_GROUPS:
            reply = self._ask(caller, caller.groups, data)
        if reply.error is not None:
            raise error_named(reply.error, reply.message, reply.choices)
        return Answer(reply.document, reply.is_new, reply.records, reply.steps)

    def _ask(self, caller: Caller, groups: frozenset[str] | None, data: bytes) -> Reply:
        told = None if groups is None else list(groups)
        identities = list(caller.identities)
        since, name = time.monotonic(), request_id()
        asking = _encode(
            Asking(caller.identity, identities, told, caller.reader_group, data, since, name)
        )
        try:
            try:
                return _decode(self._exchange(asking))
            except ConnectionError:  # The process may have ended long ago; a new one is asked once.
                self._hang_up()
                return _decode(self._exchange(asking))
        except BlockingIOError:  # Asking again would only make it wait for longer.
            raise StoreUnavailable("Recording takes too long; send the request again.") from None
        except OSError:
            raise StoreUnavailable("Recording was interrupted; send the request again.") from None
