"""Handles and recorders that travel: pickled in one process, used in another.

A handle is pickled as its URN, kind and name; what arrives has no recorder behind it. Any
Recorder takes it as a dependency, and `Recorder.update`, `finish`, `add` … take it as subject.

Of a recorder it is said where it records; what arrives records there with an origin of its own.
However often it is sent to a process, it is opened there once. A forked child has it already.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from provenance_store.enums import Kind
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.ids import (
    MAX_ORIGIN_NO,
    MAX_SEQUENCE,
    SEQUENCE_BITS,
    Urn,
    make_id,
    new_uuid,
    parse_id,
    urn_of,
)
from provenance_store.processes import Forkable, watch
from provenance_store.rows import OriginRow
from provenance_store.sink import Sink

if TYPE_CHECKING:
    from provenance_store.batch import Batch
    from provenance_store.handles import Record
    from provenance_store.recording.recorder import Recorder

__all__ = ["arrived", "sent"]

FIRST_NUMBER = (MAX_ORIGIN_NO + 1) // 2
"""Numbers of travelled origins begin where no store gets to, so that a handle that arrived is
never taken for one made here."""
NAMED_NUMBER = MAX_ORIGIN_NO
"""That of references by name, see `Sink.named`."""


class _Elsewhere(Sink):
    """Numbers the origins of handles that arrived; nothing can be written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[str, int] = {}
        self._uuids: list[str] = []
        self._named: list[str] = []

    def register(self) -> OriginRow:
        raise _not_here()

    def resolve(self, reference: str) -> int:
        if not reference.startswith(
            ("urn:", "URN:")
        ):  # whoever sent it could not ask a store which record that is
            with self._lock:
                self._named.append(reference)
                return make_id(NAMED_NUMBER, len(self._named))
        parsed = parse_id(reference)
        if not isinstance(parsed, Urn):
            raise InvalidInput(
                f"{reference} is a short id, valid only in its own store; give the full URN."
            )
        number = self._numbers.get(parsed.origin)
        if number is None:
            with self._lock:
                number = self._numbers.get(parsed.origin)
                if number is None:
                    number = FIRST_NUMBER + len(self._uuids)
                    self._uuids.append(parsed.origin)
                    self._numbers[parsed.origin] = number
        return make_id(number, parsed.sequence)

    def urn(self, record_id: int) -> str:
        if record_id >> SEQUENCE_BITS == NAMED_NUMBER:
            return self._named[(record_id & MAX_SEQUENCE) - 1]
        place = (record_id >> SEQUENCE_BITS) - FIRST_NUMBER
        if not 0 <= place < len(self._uuids):
            raise NotFound("This id did not arrive from another process.")
        return urn_of(self._uuids[place], record_id & MAX_SEQUENCE)

    def write(self, batch: Batch) -> None:
        raise _not_here()


def _not_here() -> InvalidInput:
    return InvalidInput(
        "This record came from another process and has no recorder here; "
        "call a recorder's method with it, such as recorder.update(version, [...])."
    )


@functools.cache
def _elsewhere() -> Recorder:
    from provenance_store.recording.recorder import Recorder

    return Recorder(_Elsewhere(), environment=None)


def arrived(
    handle: Callable[..., Record],
    kind: int,
    name: str,
    urn: str,
    line: str | None = None,
    *rest: Any,
) -> Record:
    """The handle of a record of another process; `line` is the URN of a model version's line."""
    recorder = _elsewhere()
    values = (recorder.sink.resolve(urn), Kind(kind), name, recorder)
    if line is None:
        return handle(*values)
    return handle(*values, recorder.sink.resolve(line), *rest)


class _Travelled(Forkable):
    """The sinks of this process that were sent to others or came from there, by their tickets."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sent: weakref.WeakValueDictionary[str, Sink] = weakref.WeakValueDictionary()
        self._tickets: weakref.WeakKeyDictionary[Sink, str] = weakref.WeakKeyDictionary()
        self._opened: dict[str, Sink] = {}
        watch(self)

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()

    def ticket(self, sink: Sink) -> str:
        """What another process is to know it by."""
        with self._lock:
            ticket = self._tickets.setdefault(sink, new_uuid())
            self._sent[ticket] = sink
            return ticket

    def sink(self, ticket: str, opener: Callable[..., Sink], *where: Any) -> Sink:
        """The sink with that ticket; it is opened when it is not here. It stays open until the
        process ends: the next task comes with the same ticket."""
        with self._lock:
            sink = self._sent.get(ticket)
            if sink is None:
                sink = self._opened[ticket] = self._sent[ticket] = opener(*where)
                self._tickets[sink] = ticket
            return sink


_travelled = _Travelled()


def sent(sink: Sink, opener: Callable[..., Sink], *where: Any) -> tuple[Any, ...]:
    """How a sink is pickled that `opener(*where)` opens in another process."""
    return _opened, (_travelled.ticket(sink), opener, *where)


def _opened(ticket: str, opener: Callable[..., Sink], *where: Any) -> Sink:
    return _travelled.sink(ticket, opener, *where)
