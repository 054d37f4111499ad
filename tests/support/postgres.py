"""A real PostgreSQL server for tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar, Self

import psycopg
from psycopg import sql

from provenance_store import open_store
from tools import postgres

__all__ = ["PostgresServer"]

URL_VARIABLE = "TEST_POSTGRES_URL"
COPIES_FILES = 150_000
"""Since this version a database is copied through the log, unless one asks for what is faster."""


class PostgresServer(postgres.PostgresServer):
    """One whose data nobody misses; where TEST_POSTGRES_URL names a server, that one."""

    _first: str | None = None
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

    def new_store(self) -> str:
        """The URL of a new database with the schema in it, copied from the first one."""
        if self._first is None:
            self._first = self.new_database()
            open_store(self._first).close()
        name, first = next(self._names), self._first.rpartition("/")[2]
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(f"{self._base}/postgres", autocommit=True) as connection:
            if connection.info.server_version >= COPIES_FILES:
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(first)))
        return f"{self._base}/{name}"
