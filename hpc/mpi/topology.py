"""MPI, told and loaded; which ranks aggregate for which, and where each aggregator writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from hpc.settings import LAUNCHER_VARIABLES
from provenance_store.errors import ConfigurationError, MissingExtra

__all__ = [
    "Launched",
    "aggregator_by_node",
    "aggregator_by_share",
    "launched",
    "load_mpi",
    "shard_url",
]


class Launched(NamedTuple):
    """Which of how many processes of a job this is."""

    rank: int
    ranks: int


def launched() -> Launched | None:
    """The place of this process in the job that `mpiexec`, `mpirun` or `srun` started.

    None for a process that was started by itself, and for a job of one: neither needs mpi4py.
    """
    for rank, ranks in LAUNCHER_VARIABLES:
        place, size = rank.get(), ranks.get()
        if place is not None and size is not None and size > 1:
            return Launched(place, size)
    return None


def load_mpi() -> Any:
    """The module `mpi4py.MPI`.

    Raises ConfigurationError where mpi4py or its library is missing, or is not the launcher's:
    then every process of the job would take itself for the only one.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise MissingExtra(
            "hpc.aggregated needs mpi4py and an MPI library: pip install 'braid-provenance[hpc]' "
            f"and, where the system brings none, the mpich wheel ({error}).",
            name="mpi4py",
        ) from error
    told = launched()
    if told is not None and MPI.COMM_WORLD.size == 1:
        raise ConfigurationError(
            f"The launcher started {told.ranks} processes, and each sees itself alone: mpi4py "
            "uses another MPI library. Start the job with the mpiexec of mpi4py's library."
        )
    return MPI


def aggregator_by_share(size: int, aggregators: int) -> list[int]:
    """For each rank its aggregator: so many, each the first of an equal share of the ranks."""
    if not 1 <= aggregators <= size // 2:
        raise ConfigurationError(
            f"{size} ranks can have 1 to {size // 2} aggregators, each with a worker; "
            f"{aggregators} were asked for."
        )
    first = [place * size // aggregators for place in range(aggregators)]
    return [max(rank for rank in first if rank <= each) for each in range(size)]


def aggregator_by_node(first_on_node: Sequence[int]) -> list[int]:
    """For each rank its aggregator: the first of its node, given for each rank.

    A rank alone on its node works for the first aggregator there is; where all are alone, for
    rank 0.
    """
    sizes = Counter(first_on_node)
    shared = [rank for rank in sorted(sizes) if sizes[rank] > 1] or [0]
    return [rank if rank in shared else shared[0] for rank in first_on_node]


def shard_url(url: str, place: int, shards: int) -> str:
    """Where an aggregator writes: ``run.db`` becomes ``run-0.db`` when there are several shards.

    On PostgreSQL all write to the same database.
    """
    if shards == 1:
        return url
    from provenance_store.sql.dialects import read_url

    parsed = read_url(url)
    if parsed.get_backend_name() != "sqlite":
        return url
    file = PurePath(parsed.database or "")
    shard = file.with_name(f"{file.stem}-{place}{file.suffix}")
    return parsed.set(database=str(shard)).render_as_string(hide_password=False)
