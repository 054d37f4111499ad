"""Recording from HPC jobs: MPI ranks, aggregators, spool files."""
