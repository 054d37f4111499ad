"""One long transaction for loading millions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, DropIndex

from provenance_store.batch import Batch
from provenance_store.sql.dialects import begin_write, stream_rows
from provenance_store.sql.tables import TABLE
from provenance_store.sql.write import Statements

__all__ = ["Load", "loading"]

_LATER = tuple(sorted(TABLE["link"].indexes, key=lambda index: str(index.name)))
"""Indexes that are dropped for the load and made again at its end."""


class Load:
    """Writes new rows; what is there already is an IntegrityError."""

    def __init__(self, connection: sa.Connection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements

    def rows(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows of a table other than link."""
        self._statements.insert(self._connection, table, rows)

    def runs(self, batch: Batch) -> None:
        """Bring the runs that a batch speaks of up to date."""
        self._statements.project_runs(self._connection, batch)

    def links(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Insert links that come in the order of their primary key."""
        stream_rows(self._connection, TABLE["link"], rows)


@contextmanager
def loading(engine: sa.Engine, statements: Statements) -> Iterator[Load]:
    """A load: committed whole at the end, nothing of it written when the block raises.

    Dropping and making indexes is part of the transaction, so a load that is cut off leaves the
    store as it was. Other writers wait until it ends.
    """
    with engine.connect() as connection:
        begin_write(connection)
        for index in _LATER:
            connection.execute(DropIndex(index))
        yield Load(connection, statements)
        for index in _LATER:
            connection.execute(CreateIndex(index))
        connection.commit()
