"""PostgreSQL through psycopg, sharing compiled statements: loaded where a store is there only."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from provenance_store.sql.dialects import Shared

__all__ = ["SharedPostgreSQL"]


class SharedPostgreSQL(Shared, PGDialect_psycopg):
    """PostgreSQL through psycopg."""

    supports_statement_cache = True
