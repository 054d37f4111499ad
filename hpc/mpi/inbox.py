"""The aggregator's ear: messages of ranks become batches."""

from __future__ import annotations

import logging
import time
from collections.abc import Set
from dataclasses import dataclass

from mpi4py import MPI

from hpc.mpi.messages import Tag, unpack
from hpc.spooling.load import let_in
from provenance_store.batch import Batch, decode_batch
from provenance_store.errors import InvalidInput

__all__ = ["Arrived", "Inbox"]

GROUP_BYTES = 6 << 20
"""When so many bytes have arrived they are written, so that ranks get an answer in time."""
BATCH_BYTES = 1 << 31
PATIENCE = 0.005
"""Seconds to wait for the next of the messages that are under way."""
LONGEST = 0.2
"""Seconds after which what has arrived is written, however much more is coming."""

logger = logging.getLogger("braid.hpc")


@dataclass(slots=True)
class Arrived:
    """A message of a rank, its number there, and since when it is here; an unreadable one has
    no batch."""

    source: int
    number: int
    batch: Batch | None
    since: float


@dataclass(slots=True)
class _Arriving:
    source: int
    data: bytearray
    request: MPI.Request


class Inbox:
    """Takes messages in without waiting for any one rank.

    `present` are the ranks that have not said goodbye, or whose messages are still arriving.
    What the `others` among them send goes through the gate here too: they run another version,
    whose rules are older, or not known. To do so for all would take longer than to write it.
    """

    def __init__(self, comm: MPI.Comm, others: Set[int] = frozenset()) -> None:
        self.present = set(range(1, comm.size))
        self._comm = comm
        self._others = others
        self._leaving: set[int] = set()
        self._arriving: list[_Arriving] = []
        self._abandoned: list[_Arriving] = []

    def take(self) -> list[Arrived]:
        """What has arrived whole, at most about 6 MB, or what comes in a fifth of a second.

        Large messages move only while MPI is called, so it goes on for as long as any moves:
        what arrives together is one commit.
        """
        whole: list[_Arriving] = []
        size, begun = 0, time.monotonic()
        until = begun + PATIENCE
        while size < GROUP_BYTES and time.monotonic() < min(until, begun + LONGEST):
            self._accept(begun + LONGEST)
            done, self._arriving = _whole_and_under_way(self._arriving)
            whole += done
            size += sum(len(each.data) for each in done)
            if done:
                until = time.monotonic() + PATIENCE
            elif not self._arriving:
                break
        self.present -= self._leaving - {each.source for each in self._arriving}
        return [_decoded(each, gated=each.source in self._others) for each in whole]

    def _accept(self, until: float) -> None:
        """Begin to receive what ranks have sent, at most about 6 MB at a time."""
        status = MPI.Status()
        size = sum(len(each.data) for each in self._arriving)
        while size < GROUP_BYTES and time.monotonic() < until:
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

    def bury(self, rank: int) -> None:
        """Expect nothing more of a rank that is dead."""
        self.present.discard(rank)
        # MPI may still write into these buffers, so they are kept.
        self._abandoned += [each for each in self._arriving if each.source == rank]
        self._arriving = [each for each in self._arriving if each.source != rank]


def _whole_and_under_way(arriving: list[_Arriving]) -> tuple[list[_Arriving], list[_Arriving]]:
    """Those that are here, and those still on their way; one that fails is not acknowledged."""
    done: list[_Arriving] = []
    under_way: list[_Arriving] = []
    for each in arriving:
        try:
            (done if each.request.Test() else under_way).append(each)
        except MPI.Exception as error:
            logger.error("Aggregator: a message of rank %d is lost: %s", each.source, error)
    return done, under_way


def _decoded(each: _Arriving, *, gated: bool) -> Arrived:
    number, data = unpack(each.data)
    batch: Batch | None = None
    try:
        batch = decode_batch(data, limit=BATCH_BYTES)  # type: ignore[arg-type]
        if gated:
            batch = let_in(batch)
    except InvalidInput as error:
        logger.error("Aggregator: rank %d: %s", each.source, error.message)
    return Arrived(each.source, number, batch, time.monotonic())
