"""The job that a launcher started, and the MPI library that its processes load."""

from __future__ import annotations

from typing import Any, NamedTuple

from hpc.settings import LAUNCHER_VARIABLES
from provenance_store.errors import ConfigurationError, MissingExtra

__all__ = ["Launched", "launched", "load_mpi"]


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
