"""A statement is compiled once in a process, and not once for each store that is opened.

SQLAlchemy keeps compiled statements by dialect, and each engine has a dialect of its own. Those of
stores are equal where they write the same SQL: a merge of many files, or a notebook that opens one
store after another, spends its time on rows then.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

__all__ = ["Shared", "SharedSQLite", "shared_engine"]

STATEMENTS = 1_000
"""So many compiled statements are kept; those of one store are some hundreds."""
_COMPILED: LRUCache[Any, Any] = LRUCache(STATEMENTS)


class Shared:
    """Equal to every dialect of its class that writes SQL for the same server version.

    The hash is of the class alone: the version is known from the first connection on.
    """

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _how(other) == _how(self)

    def __hash__(self) -> int:
        return hash(type(self))


def _how(dialect: Any) -> tuple[object, ...]:
    version = getattr(dialect, "server_version_info", None)
    return dialect.paramstyle, version, getattr(dialect, "_backslash_escapes", None)


class SharedSQLite(Shared, SQLiteDialect_pysqlite):
    """SQLite through Python's own driver."""

    supports_statement_cache = True


registry.register("sqlite.braid", __name__, SharedSQLite.__name__)
registry.register("postgresql.braid", f"{__package__}.sharing_postgresql", "SharedPostgreSQL")


def shared_engine(url: sa.URL, **options: Any) -> sa.Engine:
    """As `sqlalchemy.create_engine`; statements are shared with all others of its database."""
    name = f"{url.get_backend_name()}+braid"
    engine = sa.create_engine(
        url.set(drivername=name), execution_options={"compiled_cache": _COMPILED}, **options
    )
    engine.url = url  # as somebody writes it, who opens the same store again
    return engine
