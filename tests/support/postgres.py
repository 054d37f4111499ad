"""A real PostgreSQL server for tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar, Self

from tools import postgres

__all__ = ["PostgresServer"]

URL_VARIABLE = "TEST_POSTGRES_URL"


class PostgresServer(postgres.PostgresServer):
    """One whose data nobody misses; where TEST_POSTGRES_URL names a server, that one."""

    settings: ClassVar[Mapping[str, str]] = {
        "fsync": "off",
        "max_connections": "200",
        "shared_buffers": "64MB",
    }

    @classmethod
    def find(cls) -> Self | None:
        if url := os.environ.get(URL_VARIABLE):
            return cls(None, url)
        return super().find()
