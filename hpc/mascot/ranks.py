"""Mascot spread over the ranks of an MPI job."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from hpc.mascot.workload import Size, play
from hpc.mpi.aggregated import aggregated, workers
from hpc.mpi.launch import load_mpi
from provenance_store.handles import Record

if TYPE_CHECKING:
    from mpi4py import MPI

    from provenance_store.recording.recorder import Recorder

__all__ = ["play_on_ranks", "wait_for_all"]

PAUSE = 0.0005

logger = logging.getLogger("braid.hpc")


def play_on_ranks(
    url: str,
    size: Size,
    *,
    aggregators: int | Literal["node"] = 1,
    each: bool = False,
    report_every: float | None = None,
) -> float:
    """Record the workload from the workers of COMM_WORLD, each its share; all ranks call it.

    Returns, on every rank, the seconds from when the workers could record until everything was
    durable and the stores closed. Raises ConfigurationError, on all ranks, where `aggregated`
    does. A rank that fails ends the whole job, since the others would wait for its records.
    """
    comm: MPI.Intracomm = load_mpi().COMM_WORLD
    working = workers(comm, aggregators=aggregators)
    begun = None
    with aggregated(
        url, comm, aggregators=aggregators, environment=None, report_every=report_every
    ) as recorder:
        if recorder is not None and working is not None:
            begun = time.perf_counter()
            with _all_or_none(comm):
                _play_share(recorder, size, working, each=each)
    wait_for_all(comm)
    took = 0.0 if begun is None else time.perf_counter() - begun
    longest: float = max(comm.allgather(took))
    return longest


def _play_share(recorder: Recorder, size: Size, comm: MPI.Intracomm, *, each: bool) -> None:
    exchange = _Exchange(comm, recorder)
    play(recorder, size, rank=comm.rank, ranks=comm.size, exchange=exchange, each=each)


class _Exchange:
    """Everybody's records for one's own, rank after rank, as records of this rank's recorder."""

    def __init__(self, comm: MPI.Intracomm, recorder: Recorder) -> None:
        self._comm = comm
        self._recorder = recorder

    def __call__(self, own: Sequence[Record]) -> Sequence[Any]:
        wait_for_all(self._comm)
        everybodys = self._comm.allgather(own)
        return [self._adopted(record) for records in everybodys for record in records]

    def _adopted(self, record: Record) -> Record:
        """The same record with this rank's number, worked out once and not for every link."""
        recorder = self._recorder
        return Record(recorder.id_of(record), record.kind, record.name, recorder)


def wait_for_all(comm: MPI.Intracomm) -> None:
    """A barrier that sleeps: inside MPI's own a rank would keep its core, which another needs."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(PAUSE)


@contextmanager
def _all_or_none(comm: MPI.Intracomm) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        logger.error("Rank %d was stopped, which ends the job.", comm.rank)
        comm.Abort(130)
    except BaseException as error:
        logger.error("Rank %d failed, which ends the job: %s", comm.rank, error)
        comm.Abort(1)
