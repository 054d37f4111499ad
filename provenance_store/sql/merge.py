"""Merging another store: what both say differently, and SQL from table to table.

The other store's tables are made visible beside ours: on SQLite its file is attached, on PostgreSQL
its rows are copied into temporary tables. Then both are the same INSERT … SELECT, and ids are
mapped by arithmetic. Where all its origins are new to a PostgreSQL store, most rows are copied
right into place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from provenance_store.batch import TABLES
from provenance_store.errors import BadFile, SchemaMismatch
from provenance_store.ids import SEQUENCE_BITS, short_id
from provenance_store.rows import OriginRow
from provenance_store.sql.compiled import by_position, ignoring, stream_rows
from provenance_store.sql.dialects import (
    SCRUBBED,
    URI_NORM,
    add_functions,
    advisory_lock,
    begin_write,
    changed,
    detach,
    shared_engine,
)
from provenance_store.sql.foreign_objects import open_foreign
from provenance_store.sql.insert import ID_COLUMNS, closed, register_origin, tell_records, told
from provenance_store.sql.integrity_check import (
    QUERIES,
    latest,
    misshapen,
    reading_broken_text,
    wrong_rows,
)
from provenance_store.sql.query_parts import is_newer
from provenance_store.sql.tables import KEYS, LOCAL, SCHEMA_VERSION, TABLE
from provenance_store.sql.traverse import first_cycle

__all__ = [
    "MERGED",
    "REPORTED",
    "OtherStore",
    "beside",
    "conflicts",
    "tag_differences",
    "tags_to_settle",
]

REPORTED = 10
"""How many differences of one kind are told."""

_record, _stub, _tag = TABLE["record"], TABLE["stub"], TABLE["tag"]
_audience, _member = TABLE["audience"], TABLE["audience_member"]
Row = Any


def conflicts(other: OtherStore) -> Iterator[str]:
    """A sentence for each difference that a merge cannot take, at most ten of a kind.

    Rows with the same key and another content; links that would be added to a record that is
    closed to additions; members that would be added to an audience; stubs that name another
    record than the one that is here.
    """
    for name in MERGED:
        if name not in ("stub", "same_as"):  # two stores may both find that records are one thing
            yield from _changed(other, name)
    yield from _stubs(other)
    yield from _links(other)
    yield from _members(other)


def _changed(other: OtherStore, name: str) -> list[str]:
    ours, theirs = TABLE[name], other.rows(name)
    keys = KEYS[name]
    others = [c for c in told(ours) if c.name not in keys]
    if not others:
        return []
    same_key = sa.and_(*(ours.c[key] == theirs.c[key] for key in keys))
    differs = [c.is_distinct_from(theirs.c[c.name]) for c in others]
    columns = [*told(ours), *(theirs.c[c.name] for c in others)]
    query = sa.select(*columns).join(theirs, same_key).where(sa.or_(*differs)).limit(REPORTED)
    return [_sentence(ours, others, row) for row in other.connection.execute(query)]


def _sentence(ours: sa.Table, others: list[sa.Column[Any]], row: Row) -> str:
    width = len(told(ours))
    stored = dict(zip((c.name for c in told(ours)), row[:width], strict=True))
    given = dict(zip((c.name for c in others), row[width:], strict=True))
    key = stored[KEYS[ours.name][0]]
    field = next(name for name, value in given.items() if value != stored[name])
    return _told(key, f"{ours.name}.{field}", stored[field], given[field])


def _told(key: Any, field: str, stored: Any, given: Any) -> str:
    named = short_id(key) if isinstance(key, int) else str(key)
    return f"{named}: {field} is {stored!r:.80} here, {given!r:.80} there."


def _stubs(other: OtherStore) -> Iterator[str]:
    stubs, records = other.rows("stub"), other.rows("record")
    for ours, theirs, place in (
        (_stub, stubs, "stub"),
        (_record, stubs, "stub"),
        (_stub, records, "record"),
    ):
        names_differ = ours.c.name != theirs.c.name  # unknown where one of them is hidden
        differs = sa.or_(ours.c.kind != theirs.c.kind, names_differ)
        query = (
            sa.select(ours.c.id, ours.c.kind, ours.c.name, theirs.c.kind, theirs.c.name)
            .join(theirs, theirs.c.id == ours.c.id)
            .where(differs)
            .limit(REPORTED)
        )
        for row in other.connection.execute(query):
            yield _told(row[0], place, tuple(row[1:3]), tuple(row[3:5]))


def _links(other: OtherStore) -> list[str]:
    new, late = other.new_links(), other.rows("late_link")
    explained = sa.exists().where(*(late.c[c.name] == c for c in new.columns))
    query = (
        sa.select(new.c.from_id)
        .distinct()
        .join(_record, _record.c.id == new.c.from_id)
        .where(~explained)
    )
    found = other.connection.execute(query).scalars().all()
    added = closed(other.connection, sorted(found))[:REPORTED]
    return [
        f"{short_id(record_id)}: depends on more there than here, and takes no additions."
        for record_id in added
    ]


def _members(other: OtherStore) -> list[str]:
    theirs = other.rows("audience_member")
    new = ~sa.exists().where(
        _member.c.digest == theirs.c.digest, _member.c.principal == theirs.c.principal
    )
    query = (
        sa.select(theirs.c.digest, theirs.c.principal)
        .join(_audience, _audience.c.digest == theirs.c.digest)
        .where(new)
        .limit(REPORTED)
    )
    return [
        f"{row.digest}: {row.principal} is not a member of this audience here."
        for row in other.connection.execute(query)
    ]


def tag_differences(other: OtherStore) -> list[str]:
    """Records whose current tags differ, a sentence each, at most ten."""
    rows = other.connection.execute(_tags_that_differ(other).limit(REPORTED))
    return [_told(row.record_id, f"tag {row.name}", row.ours, row.text) for row in rows]


def tags_to_settle(other: OtherStore) -> Sequence[Row]:
    """(record_id, name, type, text, number) of the other store's current tags that differ."""
    return other.connection.execute(_tags_that_differ(other)).all()


def _tags_that_differ(other: OtherStore) -> sa.Select[Any]:
    theirs = other.rows("tag")
    later = theirs.alias()
    return (
        sa.select(
            theirs.c.record_id,
            theirs.c.name,
            theirs.c.type,
            theirs.c.text,
            theirs.c.number,
            _tag.c.text.label("ours"),
        )
        .join(_tag, sa.and_(*_same_tag(_tag, theirs)))
        .where(
            _is_current(theirs, later),
            _is_current(_tag, _tag.alias()),
            sa.or_(_tag.c.type != theirs.c.type, _tag.c.text != theirs.c.text),
        )
    )


def _same_tag(one: Any, other: Any) -> tuple[sa.ColumnElement[bool], ...]:
    return one.c.record_id == other.c.record_id, one.c.name == other.c.name


def _is_current(tag: Any, later: Any) -> sa.ColumnElement[bool]:
    newer = is_newer(later, tag, "set_at")
    return ~sa.exists().where(*_same_tag(later, tag), newer)


MERGED = ("mark", *(n for n in TABLES if n not in ("origin", "action", "mark")), "taint")
"""Tables that are merged; actions belong to the server that answered them. Marks come first: some
of them are told only of records that are not here yet."""
OWN_ROWS = frozenset(
    {
        *("record", "step", "outcome", "version", "uri", "tag", "metric", "payload", "mark"),
        *("link", "late_link", "alias"),
    }
)
"""Tables all of whose rows are new where their origins are."""
TEXTS: dict[str, tuple[str, ...]] = {
    "record": ("name",),
    "step": ("action_url", "action_id", "run_as"),
    "uri": ("uri",),
    "file_check": ("uri",),
    "late_link": ("rule",),
    "tag": ("text",),
    "payload": ("document",),
    "mark": ("note",),
    "run_event": ("flow_title", "label"),
    "run_tag": ("tag",),
}
"""Texts that may hold a secret, which older rules than ours did not see."""
FETCH = 10_000
KEPT_NUMBERS = 1 << 20
CASES = 8
"""Up to how many origins are told apart by a CASE instead of a look-up."""


class OtherStore:
    """Another store's tables beside ours, inside one transaction of ours."""

    def __init__(
        self,
        connection: sa.Connection,
        tables: Mapping[str, sa.Table],
        source: sqlite3.Connection | None = None,
    ) -> None:
        self.connection = connection
        self._tables = tables
        self._source = source
        self._shift: dict[int, int] = {}
        self.known_before: set[int] = set()

    def register_origins(self) -> int:
        """Give every origin of the other store a number of ours; how many were new here."""
        ours = TABLE["origin"]
        known = {row.uuid: row.no for row in self.connection.execute(sa.select(ours))}
        rows = self._origins()
        for origin in rows:
            self._keep_number(origin, known)
            number = register_origin(self.connection, origin)
            self._shift[origin.no] = (number - origin.no) << SEQUENCE_BITS
            if origin.uuid in known:
                self.known_before.add(origin.no)
        self._keep_shifts()
        self._copy()
        return len(rows) - len(self.known_before)

    def _keep_number(self, origin: OriginRow, known: Mapping[str, int]) -> None:
        """Give a new origin the number that it has there, if that is free here: then its rows
        need not be changed. PostgreSQL's sequence would not learn of it."""
        table = TABLE["origin"]
        if self._source is None and origin.uuid not in known and origin.no <= KEPT_NUMBERS:
            self.connection.execute(ignoring(table, self.connection.dialect), origin._asdict())

    def _origins(self) -> list[OriginRow]:
        if self._source is None:
            rows = self.connection.execute(sa.select(*told(self._tables["origin"]))).all()
            return [OriginRow(*row) for row in rows]
        return [OriginRow(*row) for row in _rows(self._source, sa.select(*told(TABLE["origin"])))]

    def _copy(self) -> None:
        """Bring over from another connection what cannot be copied right into place."""
        if self._source is None:
            return
        for name in MERGED:
            if not self._goes_straight(name):
                table = self._tables[name]
                table.create(self.connection)
                stream_rows(self.connection, table, _rows(self._source, _all_of(name)))
                self.connection.exec_driver_sql(f"ANALYZE {table.name}")

    def _goes_straight(self, name: str) -> bool:
        return self._source is not None and name in OWN_ROWS and not self.known_before

    def insert(self, name: str, *conditions: Any) -> int:
        """Insert the rows that we do not have; how many.

        Each condition is made from the other's rows, as a function of their table.
        """
        ours, theirs = TABLE[name], self.rows(name)
        is_new = name in OWN_ROWS and not self.known_before
        if is_new and self._source is not None:
            return self._insert_straight(name)
        if is_new and self._can_copy(ours) and not self._has_secrets(name):
            # Only a statement without any columns is such a copy; the name is one of ours.
            copy = f"INSERT INTO main.{name} SELECT * FROM other.{name}"  # noqa: S608
            count = int(self.connection.exec_driver_sql(copy).rowcount)
            self._remake(name)
            return count
        insert: Any = ours.insert() if is_new else ignoring(ours, self.connection.dialect)
        query = sa.select(*theirs.c).where(sa.true(), *(made(theirs) for made in conditions))
        return changed(self.connection, insert.from_select([c.name for c in ours.columns], query))

    def _has_secrets(self, name: str) -> bool:
        """Whether a table of the other store holds text that is not taken as it is."""
        table = self._tables[name]
        texts = [table.c[column] for column in TEXTS.get(name, ())]
        if not texts:
            return False
        secret = sa.or_(*(_scrubbed(text) != text for text in texts))
        return (
            self.connection.execute(sa.select(sa.true()).where(secret).limit(1)).first() is not None
        )

    def _remake(self, name: str) -> None:
        """Make anew what is ours to fill in, where rows were copied that say it differently."""
        table = TABLE[name]
        for column in LOCAL.get(name, ()):
            made = _local(table.c[column])
            differs = table.c[column].is_distinct_from(made)
            self.connection.execute(table.update().where(differs).values({column: made}))

    def tell_records(self) -> None:
        """Keep the audiences of runs with the records of all runs that the other store mentions."""
        table = TABLE["record"] if self._source is not None else self._tables["record"]
        query = sa.select(table.c.run_id).where(table.c.run_id.is_not(None)).distinct()
        if self._source is None:
            run_ids = list(self.connection.execute(query).scalars())
        else:
            run_ids = [row[0] for row in _rows(self._source, query)]
        tell_records(self.connection, run_ids)

    def _can_copy(self, ours: sa.Table) -> bool:
        """Whether SQLite may copy a table with its indexes, record by record, which takes a third
        of the time: into an empty table, no column changed, by the plainest of statements."""
        is_empty = self.connection.execute(sa.select(*ours.primary_key).limit(1)).first() is None
        return is_empty and not self._is_shifted()

    def new_links(self) -> sa.Table:
        """The other's links that we do not have, as a table beside ours."""
        ours, theirs = TABLE["link"], self.rows("link")
        _new_links.drop(self.connection, checkfirst=True)
        _new_links.create(self.connection)
        new = ~sa.exists().where(*(c == theirs.c[c.name] for c in ours.primary_key))
        names = ours.columns.keys()
        wanted = sa.select(*theirs.c).where(new)
        self.connection.execute(_new_links.insert().from_select(names, wanted))
        return _new_links

    def insert_new_links(self) -> int:
        """Insert what `new_links` found; how many."""
        ours = TABLE["link"]
        query = sa.select(_new_links).where(sa.true())
        insert: Any = ignoring(ours, self.connection.dialect)
        count = changed(self.connection, insert.from_select(ours.columns.keys(), query))
        _new_links.drop(self.connection)
        return count

    def _insert_straight(self, name: str) -> int:
        """Rows on their way into our table, none of which can be there; ids are mapped by the
        query that reads them."""
        assert self._source is not None
        count = 0

        def counted() -> Iterator[tuple[Any, ...]]:
            nonlocal count
            assert self._source is not None
            for row in _rows(self._source, sa.select(*self._columns(name, TABLE[name]))):
                count += 1
                yield row

        stream_rows(self.connection, TABLE[name], counted())
        return count

    def numbers(self) -> set[int]:
        """Our numbers of the other store's origins."""
        return {no + (shift >> SEQUENCE_BITS) for no, shift in self._shift.items()}

    def run_ids(self) -> list[str]:
        """The runs that the other store speaks of."""
        table = self._tables["run_event"]
        return list(self.connection.execute(sa.select(table.c.run_id).distinct()).scalars())

    def rows(self, name: str) -> Any:
        """The other store's table with ids numbered as ours."""
        if not self._is_shifted() and name not in LOCAL and name not in TEXTS:
            return self._tables[name].alias(f"other_{name}_rows")
        return sa.select(*self._columns(name, self._tables[name])).subquery(f"other_{name}_rows")

    def _columns(self, name: str, table: sa.Table) -> list[sa.ColumnElement[Any]]:
        ids = ID_COLUMNS[name] if self._is_shifted() else ()
        copied = table.name.startswith("other_")  # rows on PostgreSQL have all columns already
        columns = list(table.columns) if copied else _whole(table)
        return [
            self._shifted(c).label(c.name) if c.name in ids else c.label(c.name) for c in columns
        ]

    def _is_shifted(self) -> bool:
        return any(self._shift.values())

    def _shifted(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        shifts = set(self._shift.values())
        if len(shifts) == 1:
            return column + _literal(shifts.pop())
        number = column.op(">>")(_literal(SEQUENCE_BITS))
        if len(self._shift) <= CASES:
            whens = [(number == _literal(no), _literal(by)) for no, by in self._shift.items()]
            return column + sa.case(*whens)
        found = sa.select(_shifts.c.shift).where(_shifts.c.no == number)
        return column + found.scalar_subquery()

    def _keep_shifts(self) -> None:
        """Put the shifts where statements can look them up, one for each origin."""
        rows = list(self._shift.items())
        _shifts.drop(self.connection, checkfirst=True)
        _shifts.create(self.connection)
        stream_rows(self.connection, _shifts, rows)
        if self._source is not None:
            self._source.execute(_as_sqlite(sa.schema.CreateTable(_shifts)))
            self._source.executemany(_as_sqlite(_shifts.insert()), rows)


def _whole(table: sa.Table) -> list[Any]:
    """The columns of the other store's table in SQLite: texts without secrets, and what is ours to
    fill in."""
    local, texts = LOCAL.get(table.name, ()), TEXTS.get(table.name, ())
    return [
        _local(c) if c.name in local else _scrubbed(c).label(c.name) if c.name in texts else c
        for c in table.columns
    ]


@cache
def _all_of(name: str) -> str:
    """The query for all rows of the other store's table in SQLite, ids as they are there."""
    return _as_sqlite(sa.select(*_whole(TABLE[name])))


def _scrubbed(text: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.Function(SCRUBBED, text, type_=sa.Text())


def _local(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if column.name == "uri_norm":
        uri = _scrubbed(column.table.c.uri)
        return sa.func.nullif(_norm(uri), uri).label(column.name)
    return sa.cast(sa.null(), column.type).label(column.name)


def _norm(uri: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.Function(URI_NORM, uri, type_=sa.Text())


def _literal(number: int) -> sa.ColumnElement[Any]:
    return sa.literal_column(str(number))


_shifts = sa.Table(
    "other_shift",
    sa.MetaData(),
    sa.Column("no", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("shift", sa.BigInteger),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


_new_links = sa.Table(
    "other_new_link",
    sa.MetaData(),
    *(sa.Column(c.name, c.type) for c in TABLE["link"].columns),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


@contextmanager
def beside(engine: sa.Engine, file: Path) -> Iterator[OtherStore]:
    """A transaction of ours in which another SQLite store is visible; the caller commits it.

    Raises BadFile when the file is no store, SchemaMismatch when it is of another version.
    """
    _check(file)
    ours = engine.url.database if engine.dialect.name == "sqlite" else None
    if ours and Path(ours).exists() and file.samefile(ours):
        raise BadFile(f"{file} is the store itself; give another file to merge into it.")
    with engine.connect() as connection:
        take = _attached if connection.dialect.name == "sqlite" else _copied
        with take(connection, file) as other:
            yield other


def _check(file: Path) -> None:
    try:
        with closing(_open(file)) as found:
            if _version(found) != SCHEMA_VERSION:
                raise SchemaMismatch(
                    f"{file} has another schema version; run "
                    f"`braid store upgrade --store {file}` first."
                )
            _check_rows(file, found)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise BadFile(
                f"{file} is damaged: `braid store check --store {file}` says where."
            ) from None
        raise BadFile(f"{file} is not a Braid store in a SQLite file.") from None


def _version(found: sqlite3.Connection) -> str | None:
    kind = "SELECT type FROM sqlite_master WHERE name = ?"
    for name in ("alembic_version", "origin"):
        if found.execute(kind, (name,)).fetchone() != ("table",):
            raise sqlite3.DatabaseError(name)
    row = found.execute("SELECT version_num FROM alembic_version LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def _check_rows(file: Path, found: sqlite3.Connection) -> None:
    """Raise BadFile for a file that no Braid has made: what it holds could not be read."""
    if (name := misshapen(found)) is not None:
        raise BadFile(f"{file} is not a Braid store: its table {name} has other columns.")
    origins = [row[0] for row in found.execute("SELECT no FROM origin")]
    tables = ("origin", *MERGED)

    def first(query: sa.Select[Any]) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = found.execute(_kept_text(query), latest()).fetchone()
        return row

    with reading_broken_text(found):
        checks = wrong_rows(first, origins, sqlite=True, tables=tables, foreign=True)
        wrong = next(checks, None)
    if wrong is not None:
        raise BadFile(f"{file} is not a valid Braid store: {wrong.sentence()} Nothing was merged.")
    with _reading(file) as connection:
        if cycle := first_cycle(connection):
            raise BadFile(
                f"{file} is not a valid Braid store: record {short_id(cycle[0])} derives from "
                "itself. Nothing was merged."
            )


@contextmanager
def _reading(file: Path) -> Iterator[sa.Connection]:
    """A file as our own queries read it."""
    engine = shared_engine(
        sa.make_url("sqlite://"), creator=lambda: _open(file), poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        yield connection


def _open(file: Path) -> sqlite3.Connection:
    return open_foreign(file)


@contextmanager
def _attached(connection: sa.Connection, file: Path) -> Iterator[OtherStore]:
    raw: Any = connection.connection.driver_connection
    add_functions(raw)
    connection.exec_driver_sql("ATTACH DATABASE ? AS other", (str(file.absolute()),))
    connection.commit()
    try:
        begin_write(connection)
        yield OtherStore(connection, _attached_tables())
    finally:
        detach(connection, "other")


# The other's tables are the same ones for each merge: then statements with them, which take longer
# to compile than a small store to merge, are compiled once in a process.


@cache
def _attached_tables() -> Mapping[str, sa.Table]:
    apart = sa.MetaData(schema="other")
    return {name: TABLE[name].to_metadata(apart) for name in TABLE}


@cache
def _copied_tables() -> Mapping[str, sa.Table]:
    apart = sa.MetaData()
    return {name: _temporary(TABLE[name], apart) for name in TABLE}


@contextmanager
def _copied(connection: sa.Connection, file: Path) -> Iterator[OtherStore]:
    begin_write(connection)
    advisory_lock(connection)
    with closing(_open(file)) as source:
        add_functions(source)
        source.isolation_level = None
        source.execute("BEGIN")
        yield OtherStore(connection, _copied_tables(), source)


def _temporary(table: sa.Table, apart: sa.MetaData) -> sa.Table:
    columns = [sa.Column(c.name, c.type) for c in table.columns]
    return sa.Table(
        f"other_{table.name}",
        apart,
        *columns,
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def _rows(source: sqlite3.Connection, query: sa.Select[Any] | str) -> Iterator[tuple[Any, ...]]:
    cursor = source.execute(query if isinstance(query, str) else _as_sqlite(query))
    while rows := cursor.fetchmany(FETCH):
        yield from rows


def _as_sqlite(statement: Any) -> str:
    return str(statement.compile(dialect=by_position(sqlite.dialect())))


_kept_text = lru_cache(maxsize=QUERIES)(_as_sqlite)
"""For queries that are kept themselves."""
