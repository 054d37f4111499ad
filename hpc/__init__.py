"""Recording from HPC jobs: MPI ranks, aggregators, spool files, remote recorders.

::

    with hpc.aggregated("sqlite:///run.db", comm=MPI.COMM_WORLD) as recorder:
        if recorder is not None:  # a worker; aggregators serve until the last worker leaves
            scan = recorder.data("scan-17", uris=["file:///scratch/scan-17.h5"])

    with hpc.spool("spool") as recorder: ...  # files, for `braid spool load`
    with hpc.remote("https://braid.example.org", token) as recorder: ...

mpi4py is needed for `aggregated` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpc.aggregate import aggregated, workers
from hpc.spool_load import Loaded, load_spool
from hpc.spool_sink import ClosingRecorder, spool

if TYPE_CHECKING:
    from hpc.remote_sink import remote

__all__ = [
    "ClosingRecorder",
    "Loaded",
    "aggregated",
    "load_spool",
    "remote",
    "spool",
    "workers",
]


def __getattr__(name: str) -> Any:
    """`remote` is imported when it is asked for: it needs globus-sdk, which no rank does."""
    if name == "remote":
        from hpc.remote_sink import remote

        return remote
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
