"""Reading a database that the published Braid-DB made: the tables of its version 0.1.0a1."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from provenance_store.errors import InvalidInput, TooLarge

__all__ = ["BraidDb", "opened"]

MOST_ROWS = 5_000_000
FETCH = 10_000


def _table(name: str, *columns: str) -> sa.Table:
    return sa.Table(name, sa.MetaData(), *(sa.Column(column) for column in columns))


_RECORDS = _table("records", "record_id", "name", "time", "invalidation_id")
_DERIVATIONS = _table("derivations", "record_id", "derivation", "time")
_URIS = _table("uris", "id", "record_id", "uri")
_TAGS = _table("tags", "id", "record_id", "key", "value", "tag_type")
_INVALIDATIONS = _table("invalidations", "id", "root_invalidation", "cause", "time")
_ALL = (_RECORDS, _DERIVATIONS, _URIS, _TAGS, _INVALIDATIONS)
_master = _table("sqlite_master", "name", "type")


class BraidDb:
    """The rows of such a database, each table by its key. Values are as SQLite has them."""

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection = connection
        self._file = file

    def records(self) -> list[tuple[Any, ...]]:
        """(record_id, name, time, invalidation_id)"""
        return self._rows(sa.select(_RECORDS).order_by(_RECORDS.c.record_id), "records")

    def derivations(self) -> list[tuple[Any, ...]]:
        """(record_id, derivation, time)"""
        order = (_DERIVATIONS.c.record_id, _DERIVATIONS.c.derivation)
        return self._rows(sa.select(_DERIVATIONS).order_by(*order), "derivations")

    def uris(self) -> list[tuple[Any, ...]]:
        """(id, record_id, uri)"""
        return self._rows(sa.select(_URIS).order_by(_URIS.c.id), "uris")

    def tags(self) -> list[tuple[Any, ...]]:
        """(id, record_id, key, value, tag_type)"""
        return self._rows(sa.select(_TAGS).order_by(_TAGS.c.id), "tags")

    def invalidations(self) -> list[tuple[Any, ...]]:
        """(id, root_invalidation, cause, time)"""
        query = sa.select(_INVALIDATIONS).order_by(_INVALIDATIONS.c.id)
        return self._rows(query, "invalidations")

    def check(self) -> None:
        """Raise InvalidInput when a table or a column of Braid-DB is missing."""
        is_table = _master.c.type == "table"  # a view may have rows without end
        tables = {row[0] for row in self._all(sa.select(_master.c.name).where(is_table))}
        if {"alembic_version", "origin", "record"} <= tables:
            raise self._refusal("this is a Braid store; bring it in with `braid merge`")
        for table in _ALL:
            if table.name not in tables:
                raise self._refusal(
                    f"this is not a Braid-DB database: it has no table {table.name}"
                )
            self._columns(table)

    def _columns(self, table: sa.Table) -> None:
        for column in table.columns:
            # Quoted names that are no columns are text to SQLite: qualified ones are not.
            query = sa.select(column).limit(1)
            try:
                self._all(query)
            except sqlite3.OperationalError:
                raise self._refusal(
                    f"this is not a Braid-DB database: {table.name} has no column {column.name}"
                ) from None

    def _rows(self, query: sa.Select[Any], table: str) -> list[tuple[Any, ...]]:
        rows = self._all(query.limit(MOST_ROWS + 1))
        if len(rows) > MOST_ROWS:
            raise TooLarge(f"{table} has more than {MOST_ROWS} rows.", path=f"{self._file}: $")
        return rows

    def _all(self, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
        text = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
        return self._connection.execute(str(text)).fetchall()

    def _refusal(self, why: str) -> InvalidInput:
        return InvalidInput(f"{why}.", path=f"{self._file}: $")


@contextmanager
def opened(file: Path) -> Iterator[BraidDb]:
    """Open a database of Braid-DB to read it; nothing is written to it.

    Raises InvalidInput when it is none, or is damaged.
    """
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as found:
            database = BraidDb(found, file)
            database.check()
            yield database
    except UnicodeDecodeError:
        raise InvalidInput("this SQLite database is damaged.", path=f"{file}: $") from None
    except sqlite3.Error as error:
        raise InvalidInput(
            f"this SQLite database cannot be read: {error}.", path=f"{file}: $"
        ) from None
