"""Recording from HPC jobs: MPI ranks, aggregators, spool files, remote recorders.

::

    with hpc.aggregated("sqlite:///run.db", comm=MPI.COMM_WORLD) as recorder:
        if recorder is not None:  # a worker; aggregators serve until the last worker leaves
            scan = recorder.data("scan-17", uris=["file:///scratch/scan-17.h5"])
"""

from hpc.aggregate import aggregated

__all__ = ["aggregated"]
