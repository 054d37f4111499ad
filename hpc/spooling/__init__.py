"""Spool files: batches on disk, for nodes without network and MPI."""
