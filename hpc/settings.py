"""What `hpc` reads from the environment."""

from __future__ import annotations

from provenance_store.settings import Setting, bounded_int

__all__ = [
    "BATCH_MILLISECONDS",
    "BATCH_RECORDS",
    "BUFFER_MB",
    "LAUNCHER_VARIABLES",
    "RETRY_SECONDS",
    "SETTINGS",
    "SPOOL",
    "SPOOL_FILE_MB",
    "WAIT_SECONDS",
]

SPOOL = Setting(
    "BRAID_SPOOL",
    "braid-spool",
    "Folder for what cannot be delivered; `braid spool load` brings it into a store.",
    str,
)
SPOOL_FILE_MB = Setting(
    "BRAID_SPOOL_FILE_MB",
    16,
    "Size from which on a spool file is finished and another one begun, in MB.",
    bounded_int(1, 1024),
)
BATCH_RECORDS = Setting(
    "BRAID_BATCH_RECORDS",
    1000,
    "Records that a rank or a spool writer gathers before it sends or writes them.",
    bounded_int(1, 100_000),
)
BATCH_MILLISECONDS = Setting(
    "BRAID_BATCH_MS",
    1000,
    "Time after which gathered records go although they are few, in milliseconds; looked at "
    "whenever something is recorded, and in a child process of a script also when nothing is.",
    bounded_int(1, 3_600_000),
)
BUFFER_MB = Setting(
    "BRAID_RANK_BUFFER_MB",
    64,
    "How much a rank may have under way to its aggregator, in MB; when it is full, the rank "
    "waits for BRAID_RANK_WAIT_SECONDS and then writes to its spool folder.",
    bounded_int(1, 65_536),
)
WAIT_SECONDS = Setting(
    "BRAID_RANK_WAIT_SECONDS",
    10,
    "How long a rank waits for a sign of life from its aggregator, or a remote recorder for its "
    "server, before it writes to its spool folder, in seconds.",
    bounded_int(0, 86_400),
)
RETRY_SECONDS = Setting(
    "BRAID_AGGREGATOR_RETRY_SECONDS",
    5,
    "How long an aggregator goes on trying to reach its store before it tells the ranks to "
    "spool, in seconds; afterwards it tries again as often.",
    bounded_int(0, 86_400),
)

LAUNCHER_VARIABLES: tuple[tuple[Setting[int | None], Setting[int | None]], ...] = tuple(
    (
        Setting(rank, None, "Rank of this process; set by the MPI launcher.", int),
        Setting(ranks, None, "Number of processes; set by the MPI launcher.", int),
    )
    for rank, ranks in (
        ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, Cray MPI, srun --mpi=pmi2
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
        ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),  # MVAPICH
        ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),  # srun --mpi=pmix
    )
)
"""By launcher, where it says which process this is, and of how many."""

SETTINGS: tuple[Setting[int] | Setting[str], ...] = (
    SPOOL,
    SPOOL_FILE_MB,
    BATCH_RECORDS,
    BATCH_MILLISECONDS,
    BUFFER_MB,
    WAIT_SECONDS,
    RETRY_SECONDS,
)
"""What `hpc` reads from the environment."""
