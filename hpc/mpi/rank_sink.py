"""The rank's side: batches go to the aggregator, and stay here until it says they are durable.

Everything happens inside calls of the recorder: recording, `flush`, and leaving. There is no
thread, since most MPI libraries are not asked for MPI_THREAD_MULTIPLE; so a rank that computes
for an hour without recording has its last records under way for as long, unless it flushes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mpi4py import MPI

from hpc.buffered_sink import BufferedSink, only
from hpc.mpi.messages import Acknowledgement, Tag, decode_answers, pack, unpack
from hpc.settings import BUFFER_MB, WAIT_SECONDS
from hpc.spool_fallback import SpoolFallback
from hpc.spooling.files import SpoolWriter
from hpc.spooling.sink import KeepingSink
from provenance_store import processes
from provenance_store.errors import StoreUnavailable
from provenance_store.pickling import sent
from provenance_store.rows import OriginRow

__all__ = ["MpiSink"]

AGGREGATOR = 0
LOOK_EVERY = 16
"""At every 16th call acknowledgements are looked for: often enough to free what they acknowledge,
rarely enough that asking MPI costs little beside recording."""
LONGEST_PAUSE = 0.002
"""Seconds between two looks while something is waited for."""
GOODBYE_SECONDS = 1.0
"""The aggregator may have ended; then nobody takes the goodbye, and the job is to end too."""

logger = logging.getLogger("braid.hpc")


class _Sent(NamedTuple):
    message: bytes
    request: MPI.Request

    @property
    def data(self) -> bytes:
        """The batch in the message."""
        return bytes(unpack(self.message)[1])


_under_way: list[_Sent] = []
"""What was left behind in sending: MPI may still read it, out of this process's memory."""


class MpiSink(BufferedSink):
    """Sends batches to rank 0 of a communicator, which is this sink's own.

    A batch is in `_held` until MPI may be called, then in `_sent` until it is acknowledged. When
    the aggregator is silent for too long, what is in either goes into the spool, and what was sent
    moves to `_given_up`, in case it is acknowledged yet. What is acknowledged is in `_completing`
    until MPI has let go of its memory; what is left when this sink closes goes to `_under_way`.
    """

    grace = 0.5
    """Launchers kill all ranks when the first one ends; the others are saving too."""

    def __init__(
        self, comm: MPI.Comm, spool: Path | str, origin: OriginRow, *, known: Mapping[str, int]
    ) -> None:
        self._limit = BUFFER_MB.get() << 20
        keeper = SpoolFallback(SpoolWriter(spool), limit=self._limit, who=f"Rank {comm.rank}")
        super().__init__(keeper, origin, known=known)
        self._comm = comm
        self._wait = float(WAIT_SECONDS.get())
        self._noticed = processes.process  # enlisted already, by `aggregated`
        self._last = 0
        self._held: list[bytes] = []
        self._sent: dict[int, _Sent] = {}
        self._given_up: dict[int, _Sent] = {}
        self._completing: list[_Sent] = []
        self._bytes = 0
        self._calls = 0
        self._any_thread = MPI.Query_thread() == MPI.THREAD_MULTIPLE

    def after_fork_in_child(self) -> None:
        super().after_fork_in_child()
        for messages in (self._sent, self._given_up, self._completing):
            processes.leave_behind(messages)  # MPI is the parent's
        self._held, self._sent, self._given_up, self._completing = [], {}, {}, []
        self._bytes = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return sent(self, KeepingSink, self._keeper.spool.place)

    @property
    def spooling(self) -> bool:
        """Whether the aggregator is silent, and everything goes into the spool.

        It always does in a child of the rank, which cannot use MPI.
        """
        return self._forked or bool(self._given_up)

    # ---- carrier ---------------------------------------------------------------------------

    def _deliver(self, data: bytes) -> None:
        if self.spooling:
            self._keeper.keep(data)
            return
        self._held.append(data)
        self._bytes += len(data)
        self._send_held()
        if self._bytes > self._limit and not self._await(lambda: self._bytes <= self._limit):
            self._give_up()

    def _progress(self) -> None:
        self._calls += 1
        if self._calls % LOOK_EVERY == 0 and (self._sent or self._given_up or self._held):
            self._look()

    def _settle(self) -> None:
        if not self._await(lambda: not (self._held or self._sent)):
            self._give_up()
        self._keeper.settle()

    def _spool_all(self) -> None:
        self._give_up()
        try:
            self._keeper.settle()
        except StoreUnavailable as error:
            logger.error("%s", error.message)
        self._keeper.report()

    def _leave(self) -> None:
        if self._forked:
            return self._keeper.report()
        request = self._comm.Isend([b"", MPI.BYTE], AGGREGATOR, Tag.BYE)
        until = time.monotonic() + GOODBYE_SECONDS
        while not request.Test() and time.monotonic() < until:
            time.sleep(LONGEST_PAUSE)
        undelivered = [*self._given_up.values(), *self._completing]
        _under_way.extend(each for each in undelivered if not each.request.Test())
        self._keeper.report()

    # ---- messages --------------------------------------------------------------------------

    def _may_call(self) -> bool:
        if self._forked:
            return False
        return self._any_thread or MPI.Is_thread_main()

    def _send_held(self) -> None:
        if not self._may_call():
            return
        while self._held:
            data = self._held.pop(0)
            self._last += 1
            message = pack(self._last, data)
            self._bytes += len(message) - len(data)
            request = self._comm.Isend([message, MPI.BYTE], AGGREGATOR, Tag.BATCH)
            self._sent[self._last] = _Sent(message, request)

    def _look(self) -> bool:
        """Send what was held back, and take in acknowledgements; whether there were any."""
        if not self._may_call():
            return False
        self._send_held()
        self._completing = [each for each in self._completing if not each.request.Test()]
        status = MPI.Status()
        heard = False
        while self._comm.Iprobe(AGGREGATOR, Tag.ACK, status):
            message = bytearray(status.Get_count(MPI.BYTE))
            self._comm.Recv([message, MPI.BYTE], AGGREGATOR, Tag.ACK)
            for answer in decode_answers(message):
                self._answered(answer)
            heard = True
        return heard

    def _answered(self, answer: Acknowledgement) -> None:
        if message := self._sent.pop(answer.number, None):
            self._bytes -= len(message.message)
            if not answer.durable:
                data = message.data
                self._keeper.keep(only(data, answer.refused) if answer.refused else data)
        else:
            message = self._given_up.pop(answer.number, None)
            if message and not self._given_up:
                logger.warning("Rank %d: the aggregator answers again.", self._comm.rank)
        if message:
            self._completing.append(message)

    def _await(self, reached: Callable[[], bool]) -> bool:
        """Wait until it is reached; False when the aggregator is silent for too long."""
        until = time.monotonic() + self._wait
        pause = 0.0
        while not reached():
            if self._look():
                until, pause = time.monotonic() + self._wait, 0.0
            elif self._ending or time.monotonic() > until:
                return False
            else:
                pause = min(pause + 0.0001, LONGEST_PAUSE)
                time.sleep(pause)
        return True

    def _give_up(self) -> None:
        """Put all that is not acknowledged into the spool.

        What was sent may still arrive; then it is there twice, which changes nothing.
        """
        if self._sent and not self._ending:
            logger.warning(
                "Rank %d: the aggregator has not answered for %g s; writing to %s.",
                self._comm.rank,
                self._wait,
                self._keeper.spool.directory,
            )
        for message in self._sent.values():
            self._keeper.keep(message.data)
        for data in self._held:
            self._keeper.keep(data)
        self._given_up.update(self._sent)
        self._sent.clear()
        self._held.clear()
        self._bytes = 0
