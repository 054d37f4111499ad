"""Taking a part of a store: which nodes, by walks in SQL, and their rows by table.

The nodes are gathered in temporary tables beside the store's own, so nothing of a large slice
passes through Python but, from PostgreSQL, its rows on their way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from provenance_store.batch import TABLES
from provenance_store.enums import SAME_AS, Mark, Role
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql import schema
from provenance_store.sql.compiled import ignoring, stream_rows
from provenance_store.sql.dialects import changed, detach, shared_engine
from provenance_store.sql.foreign_objects import undefended
from provenance_store.sql.known_later import said_both_ways
from provenance_store.sql.query_parts import chunks
from provenance_store.sql.tables import METADATA, POSTGRESQL_INDEXES, TABLE, Id

__all__ = ["COPIED", "Selection", "SliceFile", "taking"]

COPIED = (*(name for name in TABLES if name != "action"), "parameter", "taint", "run")
"""Tables of which a slice takes rows; actions belong to the server that answered them."""
FETCH = 10_000

_TEMPORARY = sa.MetaData()
_chosen = sa.Table(
    "slice_id",
    _TEMPORARY,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("distance", sa.Integer, nullable=False),
    prefixes=["TEMPORARY"],
)
_left_out = sa.Table(
    "slice_stub",
    _TEMPORARY,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    prefixes=["TEMPORARY"],
)
_runs = sa.Table(
    "slice_run",
    _TEMPORARY,
    sa.Column("run_id", sa.Text, primary_key=True),
    prefixes=["TEMPORARY"],
)

_T = TABLE
_record, _link, _version, _mark = _T["record"], _T["link"], _T["version"], _T["mark"]
_taint, _stub, _run, _event = _T["taint"], _T["stub"], _T["run"], _T["run_event"]
_same = _T["same_as"]
_ids = sa.select(_chosen.c.id)
_stubs = sa.select(_left_out.c.id)
_of_validity = _mark.c.mark.in_((Mark.INVALIDATED.value, Mark.RESTORED.value))


class Selection:
    """The nodes of a slice, inside one transaction of the store."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add_ids(self, ids: Sequence[int]) -> None:
        """Begin with these records."""
        for chunk in chunks(ids):
            wanted = _record.c.id.in_(chunk)
            self._add(sa.select(_record.c.id, sa.literal(0)).where(wanted))

    def add_runs(self, run_ids: Sequence[str], flow_ids: Sequence[str]) -> int:
        """Begin with all that was recorded of these runs, and of all runs of these flows; how
        many runs there are of them."""
        wanted = _run.c.run_id.in_(run_ids) | _run.c.flow_id.in_(flow_ids)
        self._into(_runs, sa.select(_run.c.run_id).where(wanted))
        of_runs = _record.c.run_id.in_(sa.select(_runs.c.run_id))
        self._add(sa.select(_record.c.id, sa.literal(0)).where(of_runs))
        return self._count(_runs)

    def add_everything(self) -> None:
        """Begin with all records and runs."""
        self._add(sa.select(_record.c.id, sa.literal(0)).where(sa.true()))
        self._into(_runs, sa.select(_run.c.run_id).where(sa.true()))

    def walk(self, *, down: bool, roles: Collection[Role], depth: int | None) -> None:
        """Add what is reached from the nodes so far, at most `depth` hops away."""
        self._connection.execute(_chosen.update().values(distance=0))
        for distance in count() if depth is None else range(depth):
            if depth is None:
                self._add(self._reached(down, roles, distance))
            else:
                hop = self._hop(_chosen, down, roles, distance + 1)
                self._add(hop.where(_chosen.c.distance == distance))
            if SAME_AS in roles:
                self._add(self._others(distance))
            further = sa.select(_chosen.c.id).where(_chosen.c.distance > distance).limit(1)
            if self._connection.execute(further).first() is None:
                break

    def _reached(self, down: bool, roles: Collection[Role], distance: int) -> sa.Select[Any]:
        """All that is reached from the nodes at a distance, which is as near."""
        nodes = sa.select(_chosen.c.id).where(_chosen.c.distance == distance)
        found = nodes.cte("found", recursive=True)
        near, far = _sides(down)
        found = found.union(
            sa.select(far).join(found, found.c.id == near).where(_link.c.role.in_(_values(roles)))
        )
        return sa.select(found.c.id, sa.literal(distance)).where(sa.true())

    def _others(self, distance: int) -> sa.Select[Any]:
        """Records that are one thing with the nodes at a distance, a hop further."""
        return (
            sa.select(_same.c.other_id, sa.literal(distance + 1))
            .distinct()
            .join(_chosen, _chosen.c.id == _same.c.record_id)
            .where(_chosen.c.distance == distance, said_both_ways())
        )

    def _hop(
        self, nodes: sa.Table, down: bool, roles: Collection[Role], distance: int
    ) -> sa.Select[Any]:
        near, far = _sides(down)
        return (
            sa.select(far, sa.literal(distance))
            .distinct()
            .join(nodes, nodes.c.id == near)
            .where(_link.c.role.in_(_values(roles)))
        )

    def close(self) -> None:
        """Nothing more is added: what is mentioned from here on without being here is a stub."""
        lines = sa.select(_version.c.line_id, sa.literal(0)).where(_version.c.id.in_(_ids))
        self._add(lines.distinct())
        self._connection.execute(
            _chosen.delete().where(~sa.exists().where(_record.c.id == _chosen.c.id))
        )
        self._mention(sa.select(_link.c.to_id).where(_link.c.from_id.in_(_ids)))
        self._mention(sa.select(_same.c.other_id).where(_same.c.record_id.in_(_ids)))
        for column in (_version.c.line_id, _version.c.parent_id):
            self._mention(sa.select(column).where(_version.c.id.in_(_ids), column.is_not(None)))
        known = _taint.c.record_id.in_(_ids) | _taint.c.record_id.in_(_stubs)
        self._mention(sa.select(_taint.c.root_id).where(known))
        said = _mark.c.record_id.in_(_ids) & _mark.c.cause_id.is_not(None)
        self._mention(sa.select(_mark.c.cause_id).where(said))
        of_records = sa.select(_record.c.run_id).where(
            _record.c.id.in_(_ids), _record.c.run_id.is_not(None)
        )
        self._into(_runs, of_records.distinct())

    def _mention(self, query: sa.Select[Any]) -> None:
        (column,) = query.selected_columns
        not_here = ~sa.exists().where(_chosen.c.id == column)
        self._into(_left_out, query.where(not_here).distinct())

    def _add(self, query: sa.Select[Any]) -> None:
        self._into(_chosen, query)

    def _into(self, table: sa.Table, query: sa.Select[Any]) -> None:
        insert: Any = ignoring(table, self._connection.dialect)
        self._connection.execute(insert.from_select(table.columns.keys(), query))

    def _count(self, table: sa.Table) -> int:
        query = sa.select(sa.func.count()).select_from(table)
        return int(self._connection.execute(query).scalar_one())

    # ---- rows ----------------------------------------------------------------------------

    def rows(self, name: str, *, hide_names: bool) -> sa.Select[Any]:
        """The rows that a slice takes of a table, in the order of its key where that is cheap."""
        table = TABLE[name]
        if name == "stub":
            return self._stub_rows(hide_names)
        query = sa.select(table)
        if name == "link":
            return query.where(table.c.from_id.in_(_ids)).order_by(*table.primary_key)
        return query.where(self._wanted(name, table))

    def kinds(self) -> dict[int, int]:
        """How many records of each kind are taken."""
        count = sa.select(_record.c.kind, sa.func.count()).where(_in(_record.c.id))
        return {row[0]: row[1] for row in self._connection.execute(count.group_by(_record.c.kind))}

    def _wanted(self, name: str, table: sa.Table) -> sa.ColumnElement[bool]:
        if name == "origin":
            return table.c.no.in_(self._origins())
        if name in ("run", "run_event", "run_tag"):
            return table.c.run_id.in_(sa.select(_runs.c.run_id))
        if name == "environment":
            return table.c.digest.in_(sa.select(_record.c.environment).where(_in(_record.c.id)))
        if name in ("audience", "audience_member"):
            of_runs = sa.select(_event.c.audience).where(
                _event.c.run_id.in_(sa.select(_runs.c.run_id))
            )
            of_records = sa.select(_record.c.audience).where(_in(_record.c.id))
            return table.c.digest.in_(of_records) | table.c.digest.in_(of_runs)
        if name == "late_link":
            return _in(table.c.from_id)
        if name == "same_as":
            of_stubs = table.c.record_id.in_(_stubs) & _in(table.c.other_id)
            return _in(table.c.record_id) | of_stubs
        if name == "alias":
            return _in(table.c.line_id) & (_in(table.c.version_id) | table.c.version_id.is_(None))
        if name == "mark":
            of_stubs = table.c.record_id.in_(_stubs) & _of_validity
            return _in(table.c.record_id) | of_stubs
        if name == "taint":
            return _in(table.c.record_id) | table.c.record_id.in_(_stubs)
        return _in(table.c.id if name in _BY_ID else table.c.record_id)

    def _stub_rows(self, hide_names: bool) -> sa.Select[Any]:
        kind = sa.func.coalesce(_record.c.kind, _stub.c.kind)
        name: Any = sa.func.coalesce(_record.c.name, _stub.c.name)
        return (
            sa.select(_left_out.c.id, kind, sa.null() if hide_names else name)
            .outerjoin(_record, _record.c.id == _left_out.c.id)
            .outerjoin(_stub, _stub.c.id == _left_out.c.id)
            .where(kind.is_not(None))
        )

    def _origins(self) -> list[int]:
        tag, check = TABLE["tag"], TABLE["file_check"]
        later = [TABLE[name] for name in ("late_link", "same_as", "alias")]
        mentioned = (
            sa.select(_number(_chosen.c.id)),
            sa.select(_number(_left_out.c.id)),
            sa.select(_number(tag.c.id)).where(_in(tag.c.record_id)),
            sa.select(_number(check.c.id)).where(_in(check.c.record_id)),
            sa.select(_number(_mark.c.id)).where(self._wanted("mark", _mark)),
            sa.select(_number(_event.c.id)).where(self._wanted("run_event", _event)),
            *(sa.select(_number(t.c.id)).where(self._wanted(t.name, t)) for t in later),
        )
        found: set[int] = set()
        for query in mentioned:
            found.update(self._connection.execute(query.distinct()).scalars())
        return sorted(found)


_BY_ID = frozenset({"record", "step", "outcome", "version"})


def _in(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return column.in_(_ids)


def _number(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return column.op(">>")(sa.literal_column(str(SEQUENCE_BITS)))


def _values(roles: Collection[Role]) -> list[int]:
    return sorted(role.value for role in roles)


def _sides(down: bool) -> tuple[sa.Column[Any], sa.Column[Any]]:
    return (_link.c.to_id, _link.c.from_id) if down else (_link.c.from_id, _link.c.to_id)


class _Schema(NamedTuple):
    """The tables of a new store, and what makes them and their indexes in SQLite."""

    tables: dict[str, sa.Table]
    creating: list[str]
    indexing: list[str]


@cache
def _schema(name: str | None) -> _Schema:
    """Made once in a process, with all statements on the tables: a small slice takes less."""
    apart = sa.MetaData(schema=name, naming_convention=METADATA.naming_convention)
    tables = {table: TABLE[table].to_metadata(apart) for table in TABLE}
    indexes = [
        index
        for table in tables.values()
        for index in table.indexes
        if index.name not in POSTGRESQL_INDEXES
    ]
    dialect = sqlite.dialect()
    creating = [str(sa.schema.CreateTable(t).compile(dialect=dialect)) for t in tables.values()]
    indexing = [str(sa.schema.CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    return _Schema(tables, creating, indexing)


class SliceFile:
    """The tables of a new store, which a slice is put into: first the rows, then the indexes."""

    def __init__(self, connection: sa.Connection, name: str | None = None) -> None:
        self._connection = connection
        self._name = name
        self._schema = _schema(name)
        for text in self._schema.creating:
            connection.exec_driver_sql(text)

    def take(self, source: sa.Connection, name: str, query: sa.Select[Any]) -> int:
        """Put the rows of a query into a table; how many.

        In one statement where both stores are of one connection, else as they come.
        """
        table = self._schema.tables[name]
        if source is self._connection:
            insert = table.insert().from_select(table.columns.keys(), query)
            return changed(source, insert)
        found = source.execute(query, execution_options={"yield_per": FETCH})
        stream_rows(self._connection, table, map(tuple, found))
        count = sa.select(sa.func.count()).select_from(table)
        return int(self._connection.execute(count).scalar_one())

    def finish(self) -> None:
        """Make the indexes, and say which schema this is."""
        for text in self._schema.indexing:
            self._connection.exec_driver_sql(text)
        schema.stamp(self._connection, self._name)


@contextmanager
def taking(engine: sa.Engine, file: Path) -> Iterator[tuple[sa.Connection, SliceFile]]:
    """One state of a store in which temporary tables can be made, and a new store in a file.

    When the block ends the file has all of the new store, and nothing of it may be there when
    the block raises.
    """
    with engine.connect() as connection:
        take = _attached if connection.dialect.name == "sqlite" else _apart
        with take(connection, file) as target:
            _TEMPORARY.create_all(connection)
            yield connection, target
            target.finish()
            _TEMPORARY.drop_all(connection)


@contextmanager
def _attached(connection: sa.Connection, file: Path) -> Iterator[SliceFile]:
    connection.exec_driver_sql("ATTACH DATABASE ? AS slice", (str(file),))
    with undefended(connection):
        connection.exec_driver_sql("PRAGMA slice.journal_mode=OFF")
    connection.exec_driver_sql("PRAGMA slice.synchronous=OFF")
    connection.commit()
    try:
        connection.exec_driver_sql("BEGIN")
        yield SliceFile(connection, "slice")
        connection.commit()
    finally:
        detach(connection, "slice")


@contextmanager
def _apart(connection: sa.Connection, file: Path) -> Iterator[SliceFile]:
    connection.execution_options(isolation_level="REPEATABLE READ")
    new = shared_engine(sa.URL.create("sqlite", database=str(file)))
    try:
        with new.connect() as made:
            raw: Any = made.connection.driver_connection
            raw.isolation_level = None
            for pragma in ("journal_mode=OFF", "synchronous=OFF"):
                made.exec_driver_sql(f"PRAGMA {pragma}")
            made.exec_driver_sql("BEGIN")
            yield SliceFile(made)
            made.exec_driver_sql("COMMIT")
    finally:
        new.dispose()
        connection.rollback()
