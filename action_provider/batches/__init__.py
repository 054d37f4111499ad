"""Batches of remote recorders, at ``/api/v1/batches``."""
