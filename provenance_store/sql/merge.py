"""Merging another store: SQL from table to table, ids mapped by arithmetic.

The other store's tables are made visible beside ours: on SQLite its file is attached, on
PostgreSQL its rows are copied into temporary tables. Then both are the same INSERT … SELECT.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from provenance_store.batch import TABLES
from provenance_store.errors import InvalidInput, SchemaMismatch
from provenance_store.ids import SEQUENCE_BITS, short_id
from provenance_store.rows import OriginRow
from provenance_store.sql.dialects import advisory_lock, begin_write, stream_rows
from provenance_store.sql.tables import KEYS, SCHEMA_VERSION, TABLE
from provenance_store.sql.write import ID_COLUMNS, register_origin

__all__ = ["MERGED", "Other", "beside"]

MERGED = tuple(name for name in TABLES if name not in ("origin", "action"))
"""Tables that are merged; actions belong to the server that answered them."""
REPORTED = 10
FETCH = 10_000


class Other:
    """Another store's tables beside ours, inside one transaction of ours."""

    def __init__(self, connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
        self._connection = connection
        self._tables = tables
        self._shift: dict[int, int] = {}
        self.known_before: set[int] = set()

    def register_origins(self) -> int:
        """Give every origin of the other store a number of ours; how many were new here."""
        ours = TABLE["origin"]
        known = {row.uuid for row in self._connection.execute(sa.select(ours.c.uuid))}
        rows = self._connection.execute(sa.select(self._tables["origin"])).all()
        for row in rows:
            origin = OriginRow(*row)
            number = register_origin(self._connection, origin)
            self._shift[origin.no] = (number - origin.no) << SEQUENCE_BITS
            if origin.uuid in known:
                self.known_before.add(origin.no)
        self._keep_shifts()
        return len(rows) - len(self.known_before)

    def differences(self, name: str) -> list[str]:
        """Rows that both stores have with different content, a sentence each, at most ten."""
        ours, theirs = TABLE[name], self._mapped(name)
        keys = KEYS[name]
        others = [c for c in ours.columns if c.name not in keys]
        if not others:
            return []
        same_key = sa.and_(*(ours.c[key] == theirs.c[key] for key in keys))
        differs = [c.is_distinct_from(theirs.c[c.name]) for c in others]
        columns = [*ours.columns, *(theirs.c[c.name] for c in others)]
        query = sa.select(*columns).join(theirs, same_key).where(sa.or_(*differs)).limit(REPORTED)
        return [_sentence(ours, others, row) for row in self._connection.execute(query)]

    def insert(self, name: str) -> int:
        """Insert the rows that we do not have; how many."""
        ours, theirs = TABLE[name], self._mapped(name)
        query = sa.select(*theirs.c)
        if self._connection.dialect.name == "sqlite":
            # SQLite reads "ON CONFLICT" after a bare SELECT as part of a join.
            insert: Any = sqlite.insert(ours).from_select(
                [c.name for c in ours.columns], query.where(sa.true())
            )
        else:
            insert = postgresql.insert(ours).from_select([c.name for c in ours.columns], query)
        done = self._connection.execute(
            insert.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True}
        )
        return int(done.rowcount)

    def run_ids(self) -> list[str]:
        """The runs that the other store speaks of."""
        table = self._tables["run_event"]
        return list(self._connection.execute(sa.select(table.c.run_id).distinct()).scalars())

    def _mapped(self, name: str) -> sa.Subquery:
        """The other store's table with ids numbered as ours."""
        table = self._tables[name]
        columns = [
            self._shifted(c).label(c.name) if c.name in ID_COLUMNS[name] else c
            for c in table.columns
        ]
        return sa.select(*columns).subquery(f"other_{name}")

    def _shifted(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        shifts = set(self._shift.values())
        if len(shifts) <= 1:
            return column + sa.literal_column(str(*shifts or {0}))
        number = column.op(">>")(sa.literal_column(str(SEQUENCE_BITS)))
        found = sa.select(_shifts.c.shift).where(_shifts.c.no == number)
        return column + found.scalar_subquery()

    def _keep_shifts(self) -> None:
        """Put the shifts where statements can look them up, one for each origin."""
        _shifts.drop(self._connection, checkfirst=True)
        _shifts.create(self._connection)
        stream_rows(self._connection, _shifts, list(self._shift.items()))


_shifts = sa.Table(
    "other_shift",
    sa.MetaData(),
    sa.Column("no", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("shift", sa.BigInteger),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


def _sentence(ours: sa.Table, others: list[sa.Column[Any]], row: Any) -> str:
    width = len(ours.columns)
    stored = dict(zip(ours.columns.keys(), row[:width], strict=True))
    given = dict(zip((c.name for c in others), row[width:], strict=True))
    key = stored[KEYS[ours.name][0]]
    field = next(name for name, value in given.items() if value != stored[name])
    named = short_id(key) if isinstance(key, int) else str(key)
    return (
        f"{named}: {ours.name}.{field} is {stored[field]!r:.80} here, {given[field]!r:.80} there."
    )


@contextmanager
def beside(engine: sa.Engine, file: Path) -> Iterator[tuple[sa.Connection, Other]]:
    """A transaction of ours in which another SQLite store is visible; the caller commits it.

    Raises InvalidInput when the file is no store, SchemaMismatch when it is of another version.
    """
    _check(file)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            with _attached(connection, file) as other:
                yield connection, other
        else:
            yield connection, _copied(connection, file)


def _check(file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as found:
            version = found.execute("SELECT version_num FROM alembic_version").fetchone()
            found.execute("SELECT no FROM origin LIMIT 1")
    except sqlite3.Error:
        raise InvalidInput(f"{file} is not a Braid store in a SQLite file.") from None
    if version is None or version[0] != SCHEMA_VERSION:
        raise SchemaMismatch(
            f"{file} has another schema version; run `braid store upgrade --store {file}` first."
        )


@contextmanager
def _attached(connection: sa.Connection, file: Path) -> Iterator[Other]:
    connection.exec_driver_sql("ATTACH DATABASE ? AS other", (str(file.absolute()),))
    connection.commit()
    try:
        begin_write(connection)
        apart = sa.MetaData(schema="other")
        yield Other(connection, {name: TABLE[name].to_metadata(apart) for name in TABLES})
    finally:
        connection.rollback()
        connection.exec_driver_sql("DETACH DATABASE other")


def _copied(connection: sa.Connection, file: Path) -> Other:
    begin_write(connection)
    advisory_lock(connection)
    apart = sa.MetaData()
    tables = {}
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source:
        for name in TABLES:
            columns = [sa.Column(c.name, c.type) for c in TABLE[name].columns]
            copy = sa.Table(
                f"other_{name}",
                apart,
                *columns,
                prefixes=["TEMPORARY"],
                postgresql_on_commit="DROP",
            )
            copy.create(connection)
            tables[name] = copy
            stream_rows(connection, copy, _rows(source, name))
    return Other(connection, tables)


def _rows(source: sqlite3.Connection, name: str) -> Iterator[tuple[Any, ...]]:
    query = sa.select(TABLE[name]).compile(dialect=sqlite.dialect())
    cursor = source.execute(str(query))
    while rows := cursor.fetchmany(FETCH):
        yield from rows
