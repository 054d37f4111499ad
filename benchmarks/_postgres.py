"""The PostgreSQL server of benchmarks: durable, with room for a load of millions of rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import ClassVar, Self
from urllib.parse import urlsplit

import psycopg

from tools.postgres import PostgresServer

__all__ = ["BenchmarkServer"]


class BenchmarkServer(PostgresServer):
    """Started for the benchmark with its data in a temporary folder, unless there is a URL."""

    settings: ClassVar[Mapping[str, str]] = {
        "shared_buffers": "512MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
    }

    @classmethod
    def at(cls, url: str | None) -> Self | None:
        """The server at the URL, else one of one's own; None where none is installed."""
        return cls(None, url) if url else cls.find()

    @contextlib.contextmanager
    def passing_database(self) -> Iterator[str]:
        """The URL of a new database, which is dropped at the end."""
        url = self.new_database()
        try:
            yield url
        finally:
            parts = urlsplit(url)
            name = psycopg.sql.Identifier(parts.path.lstrip("/"))
            server = parts._replace(path="/postgres").geturl()
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
