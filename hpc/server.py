"""The aggregator: takes batches from ranks, commits many at once, and answers when durable."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from mpi4py import MPI

from hpc.messages import Tag, encode_answers, unpack
from hpc.settings import RETRY_SECONDS
from hpc.watch import Watch
from provenance_store.batch import Batch, decode_batch
from provenance_store.errors import BraidError, InvalidInput, StoreUnavailable
from provenance_store.rows import OriginRow
from provenance_store.store import Store

__all__ = ["Aggregator"]

GROUP_BYTES = 32 << 20
"""So much is taken in before it is written."""
BATCH_BYTES = 1 << 31
LONGEST_PAUSE = 0.002
LAST_SECONDS = 2.0

logger = logging.getLogger("braid.hpc")


@dataclass(slots=True)
class _Arriving:
    source: int
    data: bytearray
    request: MPI.Request


@dataclass(slots=True)
class _Arrived:
    source: int
    number: int
    batch: Batch
    since: float


class Aggregator:
    """Serves the other ranks of a communicator until the last of them has said goodbye.

    `store` may be None when it could not be reached yet; `reopen` opens it.
    """

    def __init__(
        self,
        comm: MPI.Comm,
        store: Store | None,
        *,
        reopen: Callable[[], Store],
        members: Sequence[OriginRow],
        report_every: float | None = None,
    ) -> None:
        self.batches = 0
        self.records = 0
        self._comm = comm
        self._store = store
        self._reopen = reopen
        self._present = set(range(1, comm.size))
        self._leaving: set[int] = set()
        self._arriving: list[_Arriving] = []
        self._early: list[_Arrived] = []
        self._answers: list[tuple[bytes, MPI.Request]] = []
        self._retry = float(RETRY_SECONDS.get())
        self._away_until = 0.0
        self._until = math.inf
        self._watch = Watch(members)
        self._report_every = report_every
        self._next_report = time.monotonic() + (report_every or 0.0)

    def serve(self) -> None:
        """Return when every rank has left, or is known to be dead.

        After SIGTERM it goes on for two seconds, while the ranks save what they hold.
        """
        with self._term_postponed():
            self._serve()

    def _serve(self) -> None:
        pause = 0.0
        while self._present and time.monotonic() < self._until:
            group = self._take()
            if group:
                self._commit(group)
                pause = 0.0
            else:
                self._idle()
                pause = min(pause + 0.0001, LONGEST_PAUSE)
                time.sleep(pause)
            self._report()
        self._commit([])

    @contextmanager
    def _term_postponed(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            self._until = time.monotonic() + LAST_SECONDS

        previous = signal.signal(signal.SIGTERM, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)
        if self._until != math.inf:
            self.close()
            os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    # ---- receiving -------------------------------------------------------------------------

    def _take(self) -> list[_Arrived]:
        """What has arrived whole, up to a group's size."""
        status = MPI.Status()
        size = sum(len(each.data) for each in self._arriving)
        while size < GROUP_BYTES:
            message = self._comm.Improbe(MPI.ANY_SOURCE, MPI.ANY_TAG, status)
            if message is None:
                break
            data = bytearray(status.Get_count(MPI.BYTE))
            size += len(data)
            request = message.Irecv([data, MPI.BYTE])
            if status.Get_tag() == Tag.BYE:
                self._leaving.add(status.Get_source())
                request.Wait()
            else:
                self._arriving.append(_Arriving(status.Get_source(), data, request))
        done = [each for each in self._arriving if each.request.Test()]
        if done:
            self._arriving = [each for each in self._arriving if each.request]
        arriving = {each.source for each in self._arriving}
        self._present -= self._leaving - arriving
        return [arrived for each in done if (arrived := self._decoded(each))]

    def _decoded(self, each: _Arriving) -> _Arrived | None:
        number, data = unpack(each.data)
        try:
            batch = decode_batch(data, limit=BATCH_BYTES)  # type: ignore[arg-type]
        except InvalidInput as error:
            logger.error("Rank %d: %s", each.source, error.message)
            self._answer({each.source: [(number, False)]})
            return None
        return _Arrived(each.source, number, batch, time.monotonic())

    # ---- storing ---------------------------------------------------------------------------

    def _commit(self, group: list[_Arrived]) -> None:
        """Write a group, and answer for each batch of it."""
        group = [*self._early, *group]
        if not group:
            return
        self._early = []
        refusals = self._write([each.batch for each in group])
        answers: dict[int, list[tuple[int, bool]]] = defaultdict(list)
        for each, refused in zip(group, refusals, strict=True):
            if self._is_early(each, refused):
                self._early.append(each)
                continue
            if refused is None:
                self.batches += 1
                self.records += len(each.batch.record)
            elif not isinstance(refused, StoreUnavailable):
                logger.error("Rank %d: a batch is refused: %s", each.source, refused.message)
            answers[each.source].append((each.number, refused is None))
        self._answer(answers)

    def _is_early(self, each: _Arrived, refused: BraidError | None) -> bool:
        """Whether a batch adds to a record whose own batch may still be on its way."""
        young = time.monotonic() - each.since < self._retry
        return isinstance(refused, InvalidInput) and young and bool(self._present)

    def _write(self, batches: Sequence[Batch]) -> Sequence[BraidError | None]:
        """Write with patience; StoreUnavailable for each when the store stays away."""
        until = time.monotonic() + self._retry
        if time.monotonic() < self._away_until:
            return [StoreUnavailable()] * len(batches)
        while True:
            try:
                if self._store is None:
                    self._store = self._reopen()
                return self._store.write_all(batches)
            except StoreUnavailable as error:
                if time.monotonic() > until:
                    logger.error("Aggregator: %s The ranks are told to spool.", error.message)
                    self._away_until = time.monotonic() + self._retry
                    return [error] * len(batches)
                time.sleep(0.1)
            except Exception as error:
                if len(batches) == 1:
                    return [InvalidInput(f"It cannot be stored ({type(error).__name__}).")]
                return [self._write([batch])[0] for batch in batches]

    # ---- answering -------------------------------------------------------------------------

    def _answer(self, answers: dict[int, list[tuple[int, bool]]]) -> None:
        for source, pairs in answers.items():
            data = encode_answers(pairs)
            request = self._comm.Isend([data, MPI.BYTE], source, Tag.ACK)
            self._answers.append((data, request))

    def _idle(self) -> None:
        self._answers = [each for each in self._answers if not each[1].Test()]
        if self._early:
            self._commit([])
        for rank in self._watch.dead(self._present):
            logger.error("Aggregator: rank %d is dead; going on without it.", rank)
            self._present.discard(rank)
            self._arriving = [each for each in self._arriving if each.source != rank]

    def _report(self) -> None:
        if self._report_every and time.monotonic() > self._next_report:
            self._next_report = time.monotonic() + self._report_every
            sys.stderr.write(
                f"aggregator: {self.records} records in {self.batches} batches, "
                f"{len(self._present)} ranks at work\n"
            )
