"""Recording from HPC jobs: MPI ranks, aggregators, spool files, remote recorders.

::

    with hpc.aggregated("sqlite:///run.db", comm=MPI.COMM_WORLD) as recorder:
        if recorder is not None:  # a worker; aggregators serve until the last worker leaves
            scan = recorder.data("scan-17", uris=["file:///scratch/scan-17.h5"])

    with hpc.spool("spool") as recorder: ...  # files, for `braid spool load`
    with hpc.remote("https://braid.example.org", token) as recorder: ...

A name is imported when it is first asked for. A rank, a spool and a Compute function need msgspec
only; `aggregated` also mpi4py, where it aggregates SQLAlchemy, `remote` globus-sdk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provenance_store.lazy_exports import names_of
from provenance_store.version import VERSION as __version__

if TYPE_CHECKING:
    from hpc.mpi.aggregated import aggregated, workers
    from hpc.remote_sink import remote
    from hpc.spooling.load import Loaded, load_spool
    from hpc.spooling.sink import ClosingRecorder, spool

__all__ = [
    "ClosingRecorder",
    "Loaded",
    "__version__",
    "aggregated",
    "load_spool",
    "remote",
    "spool",
    "workers",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "hpc.mpi.aggregated": ("aggregated", "workers"),
        "hpc.remote_sink": ("remote",),
        "hpc.spooling.load": ("Loaded", "load_spool"),
        "hpc.spooling.sink": ("ClosingRecorder", "spool"),
    },
)
