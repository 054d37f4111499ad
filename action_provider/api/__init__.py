"""The query API at ``/api/v1``."""
