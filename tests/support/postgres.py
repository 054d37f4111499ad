"""A real PostgreSQL server for tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import psycopg
from psycopg import sql

from provenance_store import open_store
from tools import postgres

__all__ = ["PostgresServer"]

URL_VARIABLE = "TEST_POSTGRES_URL"
COPIES_FILES = 150_000
"""Since this version a database is copied through the log, unless one asks for what is faster."""
MEMORY = Path("/dev/shm")
ENOUGH_MEMORY = 2**30
"""Bytes for a server; it takes 200 MB, and more in a test that fills a store."""


class PostgresServer(postgres.PostgresServer):
    """One whose data nobody misses; where TEST_POSTGRES_URL names a server, that one.

    It keeps its files in memory where there is enough: each new database is some 300 of them, which
    take a disk longer to make and to remove than most tests take.
    """

    _first: str | None = None
    settings: ClassVar[Mapping[str, str]] = {
        "autovacuum": "off",  # of hundreds of databases that live for one test
        "fsync": "off",
        "max_connections": "200",
        "max_wal_size": "128MB",
        "shared_buffers": "64MB",
    }

    @classmethod
    def find(cls) -> Self | None:
        if url := os.environ.get(URL_VARIABLE):
            return cls(None, url)
        return super().find()

    def __init__(self, binaries: Path | None, url: str | None = None) -> None:
        super().__init__(binaries, url)
        self._discarded: list[str] = []

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="braid-pg-", dir=_memory()))

    def discard(self, url: str) -> None:
        """Nobody asks for this database any more: it goes when the next one is made."""
        self._discarded.append(url.rpartition("/")[2])

    def new_store(self) -> str:
        """The URL of a new database with the schema in it, copied from the first one."""
        if self._first is None:
            self._first = self.new_database()
            open_store(self._first).close()
        name, first = next(self._names), self._first.rpartition("/")[2]
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(f"{self._base}/postgres", autocommit=True) as connection:
            while self._discarded:
                gone = sql.Identifier(self._discarded.pop())
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(gone))
            if connection.info.server_version >= COPIES_FILES:
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(first)))
        return f"{self._base}/{name}"


def _memory() -> Path | None:
    """Where files are in memory, with enough for a server of each test process; or None."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    try:
        free = shutil.disk_usage(MEMORY).free if os.access(MEMORY, os.W_OK) else 0
    except OSError:
        free = 0
    return MEMORY if free >= count * ENOUGH_MEMORY else None
