"""`aggregated`: an MPI job records into a store through a few of its ranks."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hpc.mpi.launch import load_mpi
from hpc.mpi.topology import aggregator_by_node, aggregator_by_share, shard_url
from hpc.settings import SPOOL
from hpc.signals import guard
from provenance_store import processes, redaction
from provenance_store.errors import BraidError, StoreUnavailable
from provenance_store.recording.recorder import Recorder
from provenance_store.rows import OriginRow
from provenance_store.settings import STORE_URL
from provenance_store.sink import new_origin
from provenance_store.values import Audience

if TYPE_CHECKING:
    from mpi4py import MPI

    from provenance_store.store import Store

__all__ = ["aggregated", "store_urls", "workers"]

logger = logging.getLogger("braid.hpc")


@contextlib.contextmanager
def aggregated(
    url: str | None = None,
    comm: MPI.Intracomm | None = None,
    *,
    aggregators: int | Literal["node"] = 1,
    spool: Path | str | None = None,
    run_id: str | None = None,
    audience: Audience | None = None,
    environment: Mapping[str, Any] | str | None = "auto",
    strict: bool = False,
    report_every: float | None = None,
) -> Iterator[Recorder | None]:
    """Record from the ranks of an MPI job; every rank of `comm` must enter and leave the block.

    Worker ranks get a Recorder. Aggregator ranks serve until the last worker has left, and then get
    None; collective calls inside the block are made on the communicator of `workers`. `aggregators`
    is their number; they are spread over the ranks. With ``"node"`` the first rank of every node
    that has more than one is an aggregator. On SQLite several aggregators write a shard each: for
    ``sqlite:///run.db`` these are ``run-0.db``, ``run-1.db`` …, to be merged afterwards. On
    PostgreSQL they share the database. A job of one rank writes straight to the store.

    What cannot be delivered goes to the folder `spool` (default BRAID_SPOOL), and ``braid spool
    load`` brings it in later. Recording never waits longer than BRAID_RANK_WAIT_SECONDS. `comm` is
    COMM_WORLD by default. Every `report_every` seconds an aggregator writes a line to standard
    error. Raises ConfigurationError, on all ranks, if the store cannot be used, no rank is left to
    work, mpi4py is not installed, or mpi4py belongs to another MPI library than the launcher.

    >>> with braid.hpc.aggregated("sqlite:///run.db") as recorder:
    ...     if recorder is not None:  # this rank works, it does not aggregate
    ...         scan = recorder.data("scan-18")
    """
    mpi = load_mpi()
    comm = mpi.COMM_WORLD if comm is None else comm
    url = url or STORE_URL.get()
    about: dict[str, Any] = {
        "run_id": run_id,
        "audience": audience,
        "environment": environment,
        "strict": strict,
    }
    if comm.size == 1:
        with _opened(url) as store:
            yield store.recorder(**about)
        return
    aggregator_of = _aggregator_of(comm, aggregators)
    own = aggregator_of[comm.rank]
    group_comm: Any = comm.Split(own, key=-1 if own == comm.rank else comm.rank)
    process = processes.process
    try:
        shards = sorted(set(aggregator_of))
        if group_comm.rank == 0:
            opener = functools.partial(_opened, url, shards.index(own), len(shards))
            _serve(comm, group_comm, opener, report_every)
            yield None
        else:
            yield from _work(comm, group_comm, spool or SPOOL.get(), about)
    finally:
        if (
            process == processes.process
        ):  # not in a child that leaves the block: MPI is its parent's
            group_comm.Free()


def workers(
    comm: MPI.Intracomm | None = None, *, aggregators: int | Literal["node"] = 1
) -> MPI.Intracomm | None:
    """Make a communicator of the ranks that work when `aggregated` is called with these arguments.

    Use it for collective calls inside the block, in which the aggregators take no part. Every rank
    of `comm` must call it, outside the block; ranks that will aggregate get None.

    >>> group = braid.hpc.workers()
    >>> with braid.hpc.aggregated("sqlite:///run.db") as recorder:
    ...     if recorder is not None:
    ...         epochs = group.bcast(50)
    """
    mpi = load_mpi()
    comm = mpi.COMM_WORLD if comm is None else comm
    works = comm.size == 1 or _aggregator_of(comm, aggregators)[comm.rank] != comm.rank
    made: Any = comm.Split(0 if works else mpi.UNDEFINED, comm.rank)
    return made if works else None


def store_urls(
    url: str, comm: MPI.Intracomm | None = None, *, aggregators: int | Literal["node"] = 1
) -> list[str]:
    """The URLs of the stores that `aggregated` writes to when called the same way.

    One, or on SQLite that of every aggregator's shard. Every rank of `comm` must call it.
    """
    comm = load_mpi().COMM_WORLD if comm is None else comm
    if comm.size == 1:
        return [url]
    shards = len(set(_aggregator_of(comm, aggregators)))
    return list(dict.fromkeys(shard_url(url, place, shards) for place in range(shards)))


def _work(
    comm: MPI.Intracomm, group_comm: MPI.Intracomm, spool: Path | str, about: Mapping[str, Any]
) -> Iterator[Recorder]:
    """The recorder of a rank that works.

    This and `_serve` make the same collective calls in the same order (gather and bcast in the
    group, allgather in all): with one more or less on either side the job hangs.
    """
    from hpc.mpi.rank_sink import MpiSink

    origin = new_origin(group_comm.rank + 1)
    group_comm.gather(origin, root=0)
    _ = redaction.scrub_text  # compiled while the aggregator opens its store, not in the job
    numbers: dict[str, int] = group_comm.bcast(None, root=0)
    _agree(comm, None)
    sink = MpiSink(group_comm, spool, origin._replace(no=numbers[origin.uuid]), known=numbers)
    guard(sink, is_child=False)
    try:
        yield Recorder(sink, **about)
    finally:
        try:
            sink.close()
        except StoreUnavailable as error:
            logger.error("%s", error.message)


def _serve(
    comm: MPI.Intracomm,
    group_comm: MPI.Intracomm,
    opener: Callable[[], Store],
    report_every: float | None,
) -> None:
    """Aggregate for the ranks of a group; the collective calls are those of `_work`, in the same
    order, also where the store cannot be opened."""
    from hpc.mpi.aggregator import Aggregator

    members: list[OriginRow] = group_comm.gather(new_origin(1), root=0) or []
    store, problem = _open(opener)
    group_comm.bcast(_numbers(store, members), root=0)
    try:
        _agree(comm, problem)
    except BaseException:
        if store is not None:
            store.close()
        raise
    aggregator = Aggregator(
        group_comm, store, reopen=opener, members=members, report_every=report_every
    )
    with contextlib.closing(aggregator):
        aggregator.serve()


def _opened(url: str, place: int = 0, shards: int = 1) -> Store:
    """The store of an aggregator. Only the ranks that open one load SQLAlchemy."""
    from provenance_store.opening import open_store

    return open_store(shard_url(url, place, shards))


def _open(opener: Callable[[], Store]) -> tuple[Store | None, BraidError | None]:
    """The store, or what is wrong with it for good; neither when it is only away."""
    try:
        return opener(), None
    except StoreUnavailable as error:
        logger.warning("Aggregator: %s", error.message)
        return None, None
    except BraidError as error:
        return None, error


def _numbers(store: Store | None, members: Sequence[OriginRow]) -> dict[str, int]:
    """The number of each rank's origin: the store's own, so that ids need no renumbering."""
    numbered = [row._replace(no=place + 1) for place, row in enumerate(members)]
    local = {row.uuid: row.no for row in numbered}
    if store is None:
        return local
    try:
        known = store.sink.numbers_of(numbered[1:])
    except StoreUnavailable:
        return local
    return {row.uuid: known[row.no] for row in numbered[1:]}


def _agree(comm: MPI.Intracomm, problem: BraidError | None) -> None:
    """Raise the first problem of any rank on all of them."""
    for found in comm.allgather(problem):
        if found is not None:
            raise found


def _aggregator_of(comm: MPI.Intracomm, aggregators: int | str) -> list[int]:
    """For each rank the rank of its aggregator."""
    if aggregators != "node":
        return aggregator_by_share(comm.size, int(aggregators))
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    first = node.bcast(comm.rank, root=0)
    node.Free()
    return aggregator_by_node(comm.allgather(first))
