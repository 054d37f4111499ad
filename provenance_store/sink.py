"""Where a Recorder's batches go."""

from __future__ import annotations

import itertools
import os
import platform
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from provenance_store import processes
from provenance_store.batch import Batch
from provenance_store.enums import Kind
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS, Urn, make_id, new_uuid, now, parse_id
from provenance_store.rows import MetricRow, OriginRow
from provenance_store.version import VERSION

if TYPE_CHECKING:
    from provenance_store.references import Head

__all__ = [
    "LOOKED_THROUGH",
    "SOON_SECONDS",
    "DelegatingSink",
    "MemorySink",
    "Sink",
    "VersionOf",
    "closing_in",
    "is_this_version",
    "login",
    "new_origin",
    "reached_in",
]


def new_origin(no: int, *, who: str | None = None) -> OriginRow:
    """An origin row for this process: who writes, from where, with which software, since when."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    who = who or login()
    software = f"{program} (braid-provenance {VERSION})"
    return OriginRow(no, new_uuid(), who, platform.node(), os.getpid(), software, now())


def is_this_version(origin: OriginRow) -> bool:
    """Whether an origin is of a process that ran this very version."""
    return origin.software.endswith(f"(braid-provenance {VERSION})")


def login() -> str:
    """The name of the account that this process runs as."""
    try:
        import getpass

        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


SOON_SECONDS = 1.0
"""How long what `Sink.write_soon` took may wait for more."""
LOOKED_THROUGH = 1000
"""Links of a batch up to which it is looked through for cycles: additions are few."""


def closing_in(
    batch: Batch, ids: Sequence[int], record_id: int, *, made_by: bool
) -> frozenset[int]:
    """`Sink.closing` by the links of a batch alone."""
    return frozenset(reached_in(batch, record_id, up=made_by).intersection(ids))


def reached_in(batch: Batch, record_id: int, *, up: bool) -> set[int]:
    """A record and what it derives from (`up`), or what derives from it, by a batch's links."""
    found = {record_id}
    if len(batch.link) > LOOKED_THROUGH:
        return found
    onward: dict[int, list[int]] = {}
    for to_id, from_id, _ in batch.link:
        here, there = (from_id, to_id) if up else (to_id, from_id)
        onward.setdefault(here, []).append(there)
    waiting = [record_id]
    while waiting:
        new = set(onward.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


class VersionOf(NamedTuple):
    """The name, line and number of a model version."""

    name: str
    line_id: int
    version: int


class Sink(ABC, processes.Forkable):
    """A place that takes batches.

    Life cycle: `new_id` and `resolve` as often as needed, `write` for each batch, `flush` when
    everything written must be durable, `close` once. The first `new_id` fixes the origin. In a
    forked child it goes on with an origin of its own and nothing of what the parent gathered;
    ids and names of what the parent recorded stay as they are.
    """

    def __init__(self) -> None:
        self._lock: AbstractContextManager[object] = threading.Lock()
        self._origin: OriginRow | None = None
        self._sequence = itertools.count(1)
        processes.watch(self)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._origin = None
        self._sequence = itertools.count(1)

    def __reduce__(self) -> tuple[Any, ...]:
        raise InvalidInput(
            f"What records into a {type(self).__name__} cannot be sent to another process; "
            "open a store or a recorder there."
        )

    @property
    def numbering(self) -> object:
        """What stands for this way of numbering origins: ids are the same where it is the same."""
        return self

    def new_batch(self) -> Batch:
        """An empty batch to record into."""
        processes.check()
        return Batch()

    @property
    def origin(self) -> OriginRow:
        """The writing session, registered at first use."""
        if self._origin is None:
            with self._lock:
                if self._origin is None:
                    self._origin = self.register()
        return self._origin

    def new_id(self) -> int:
        """The next id of this origin; never the same twice, from any thread."""
        sequence = next(self._sequence)
        if sequence > MAX_SEQUENCE:
            raise OverflowError("This session has handed out all its ids; open the store again.")
        return (self._origin or self.origin).no << SEQUENCE_BITS | sequence

    @abstractmethod
    def register(self) -> OriginRow:
        """Make the origin known where the batches go, and say under which number."""

    @abstractmethod
    def resolve(self, reference: str) -> int:
        """The id, as this sink numbers origins, of a URN or short id, and of what else names a
        record (see `references`) where this sink can ask a store.

        Raises InvalidInput if it cannot, NotFound if it names nothing known here.
        """

    @abstractmethod
    def urn(self, record_id: int) -> str:
        """The permanent name of an id that this sink numbered."""

    def travelling(self, record_id: int) -> str:
        """What stands for a record in other processes."""
        return self.urn(record_id)

    def later(self, table: str, key: tuple[Any, ...], at: int) -> int:
        """A time to say something now: `at`, or if this sink knows of a later word on the same
        thing, just behind that. A clock that was set back must not make this word lose.

        `table` and `key` are ``"tag", (record_id, name)``, ``"alias", (line_id, name)``,
        ``"mark", (record_id,)`` or ``"run", (run_id,)``.
        """
        return at

    def run_known(self, run_id: str) -> Sequence[Any] | None:
        """What is said of a run, in the order of an event's fields from ``flow_id`` on; None where
        nothing is, or that is not known here."""
        return None

    def closing(
        self, batch: Batch, ids: Sequence[int], record_id: int, *, made_by: bool
    ) -> frozenset[int]:
        """Those of `ids` with which a record would derive from itself, were it linked to them, or
        with `made_by` they to it: as far as this sink can see. `batch` is what waits to be written.
        """
        return closing_in(batch, ids, record_id, made_by=made_by)

    def kind_of(self, record_id: int) -> Kind | None:
        """What a record is, if this sink knows."""
        return None

    def version_of(self, record_id: int) -> VersionOf | None:
        """What is known of a model version; None where that is not known here, or it is none."""
        return None

    def heads(self, name: str) -> list[Head] | None:
        """The versions of models of a name that none revises, the newest first, with those that
        failed only where there is no other; None where that cannot be known here."""
        return None

    def named(self, record_id: int) -> str | None:
        """The reference that an id stands for until a store is asked which record it names; None
        for the id of a record."""
        return None

    all_or_nothing = False
    """Whether nobody goes on with a batch after a call that raised."""

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Take a batch, whole or not at all."""

    def write_soon(self, batch: Batch) -> None:
        """Take a batch of which there are many in a short time: points of a curve.

        What comes within a second may become durable together, then or with `flush`.
        """
        self.write(batch)

    def points(self, rows: Sequence[MetricRow]) -> Sequence[MetricRow]:
        """What stands at the places of these points of curves already, as far as is known here."""
        return ()

    def flush(self) -> None:
        """Return when everything written is durable."""

    def close(self) -> None:
        """Flush and let go of files and connections."""


class DelegatingSink(Sink):
    """Ids and names of another sink, with a way of writing of its own."""

    def __init__(self, behind: Sink) -> None:
        self._behind = behind  # which is told about forks; there is nothing of its own to mend

    @property
    def origin(self) -> OriginRow:
        return self._behind.origin

    @property
    def numbering(self) -> object:
        return self._behind.numbering

    def register(self) -> OriginRow:
        return self._behind.register()

    def new_id(self) -> int:
        return self._behind.new_id()

    def resolve(self, reference: str) -> int:
        return self._behind.resolve(reference)

    def urn(self, record_id: int) -> str:
        return self._behind.urn(record_id)

    def travelling(self, record_id: int) -> str:
        return self._behind.travelling(record_id)

    def later(self, table: str, key: tuple[Any, ...], at: int) -> int:
        return self._behind.later(table, key, at)

    def run_known(self, run_id: str) -> Sequence[Any] | None:
        return self._behind.run_known(run_id)

    def closing(
        self, batch: Batch, ids: Sequence[int], record_id: int, *, made_by: bool
    ) -> frozenset[int]:
        return self._behind.closing(batch, ids, record_id, made_by=made_by)

    def kind_of(self, record_id: int) -> Kind | None:
        return self._behind.kind_of(record_id)

    def version_of(self, record_id: int) -> VersionOf | None:
        return self._behind.version_of(record_id)

    def heads(self, name: str) -> list[Head] | None:
        return self._behind.heads(name)

    def named(self, record_id: int) -> str | None:
        return self._behind.named(record_id)

    def points(self, rows: Sequence[MetricRow]) -> Sequence[MetricRow]:
        return self._behind.points(rows)


class MemorySink(Sink):
    """Keeps batches in memory: the in-memory twin for tests and for building a batch to send."""

    def __init__(self, *, origin: OriginRow | None = None) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self._given = origin
        self._numbers: dict[str, int] = {}

    def after_fork_in_child(self) -> None:
        super().after_fork_in_child()
        self.batches = []
        self._given = None

    def register(self) -> OriginRow:
        origin = self._given or new_origin(max(self._numbers.values(), default=0) + 1)
        self._numbers[origin.uuid] = origin.no
        return origin

    def resolve(self, reference: str) -> int:
        parsed = parse_id(reference)
        if not isinstance(parsed, Urn):
            return make_id(*parsed)
        self.origin  # noqa: B018 - takes its number first
        following = max(self._numbers.values()) + 1
        number = self._numbers.setdefault(parsed.origin, following)
        return make_id(number, parsed.sequence)

    def urn(self, record_id: int) -> str:
        number, sequence = record_id >> 32, record_id & MAX_SEQUENCE
        own = self.origin
        for uuid, known in ((own.uuid, own.no), *self._numbers.items()):
            if known == number:
                return str(Urn(uuid, sequence))
        raise NotFound(f"This store has no origin {number}.")

    def write(self, batch: Batch) -> None:
        self.batches.append(batch)

    @property
    def batch(self) -> Batch:
        """Everything written so far as one batch that can travel."""
        whole = Batch.merged(self.batches)
        whole.origin.append(self.origin)
        return whole
