"""What the command line reads from the environment."""

from __future__ import annotations

from provenance_store.settings import Setting, optional_text

__all__ = ["JOB_VARIABLES", "SETTINGS"]

SERVER: Setting[str | None] = Setting(
    "BRAID_SERVER",
    None,
    "Address of a Braid server, such as https://braid.example.org; reading commands then ask "
    "its query API instead of a store.",
    optional_text,
)
SERVER_SCOPE: Setting[str | None] = Setting(
    "BRAID_SERVER_SCOPE",
    None,
    "Globus Auth scope of that server; when unset, the server is asked for it.",
    optional_text,
)
LOGIN_CLIENT_ID: Setting[str | None] = Setting(
    "BRAID_LOGIN_CLIENT_ID",
    None,
    "Globus Auth client that the command line logs in with: a native (thick) client for people, "
    "or a service account together with its secret.",
    optional_text,
)
LOGIN_CLIENT_SECRET: Setting[str | None] = Setting(
    "BRAID_LOGIN_CLIENT_SECRET",
    None,
    "Secret of that client; when set, the command line acts as the service account.",
    optional_text,
)
OFFLINE: Setting[str | None] = Setting(
    "BRAID_OFFLINE",
    None,
    "Any value: `braid flow instrument` and `deploy` ask no server whether it is the provider that "
    "a flow is to call, as with --offline.",
    optional_text,
)
DEBUG: Setting[str | None] = Setting(
    "BRAID_DEBUG",
    None,
    "Any value: show the Python trace after an error's line.",
    optional_text,
)

JOB_VARIABLES: tuple[Setting[str | None], ...] = tuple(
    Setting(
        name, None, "Kept with the steps of `braid exec`; set by the batch system.", optional_text
    )
    for name in (
        "SLURM_JOB_ID",
        "SLURM_JOB_NAME",
        "SLURM_CLUSTER_NAME",
        "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_STEP_ID",
        "SLURM_NNODES",
        "SLURM_NTASKS",
        "SLURM_NODEID",
        "SLURM_PROCID",
        "PBS_JOBID",
        "PBS_JOBNAME",
        "LSB_JOBID",
        "LSB_JOBNAME",
        "FLUX_JOB_ID",
        "COBALT_JOBID",
        "OMPI_COMM_WORLD_RANK",
        "PMI_RANK",
        "OMP_NUM_THREADS",
    )
)
"""What a batch system says of a job, and none of which is secret."""

SETTINGS: tuple[Setting[str | None], ...] = (
    SERVER,
    SERVER_SCOPE,
    LOGIN_CLIENT_ID,
    LOGIN_CLIENT_SECRET,
    OFFLINE,
    DEBUG,
    *JOB_VARIABLES,
)
"""What `braid` reads from the environment."""
