"""Recording from MPI jobs: ranks send batches to aggregators, which write."""
