"""One long transaction for loading millions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import AddConstraint, CreateIndex, DropConstraint, DropIndex

from provenance_store import processes
from provenance_store.batch import Batch
from provenance_store.errors import Conflict
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql.compiled import stream_rows
from provenance_store.sql.dialects import begin_write
from provenance_store.sql.insert import Statements
from provenance_store.sql.tables import TABLE
from provenance_store.sql.validity import follow_all
from provenance_store.sql.watch import will_commit

__all__ = ["Load", "conflicts_told", "indexed_later", "loading"]


class Load:
    """Writes new rows; what is there already is an IntegrityError."""

    def __init__(self, connection: sa.Connection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._origins: set[int] = set()
        self.has_parameters = False
        """Whether there are documents, or steps that made something: versions are searched by
        both."""
        self._has_digests = False

    def batch(self, batch: Batch) -> None:
        """Insert the rows of a batch that has no links."""
        self._statements.insert_all(self._connection, batch)
        self.has_parameters |= bool(batch.payload)
        self._has_digests |= any(row[3] is not None for row in batch.uri)
        self._origins.update({row[0] >> SEQUENCE_BITS for row in batch.record})

    def links(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Insert links that come in the order of their primary key."""
        stream_rows(self._connection, TABLE["link"], rows)

    def keep_up(self) -> None:
        """Bring what is kept with the rows, for quick answers, up to date at the end."""
        if self._has_digests:
            self._statements.same.catch_up(self._connection, self._origins)
        follow_all(self._connection)
        if self.has_parameters and self._origins:
            self._statements.parameters.catch_up(self._connection, origins=self._origins)


@contextmanager
def loading(engine: sa.Engine, statements: Statements) -> Iterator[Load]:
    """A load: committed whole at the end, nothing of it written when the block raises.

    The first links of a store are written without indexes, which are made at the end; to a store
    that has links already they are added as usual, for making its indexes anew could take longer
    than the load. All of this is part of the transaction, so a load that is cut off leaves the
    store as it was. Other writers wait until it ends.
    """
    connection = engine.connect()
    process = processes.process
    try:
        begin_write(connection)
        with indexed_later(connection):
            yield (load := Load(connection, statements))
        if process == processes.process:
            load.keep_up()
            will_commit()
            connection.commit()
    finally:
        if process == processes.process:
            connection.close()
        else:  # a child, forked inside the block, that leaves it: the load is its parent's
            processes.leave_behind(connection)


@contextmanager
def conflicts_told() -> Iterator[None]:
    """Raise Conflict where a load says two things of one, such as two documents of one name."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(
            "The load says two different things of one record, such as two documents of one name; "
            f"nothing of it is written ({error.orig})."
        ) from None


@contextmanager
def indexed_later(connection: sa.Connection) -> Iterator[None]:
    """If no link was written yet, the indexes of links are made when the block ends."""
    is_first = connection.execute(sa.select(_link.c.to_id).limit(1)).first() is None
    later = _made_later(connection.dialect) if is_first else ()
    for _, drop in later:
        connection.execute(drop)
    process = processes.process
    yield
    for make, _ in reversed(later) if process == processes.process else ():
        connection.execute(make)


_link = TABLE["link"]
_Ddl = sa.schema.ExecutableDDLElement


def _made_later(dialect: sa.Dialect) -> list[tuple[_Ddl, _Ddl]]:
    """How to make, and how to drop, what need not be kept up to date during a load.

    On SQLite the links live in their primary key, so that one stays; so does everywhere the index
    of options of decisions, which hardly any link is, and which is made by reading them all.
    """
    some = [index for index in _link.indexes if index.name != "ix_link_option"]
    indexes: list[tuple[_Ddl, _Ddl]] = [(CreateIndex(i), DropIndex(i)) for i in some]
    if dialect.name == "postgresql":
        key = _link.primary_key
        indexes.append(
            (
                AddConstraint(key, isolate_from_table=False),
                DropConstraint(key),
            )
        )
    return indexes
