"""What sinks have in common whose batches travel: numbering of origins, gathering, the end."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from hpc.named_references import NamedReferences
from hpc.settings import BATCH_MILLISECONDS, BATCH_RECORDS
from hpc.spool_fallback import SpoolFallback
from provenance_store import processes
from provenance_store.batch import Batch, decode_batch, encode_batch, mentioned_origins
from provenance_store.errors import BraidError, NotFound
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS, Urn, make_id, parse_id, urn_of
from provenance_store.processes import is_worker, run_at_end, run_not_at_end
from provenance_store.references import Head, is_id
from provenance_store.rows import OriginRow
from provenance_store.sink import SOON_SECONDS, Sink, VersionOf, new_origin

__all__ = ["DIVISIONS", "BufferedSink", "halves", "only"]

BATCH_BYTES = 1 << 32
DIVISIONS = 48
"""How often one batch that a server refuses is divided: enough to find four bad records among a
thousand, and the end of a batch of which everything is bad."""


def halves(data: bytes) -> list[bytes]:
    """Two batches with half of the parts each; none for one that has only one part.

    What was recorded together stays together, and the order is kept.
    """
    parts = decode_batch(data, limit=BATCH_BYTES).parted()
    if len(parts) < 2:
        return []
    middle = len(parts) // 2
    return [encode_batch(Batch.joined(some)) for some in (parts[:middle], parts[middle:])]


def only(data: bytes, places: Collection[int]) -> bytes:
    """A batch with only those of the parts that have these places."""
    parts = decode_batch(data, limit=BATCH_BYTES).parted()
    return encode_batch(Batch.joined([parts[place] for place in sorted(places)]))


PIECE_RECORDS = 100
LINKS_A_RECORD = 16
"""So many links, or points of curves, count like one more record when a batch is measured."""

logger = logging.getLogger("braid.hpc")


class BufferedSink(Sink):
    """Gathers what is recorded into batches that carry their origins, and hands each over.

    Life cycle of a record: `write` gathers it; `_seal` encodes what was gathered when it is
    enough or old enough, `_deliver` takes the bytes; `flush` seals and waits for durability;
    `secure` writes everything that is not durable to the spool, quickly, since the process is
    about to be ended. All of these run with `_buffer_lock` held, so an implementation needs no
    lock.

    A process is noticed when it first records. Its end then flushes; and in a child of another
    process, which may be killed at any time once its task is done, what was gathered also goes
    when it is old enough and nothing more is recorded.
    """

    largest = 32 << 20
    """Bytes from which on a batch is divided; what one `Recorder.transaction` made never is."""
    grace = 0.0
    """Seconds that the process goes on after SIGTERM, once everything is saved."""

    def __init__(
        self,
        keeper: SpoolFallback,
        origin: OriginRow | None = None,
        *,
        known: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self._keeper = keeper
        self._given = origin
        self._numbers: dict[str, int] = dict(known or {})
        self._uuids = {number: uuid for uuid, number in self._numbers.items()}
        self._waiting: list[Batch] = []
        self._measure = 0
        self._due = 0.0
        self._sealed_at = -SOON_SECONDS
        self._enough = BATCH_RECORDS.get()
        self._patience = BATCH_MILLISECONDS.get() / 1000
        self._buffer_lock = threading.Lock()
        self._ending = False
        self._travelled = False
        self._noticed = 0
        self._beats = False
        self._forked = False
        self._pulse: threading.Timer | None = None
        self._references = NamedReferences()

    def after_fork_in_child(self) -> None:
        super().after_fork_in_child()
        self._keeper = self._keeper.afresh()
        self._waiting, self._measure = [], 0
        self._buffer_lock = threading.Lock()
        self._ending = False
        # The parent's number stays its own, for handles that it made are used here.
        self._given = None
        self._travelled = bool(self._uuids)
        self._forked = True
        self._pulse = None

    def enlist(self) -> None:
        """See to it that the end of this process, or SIGTERM, finds nothing unsaved."""
        from hpc.signals import guard

        run_at_end(self._close_at_end)
        guard(self, is_child=self._is_child)

    @property
    def _is_child(self) -> bool:
        return self._forked or is_worker()

    def _close_at_end(self) -> None:
        try:
            self.close()
        except BraidError as error:
            logger.error("%s", error.message)

    # ---- numbering of origins ------------------------------------------------------------

    def register(self) -> OriginRow:
        origin = self._given or new_origin(max(self._uuids, default=0) + 1)
        self._numbers[origin.uuid] = origin.no
        self._uuids[origin.no] = origin.uuid
        return origin

    def resolve(self, reference: str) -> int:
        parsed = parse_id(reference) if is_id(reference) else None
        if not isinstance(parsed, Urn):
            return self.asked(reference)
        own = self.origin
        if parsed.origin == own.uuid:
            return make_id(own.no, parsed.sequence)
        self._travelled = True
        return make_id(self._number(parsed.origin), parsed.sequence)

    def asked(self, reference: str) -> int:
        """The id of what a short id, name or URI stands for, where this sink can ask a store; else
        one that stands for the reference until the batch comes to a store."""
        return self._references.add(reference, self.new_id)

    def named(self, record_id: int) -> str | None:
        return self._references.text(record_id)

    def version_of(self, record_id: int) -> VersionOf | None:
        return self._references.version(record_id)

    def heads(self, name: str) -> list[Head] | None:
        named = self.asked(name)
        self._references.version(named)
        return [Head(named, named, 0, name, None)]

    def urn(self, record_id: int) -> str:
        """The permanent name; of a reference that is not looked up yet its text."""
        if (text := self.named(record_id)) is not None:
            return text
        own, number = self.origin, record_id >> SEQUENCE_BITS
        uuid = own.uuid if number == own.no else self._uuids.get(number)
        if uuid is None:
            raise NotFound(f"No origin {number} is known here.")
        return urn_of(uuid, record_id & MAX_SEQUENCE)

    def travelling(self, record_id: int) -> str:
        return self._references.travelling(record_id) or self.urn(record_id)

    def _number(self, uuid: str) -> int:
        if (known := self._numbers.get(uuid)) is not None:
            return known
        with self._lock:
            if uuid not in self._numbers:
                number = max(self._uuids) + 1
                self._uuids[number] = uuid
                self._numbers[uuid] = number
            return self._numbers[uuid]

    def _carried(self, batch: Batch) -> list[OriginRow]:
        """The rows of the origins that a batch mentions; of foreign ones only the UUID."""
        own = self.origin
        if not self._travelled:
            return [own]
        foreign = mentioned_origins(batch) - {own.no}
        blank = [OriginRow(no, self._uuids[no], "", "", 0, "", 0) for no in sorted(foreign)]
        return [own, *blank]

    # ---- gathering -----------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        if self._references:
            self._references.attach(batch, self.new_id)
        with self._buffer_lock:
            if self._noticed != processes.process:
                # Once more: multiprocessing forgets what was enlisted while a task was unpickled.
                self._noticed, self._beats = processes.process, self._is_child
                self.enlist()
            if not self._waiting:
                self._due = time.monotonic() + self._patience
            self._gather(batch)
            if self._measure >= self._enough or time.monotonic() > self._due:
                self._seal()
            self._progress()
            if self._beats and self._waiting and self._pulse is None:
                self._beat()
        if self._ending:
            self._end()

    def write_soon(self, batch: Batch) -> None:
        """A point of a curve goes at once, unless another went less than a second ago: what is
        gathered of a process that is killed is lost."""
        self.write(batch)
        with self._buffer_locked():
            if time.monotonic() >= self._sealed_at + SOON_SECONDS:
                self._seal()

    def _gather(self, batch: Batch) -> None:
        """Add to what waits: in pieces, so that it can be divided, but of many calls each.

        Keeping the thousands of small batches would keep Python's garbage collector busy. What
        was recorded together is kept as counts: loops record the same again and again.
        """
        shape = batch.shape()
        if self._waiting and len(self._waiting[-1].record) < PIECE_RECORDS:
            piece = self._waiting[-1]
            piece.extend(batch)
            count, before = piece.parts[-1]
            if shape == before:
                piece.parts[-1] = (count + 1, shape)
            else:
                piece.parts.append((1, shape))
        else:
            batch.parts = [(1, shape)]
            self._waiting.append(batch)
        small = len(batch.link) + len(batch.metric)
        self._measure += len(batch.record) + small // LINKS_A_RECORD

    def flush(self) -> None:
        """Return when everything recorded is durable: in the store, or in the spool folder.

        Raises StoreUnavailable when it can be put in neither.
        """
        with self._buffer_locked():
            self._seal()
            self._settle()

    def close(self) -> None:
        """Flush, and let go of what is open; what is recorded afterwards opens it again."""
        processes.check()
        run_not_at_end(self._close_at_end)
        try:
            self.flush()
        finally:
            with self._buffer_locked():
                self._noticed = 0
                self._leave()

    def secure(self) -> bool:
        """Put everything that is not durable into the spool; called from a signal handler.

        False when this sink is in the middle of something: it then stops that, and raises the
        signal again as soon as it may be interrupted.
        """
        if not self._buffer_lock.acquire(blocking=False):
            self._ending = True
            return False
        try:
            self._ending = True
            self._seal()
            self._spool_all()
            self._ending = False
        finally:
            self._buffer_lock.release()
        return True

    @contextmanager
    def _buffer_locked(self) -> Iterator[None]:
        with self._buffer_lock:
            yield
        if self._ending:
            self._end()

    def _end(self) -> None:
        self._ending = False
        os.kill(os.getpid(), signal.SIGTERM)

    def _beat(self) -> None:
        """Have what waits sealed when it is old enough, even if nothing more is recorded."""
        self._pulse = threading.Timer(self._patience, self._on_pulse)
        self._pulse.daemon = True
        with suppress(RuntimeError):  # the interpreter is ending, which flushes
            self._pulse.start()

    def _on_pulse(self) -> None:
        with self._buffer_locked():
            self._pulse = None
            self._seal()

    def _seal(self) -> None:
        if not self._waiting:
            return
        self._sealed_at = time.monotonic()
        encoded = self._encoded(self._waiting)
        self._waiting, self._measure = [], 0
        try:
            while encoded:
                self._deliver(encoded[0])
                del encoded[0]
        except BaseException as error:  # also Ctrl-C, while a server is waited for
            for data in encoded:
                self._keeper.keep(data)
            if not isinstance(error, Exception):
                raise
            logger.error("A batch is spooled: it was not delivered (%s).", type(error).__name__)

    def _encoded(self, waiting: Sequence[Batch]) -> list[bytes]:
        """One batch of what waits, or several where one would be too large.

        What cannot be encoded is set aside, with what was recorded together with it.
        """
        try:
            data = self._encode(Batch.joined(waiting))
        except Exception:
            return self._encoded_singly(waiting)
        if len(data) <= self.largest or len(waiting) == 1:
            return [data]
        half = len(waiting) // 2
        return [*self._encoded(waiting[:half]), *self._encoded(waiting[half:])]

    def _encode(self, batch: Batch) -> bytes:
        batch.origin = self._carried(batch)
        return encode_batch(batch)

    def _encoded_singly(self, waiting: Sequence[Batch]) -> list[bytes]:
        good: list[Batch] = []
        encoded: list[bytes] = []
        for part in (part for piece in waiting for part in piece.parted()):
            try:
                encoded.append(self._encode(part))
                good.append(part)
            except Exception as error:
                self._keeper.set_aside(part, error)
        with suppress(Exception):
            return [self._encode(Batch.joined(good))] if good else []
        return encoded

    # ---- for implementations; all with the gate held -----------------------------------------

    @abstractmethod
    def _deliver(self, data: bytes) -> None:
        """Take the bytes of one batch; never raises because they cannot be delivered."""

    def _progress(self) -> None:
        """Do a little for what is under way; called for every record."""

    @abstractmethod
    def _settle(self) -> None:
        """Return when all that was delivered is durable."""

    @abstractmethod
    def _spool_all(self) -> None:
        """Put what is not durable into the spool, at once."""

    def _leave(self) -> None:
        """Let go of what is open."""
