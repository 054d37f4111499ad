"""The aggregator: takes batches from ranks, commits many at once, and answers when durable."""

from __future__ import annotations

import gc
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
from types import FrameType

from mpi4py import MPI

from hpc.mpi.inbox import Arrived, Inbox
from hpc.mpi.messages import Acknowledgement, Tag, encode_answers
from hpc.mpi.rank_liveness import RankLiveness
from hpc.settings import RETRY_SECONDS
from provenance_store.batch import Batch
from provenance_store.display import counted
from provenance_store.errors import Conflict, InvalidInput, StoreUnavailable
from provenance_store.rows import OriginRow
from provenance_store.service import StoreService
from provenance_store.sink import is_this_version
from provenance_store.sinks.database import BatchRefused
from provenance_store.store import Store

__all__ = ["Aggregator"]

LONGEST_PAUSE = 0.002
"""Seconds between two looks for messages: a rank that waits for an answer waits no longer for
that, and an idle aggregator takes little of a core."""
LAST_SECONDS = 2.0
ENDING = (signal.SIGTERM, signal.SIGINT)
NAMES_SECONDS = 2.0
"""How long a batch waits for what it names; then it is written without."""
EARLY_EVERY = 0.1
"""Seconds."""

logger = logging.getLogger("braid.hpc")


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
        self._service = None if store is None else StoreService(store)
        self._reopen = reopen
        others = (rank for rank, row in enumerate(members) if not is_this_version(row))
        self._inbox = Inbox(comm, frozenset(others))
        self._early: list[Arrived] = []
        """Batches that add to a record whose own batch may still be on its way from another rank:
        they are tried again every EARLY_EVERY seconds, for `_retry` seconds."""
        self._next_early = 0.0
        self._sends: list[tuple[bytes, MPI.Request]] = []
        """Answers under way: MPI reads them out of this memory until they have gone."""
        self._retry = float(RETRY_SECONDS.get())
        self._away_until = 0.0
        self._until = math.inf
        self._liveness = RankLiveness(members)
        self._report_every = report_every
        self._next_report = time.monotonic() + (report_every or 0.0)

    def serve(self) -> None:
        """Return when every rank has left, or is known to be dead.

        After SIGTERM and Ctrl-C it goes on for two seconds, while the ranks save what they hold.
        """
        with self._term_postponed(), _rare_collections():
            self._serve()

    def _serve(self) -> None:
        pause = 0.0
        while self._inbox.present and time.monotonic() < self._until:
            group = self._inbox.take()
            if group:
                self._commit(group)
                pause = 0.0
            else:
                self._look_after_the_dead()
                pause = min(pause + 0.0001, LONGEST_PAUSE)
                time.sleep(pause)
            self._commit_early()
            self._report()
        # No rank is left that could bring what these wait for, so nothing is early any more and
        # each gets its answer. Ranks that are left when time is up spool what is not answered.
        self._commit(self._early)

    @contextmanager
    def _term_postponed(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        told: list[signal.Signals] = []

        def note(number: int, frame: FrameType | None) -> None:
            told.append(signal.Signals(number))
            self._until = min(self._until, time.monotonic() + LAST_SECONDS)

        previous = {number: signal.signal(number, note) for number in ENDING}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if told:
            self.close()
            if previous[told[0]] is signal.default_int_handler:
                logger.warning("Aggregator: stopped; what has arrived is in the store.")
                signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own would print a trace
            os.kill(os.getpid(), told[0])

    def close(self) -> None:
        """Let go of the store."""
        if self._service is not None:
            self._service.close()

    # ---- storing ---------------------------------------------------------------------------

    def _commit(self, group: list[Arrived]) -> None:
        """Write a group, and answer for each batch of it.

        A batch that adds to a record whose own batch may still be on its way waits its turn.
        """
        readable = [(each, each.batch) for each in group if each.batch is not None]
        refusals = self._write(
            [batch for _, batch in readable], [self._may_be_named(each) for each, _ in readable]
        )
        answers: dict[int, list[Acknowledgement]] = defaultdict(list)
        for each in group:
            if each.batch is None:
                answers[each.source].append(Acknowledgement(each.number, False, []))
        for (each, batch), refused in zip(readable, refusals, strict=True):
            if self._is_early(each, refused):
                self._early.append(each)
            else:
                answers[each.source].append(self._counted(each, batch, refused))
        self._answer(answers)

    def _counted(self, each: Arrived, batch: Batch, refused: list[BatchRefused]) -> Acknowledgement:
        if not refused:
            self.batches += 1
            self.records += len(batch.record)
            return Acknowledgement(each.number, True, [])
        if isinstance(refused[0].error, StoreUnavailable):
            return Acknowledgement(each.number, False, [])
        logger.error(
            "Rank %d: %d records or additions are refused: %s",
            each.source,
            len(refused),
            refused[0].error.message,
        )
        return Acknowledgement(each.number, False, [part.part for part in refused])

    def _is_early(self, each: Arrived, refused: list[BatchRefused]) -> bool:
        young = time.monotonic() - each.since < self._retry
        adds = any(isinstance(part.error, InvalidInput) for part in refused)
        return adds and young and bool(self._inbox.present)

    def _may_be_named(self, each: Arrived) -> bool:
        """Whether what is named in a batch may still be on its way from another rank."""
        patience = min(NAMES_SECONDS, self._retry / 2)
        return time.monotonic() - each.since < patience and bool(self._inbox.present)

    def _commit_early(self) -> None:
        if self._early and time.monotonic() > self._next_early:
            self._next_early = time.monotonic() + EARLY_EVERY
            early, self._early = self._early, []
            self._commit(early)

    def _write(self, batches: Sequence[Batch], patient: Sequence[bool]) -> list[list[BatchRefused]]:
        """Write with patience; StoreUnavailable for each when the store stays away. A batch that is
        `patient` waits for what it names."""
        until = time.monotonic() + self._retry
        if time.monotonic() < self._away_until:
            return [[BatchRefused(0, StoreUnavailable())]] * len(batches)
        while True:
            try:
                if self._service is None:
                    self._service = StoreService(self._reopen())
                return self._service.write_parts(batches, patient=patient.__getitem__)
            except StoreUnavailable as error:
                if time.monotonic() > until:
                    logger.error("Aggregator: %s The ranks are told to spool.", error.message)
                    self._away_until = time.monotonic() + self._retry
                    return [[BatchRefused(0, error)]] * len(batches)
                time.sleep(0.1)
            except Exception as error:
                if len(batches) == 1:
                    reason = Conflict(f"It cannot be stored ({type(error).__name__}).")
                    return [[BatchRefused(0, reason)]]
                # One of them cannot be stored, and the error does not say which: by itself each
                # is refused alone, and the others are written.
                return [
                    self._write([batch], [one])[0]
                    for batch, one in zip(batches, patient, strict=True)
                ]

    # ---- answering -------------------------------------------------------------------------

    def _answer(self, answers: dict[int, list[Acknowledgement]]) -> None:
        self._sends = [each for each in self._sends if not each[1].Test()]
        for source, told in answers.items():
            data = encode_answers(told)
            request = self._comm.Isend([data, MPI.BYTE], source, Tag.ACK)
            self._sends.append((data, request))

    def _look_after_the_dead(self) -> None:
        for rank in self._liveness.dead(self._inbox.present):
            logger.error("Aggregator: rank %d is dead; going on without it.", rank)
            self._inbox.bury(rank)

    def _report(self) -> None:
        if self._report_every and time.monotonic() > self._next_report:
            self._next_report = time.monotonic() + self._report_every
            sys.stderr.write(
                f"aggregator: {counted(self.records, 'record')} in "
                f"{counted(self.batches, 'batch', 'batches')}, "
                f"{counted(len(self._inbox.present), 'rank')} at work\n"
            )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for cycles rarely: millions of rows pass through here, and none has one."""
    before = gc.get_threshold()
    gc.set_threshold(1_000_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
