"""Statements as text for the driver's own connection, compiled once in a process.

SQLAlchemy spends more on executing a short statement than the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DataError

from provenance_store.sql.dialects import driver

__all__ = [
    "Compiled",
    "Insert",
    "as_array",
    "by_position",
    "compiled",
    "ignoring",
    "stream_rows",
]

COPY_FROM_ROWS = 2000
ROWS_AT_ONCE = 16
STATEMENTS = 8
"""Up to how many statements of ROWS_AT_ONCE rows are better than one executemany."""
ROWS_AN_ARRAY = 5000
"""So many rows of PostgreSQL are one statement, whose text is the same for any number of them."""

_TEXTS: dict[tuple[str, str, bool], dict[int, str]] = {}
"""The INSERTs that were compiled already, by database, table, whether it passes over rows that are
there, and number of rows."""


class Insert:
    """The INSERT of one table, compiled once.

    SQLite's driver lets other threads run at every row of an executemany, and then waits for its
    turn; under load that costs more than the row. So few rows go in one statement of many rows,
    compiled once for each number of them. PostgreSQL takes any number as an array a column.

    On SQLite the rows before one that is refused stay until the caller rolls back: to undo them
    by itself, SQLite copies every page that a statement changes to a file of its own first.
    """

    def __init__(self, table: sa.Table, dialect: sa.Dialect, *, passing: bool = False) -> None:
        self._table = table
        self._dialect = by_position(dialect)
        self._passing = passing
        self._texts = _TEXTS.setdefault((dialect.name, table.name, passing), {})
        self._arrays: tuple[Callable[[Sequence[Any]], str], ...] = tuple(
            _numbers if isinstance(column.type, sa.Double) else as_array for column in table.columns
        )

    def rows(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows: in statements of many, with executemany, or on PostgreSQL with COPY.

        A row that is there already is an IntegrityError, or passed over with `passing`.
        """
        with driver(connection) as raw:
            if self._dialect.name == "postgresql":
                if len(rows) >= COPY_FROM_ROWS and not self._passing:
                    _copy(raw, self._table, rows)
                    return
                for place in range(0, len(rows), ROWS_AN_ARRAY):
                    columns = zip(*rows[place : place + ROWS_AN_ARRAY], strict=True)
                    raw.execute(self._text(0), self._written(columns))
            elif len(rows) <= ROWS_AT_ONCE * STATEMENTS:
                for place in range(0, len(rows), ROWS_AT_ONCE):
                    some = rows[place : place + ROWS_AT_ONCE]
                    raw.execute(self._text(len(some)), [value for row in some for value in row])
            else:
                raw.cursor().executemany(self._text(1), rows)

    def _written(self, columns: Iterable[Sequence[Any]]) -> list[str]:
        try:
            return [write(each) for write, each in zip(self._arrays, columns, strict=True)]
        except TypeError as error:
            raise DataError(None, None, error) from None

    def _text(self, count: int) -> str:
        """The statement for so many rows at once, or for arrays of them when it is none."""
        if count not in self._texts:
            plain: Any = ignoring(self._table, self._dialect) if self._passing else None
            insert: Any = self._table.insert() if plain is None else plain
            names = self._table.columns.keys()
            if not count:
                insert = insert.from_select(names, _unnested(self._table))
            elif count > 1:
                insert = insert.values([dict.fromkeys(names) for _ in range(count)])
            if self._dialect.name == "sqlite":
                insert = insert.prefix_with("OR FAIL")
            self._texts[count] = str(insert.compile(dialect=self._dialect))
        return self._texts[count]


def _unnested(table: sa.Table) -> sa.Select[Any]:
    """The rows of arrays, one for each column of a table."""
    arrays = (sa.bindparam(column.name, type_=sa.ARRAY(column.type)) for column in table.columns)
    names = table.columns.keys()
    each = sa.func.unnest(*arrays).table_valued(*names).render_derived()
    return sa.select(*(each.c[name] for name in names))


def as_array(values: Sequence[Any]) -> str:
    """Texts or whole numbers as PostgreSQL writes an array of them: like JSON, which takes a
    fraction of the time that its driver takes for each, but for what has an escape."""
    data = msgspec.json.encode(values)
    if b"\\" not in data:
        return f"{{{data[1:-1].decode()}}}"
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Any) -> str:
    if type(value) is not str:
        return "NULL" if value is None else str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _numbers(values: Sequence[float | None]) -> str:
    """Numbers as PostgreSQL writes an array; JSON has none that are not finite."""
    return f"{{{','.join('NULL' if value is None else repr(value) for value in values)}}}"


def stream_rows(
    connection: sa.Connection, table: sa.Table, rows: Iterable[tuple[Any, ...]]
) -> None:
    """Insert rows as they are produced: executemany, on PostgreSQL COPY."""
    with driver(connection) as raw:
        if connection.dialect.name == "postgresql":
            _copy(raw, table, rows)
        else:
            statement = table.insert().compile(dialect=by_position(connection.dialect))
            raw.executemany(str(statement), rows)


def _copy(raw: Any, table: sa.Table, rows: Iterable[tuple[Any, ...]]) -> None:
    from psycopg import sql

    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    target = sql.Identifier(table.name)
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(target, names)
    oids = [_PG_TYPES[type(column.type).__name__] for column in table.columns]
    with raw.cursor() as cursor, cursor.copy(command) as copy:
        copy.set_types(oids)
        for row in rows:
            copy.write_row(row)


_PG_TYPES = {
    "BigInteger": "int8",
    "Integer": "int4",
    "SmallInteger": "int2",
    "Text": "text",
    "Double": "float8",
}


def by_position(dialect: sa.Dialect) -> sa.Dialect:
    """The same dialect with parameters by position, for rows that are tuples."""
    kind: Any = type(dialect)
    made: sa.Dialect = kind(paramstyle="format" if dialect.name == "postgresql" else "qmark")
    return made


class Compiled:
    """A statement as text for the driver's own connection (`driver`): SQLAlchemy spends more on
    executing a short one than the database does."""

    def __init__(self, statement: sa.Executable, dialect: sa.Dialect) -> None:
        compiled: Any = statement.compile(  # type: ignore[attr-defined]
            dialect=by_position(dialect), compile_kwargs={"render_postcompile": True}
        )
        self.text = str(compiled)
        self._order: tuple[str, ...] = tuple(compiled.positiontup)
        self._constants: dict[str, Any] = compiled.params
        # PostgreSQL would go on with the plan that it made when there was hardly a row.
        self._how = {"prepare": False} if dialect.name == "postgresql" else {}

    def ask(self, raw: Any, **given: Any) -> list[Any]:
        """The rows that a query finds, planned for the store as it is now."""
        return self.send(raw, **given)()

    def send(self, raw: Any, **given: Any) -> Callable[[], list[Any]]:
        """As `ask`; what is returned waits for the rows. So several may be on their way, see
        `dialects.pipelined`."""
        found: Callable[[], list[Any]] = raw.execute(
            self.text, self.values(**given), **self._how
        ).fetchall
        return found

    def values(self, **given: Any) -> list[Any]:
        """The values of its parameters in their order."""
        return [*map({**self._constants, **given}.__getitem__, self._order)]


Build = Callable[[sa.Dialect], sa.Executable]
_ONCE: dict[tuple[str, sa.Executable | Build], Compiled] = {}


def compiled(what: sa.Executable | Build, dialect: sa.Dialect) -> Compiled:
    """A statement, or what builds one for a dialect, compiled once in the process. It is to live as
    long as its module, or to be equal to others that build the same."""
    key = (dialect.name, what)
    if (found := _ONCE.get(key)) is None:
        statement = what if isinstance(what, sa.Executable) else what(dialect)
        found = _ONCE[key] = Compiled(statement, dialect)
    return found


def ignoring(table: sa.Table, dialect: sa.Dialect) -> sa.Insert:
    """INSERT … ON CONFLICT DO NOTHING."""
    if dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        return pg_insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.sqlite import insert as lite_insert

    return lite_insert(table).on_conflict_do_nothing()
