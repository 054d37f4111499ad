"""What a SQLite file holds besides rows: checked before anything of it runs.

A file from elsewhere can hold views, triggers, computed columns and expressions under the names of
our tables. A query on them runs whatever they say, for as long as they like. So a connection to
a store first reads the list of its objects, and refuses the file when one of them is not what our
own models would create: the same tables, columns, keys and indexes, and nothing that computes.

A store of another schema version has other tables and columns than our models. In one, everything
passes that cannot compute anything: plain columns, keys, and indexes of plain columns.
"""

from __future__ import annotations

import re
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.sql import operators

from provenance_store.digests import not_opened
from provenance_store.errors import BadFile
from provenance_store.sql.failures import PUT_BACK
from provenance_store.sql.tables import METADATA, POSTGRESQL_INDEXES, SCHEMA_VERSION, TABLE

__all__ = ["checked_connect", "open_foreign", "undefended"]

Connect = Callable[[Any, Sequence[Any], dict[str, Any]], sqlite3.Connection]
"""Makes a connection of a dialect, arguments and options, as SQLAlchemy gives them."""

MOST_OBJECTS = 1_000
LONGEST_SQL = 20_000
"""Characters of one object's definition; the longest of ours has under 1,000."""
LARGEST_DEFINITION = 1 << 20
STEPS = 100_000
"""Steps of SQLite's machine in which the list of objects has to be read; ours takes some 1,000.
SQLite reads and parses all of the list before it answers anything about it."""
LARGEST_VALUE = 64 << 20
"""Bytes of one row of a file that is merged; the largest documents that we keep have 1 MB."""

VERSION_TABLE = "alembic_version"
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
_SQLITE = sqlite_dialect.dialect()
_STATISTICS = re.compile(r"sqlite_(sequence|stat[1-4])")
_TOKEN = re.compile(
    r"""\s+
    |(?P<word>[A-Za-z_][A-Za-z_0-9]*)
    |"(?P<name>[^"]*)"|`(?P<tick>[^`]*)`|\[(?P<bracket>[^]]*)\]
    |(?P<text>'[^']*')
    |(?P<number>[0-9]+(?:\.[0-9]+)?)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_TYPES = frozenset(
    "integer bigint smallint int text double float real varchar blob boolean numeric".split()
)


class Named(NamedTuple):
    """A row of sqlite_master."""

    type: str
    name: str
    table: str
    sql: str | None


class _Strange(Exception):
    """An object that no Braid store has, in words."""


# ---- connections -----------------------------------------------------------------------


def checked_connect() -> Connect:
    """How an engine for a SQLite file connects: the file is checked the first time.

    Raises BadFile for a file with an object that is not ours. On every connection, what a schema
    says may not call functions that have effects.
    """
    checked = False

    def connect(dialect: Any, args: Sequence[Any], options: dict[str, Any]) -> sqlite3.Connection:
        nonlocal checked
        if not checked and not options.get("uri"):
            _refuse_journal(Path(args[0]))
        connection: sqlite3.Connection = dialect.connect(*args, **options)
        try:
            if not checked:
                _check(connection, str(args[0]), f"; if it was a store, {PUT_BACK}")
                checked = True
            _distrust(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def open_foreign(file: Path) -> sqlite3.Connection:
    """A connection that reads a store's file from elsewhere, which has been checked.

    Raises BadFile for a file with an object that is not ours, sqlite3.Error for one that is no
    database, is damaged, or has too large a row.
    """
    _refuse_journal(file)
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        _check(connection, str(file))
        _distrust(connection)
        connection.execute("PRAGMA cell_size_check=ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)
    except BaseException:
        connection.close()
        raise
    return connection


def _distrust(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA trusted_schema=OFF")
    _defend(connection, True)


def _defend(connection: sqlite3.Connection, defended: bool) -> None:
    """No statement may damage the file on purpose; Python can ask for this since 3.12."""
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, defended)


@contextmanager
def undefended(connection: sa.Connection) -> Iterator[None]:
    """While a file of our own is set up that is attached: to write one without a journal is
    refused to a connection that is defended."""
    raw: Any = connection.connection.driver_connection
    _defend(raw, False)
    try:
        yield
    finally:
        _defend(raw, True)


def _require_regular(path: Path) -> None:
    """Raise BadFile for a pipe or a device, which would be read without end; a folder, and what is
    not there (or not any more: a journal comes and goes), SQLite tells itself."""
    try:
        found = path.stat()
    except OSError:
        return
    if not stat.S_ISDIR(found.st_mode) and (why := not_opened(found)):
        raise BadFile(f"{path} {why.why}, and not a regular file.")


def _refuse_journal(file: Path) -> None:
    """Raise BadFile for a journal that names another: SQLite deletes the file that it names.

    Only a transaction over several attached files has one, and Braid writes to one file at a time.
    """
    path = file.with_name(f"{file.name}-journal")
    _require_regular(file)
    _require_regular(path)
    try:
        with path.open("rb") as journal:
            size = journal.seek(0, 2)
            journal.seek(max(size - len(_SUPER_JOURNAL), 0))
            end = journal.read(len(_SUPER_JOURNAL))
    except OSError:
        return
    if end == _SUPER_JOURNAL:
        raise BadFile(
            f"{file} is not opened: the journal beside it, {file.name}-journal, names another "
            "file, which SQLite would delete; restore the store from a copy."
        )


# ---- the list of objects ---------------------------------------------------------------


def _check(connection: sqlite3.Connection, file: str, todo: str = "") -> None:
    """Raise BadFile when the file has an object that no Braid store has; `todo` ends its
    sentence."""
    with _bounded(connection):
        try:
            query = "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?"
            rows = connection.execute(query, (MOST_OBJECTS + 1,)).fetchall()
            objects = [Named(*_as_texts(row)) for row in rows]
            _require_ours(connection, objects)
        except _Strange as error:
            raise BadFile(f"{file} is not opened: it has {error}{todo}.") from None
        except UnicodeDecodeError:  # what SQLite says of a damaged table names it
            raise BadFile(f"{file} is not opened: it is damaged{todo}.") from None
        except sqlite3.Error as error:
            if not _is_too_much(error):
                raise
            raise BadFile(
                f"{file} is not opened: it has more tables, or longer definitions of them, than "
                "any Braid store."
            ) from None


@contextmanager
def _bounded(connection: sqlite3.Connection) -> Iterator[None]:
    """What is read inside is short, and read in few steps."""
    limits = {
        sqlite3.SQLITE_LIMIT_LENGTH: LARGEST_DEFINITION,
        sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST_SQL * 4,
    }
    before = {limit: connection.setlimit(limit, most) for limit, most in limits.items()}
    connection.set_progress_handler(lambda: 1, STEPS)
    factory, connection.text_factory = connection.text_factory, _readable
    try:
        yield
    finally:
        connection.text_factory = factory
        connection.set_progress_handler(None, 0)
        for limit, most in before.items():
            connection.setlimit(limit, most)


def _readable(data: bytes) -> str:
    return data.decode(errors="replace")


def _as_texts(row: Sequence[Any]) -> list[Any]:
    return [value if value is None or isinstance(value, str) else repr(value)[:80] for value in row]


def _is_too_much(error: sqlite3.Error) -> bool:
    return "interrupted" in str(error) or "too big" in str(error)


def _require_ours(connection: sqlite3.Connection, objects: Sequence[Named]) -> None:
    """Raise _Strange for the first object that is not ours, once it is clear whose file it is."""
    tables = {one.name for one in objects if one.type == "table"}
    if not {VERSION_TABLE, "record", "origin"} <= tables:
        for one in objects:
            if one.name in TABLE or one.name == VERSION_TABLE:
                _require_plain(one)
        return  # some other database, of which no more than the list of its tables is read
    if len(objects) > MOST_OBJECTS:
        raise _Strange(f"more than {MOST_OBJECTS:,} tables and indexes")
    for one in objects:
        _require_plain(one)
    found = connection.execute("SELECT version_num FROM alembic_version LIMIT 1").fetchone()
    if found is not None and str(found[0]) == SCHEMA_VERSION:
        _require_current(objects)


def _require_plain(one: Named) -> None:
    """Raise _Strange for what computes anything."""
    named = f"the {one.type:.20} {one.name:.80}"
    if one.type not in ("table", "index"):
        raise _Strange(f"{named}, and a Braid store has none of that kind")
    if one.sql is None:
        is_own = one.type == "index" and one.name.startswith("sqlite_autoindex_")
        if not is_own:
            raise _Strange(f"{named} without a definition")
    elif one.name.startswith("sqlite_"):
        if not _STATISTICS.fullmatch(one.name) or _table(one.sql) is None:
            raise _Strange(f"{named}, which SQLite does not make")
    elif _is_as_written(one):
        return
    elif len(one.sql) > LONGEST_SQL:
        raise _Strange(f"{named} with a definition of {len(one.sql):,} characters")
    elif _parsed(one) is None and not _is_compiled(one):
        raise _Strange(f"{named} with a definition that no Braid store has")


def _parsed(one: Named) -> _Table | _Index | None:
    found = _table(one.sql or "") if one.type == "table" else _index(one.sql or "")
    return found if found is not None and found.name == one.name else None


# ---- what our models would create ------------------------------------------------------


def _require_current(objects: Sequence[Named]) -> None:
    """Raise _Strange where a store of our version has other tables or indexes than our models."""
    seen = set()
    for one in objects:
        if one.name.startswith("sqlite_") or one.name == VERSION_TABLE:
            continue
        wanted = TABLE.get(one.name) if one.type == "table" else _indexes().get(one.name)
        if wanted is None:
            raise _Strange(f"the {one.type} {one.name:.80}, which this version of Braid has not")
        if one.type == "table":
            seen.add(one.name)
        if not (_is_as_written(one) or _is_as(wanted, one) or _is_compiled(one)):
            raise _Strange(f"another {one.type} {one.name} than this version of Braid")
    if missing := sorted(TABLE.keys() - seen):
        raise _Strange(f"no table {missing[0]}")


def _is_as(wanted: sa.Table | sa.Index, one: Named) -> bool:
    found = _parsed(one)
    if isinstance(wanted, sa.Table):
        return isinstance(found, _Table) and found == _expected(wanted)
    return isinstance(found, _Index) and found == _expected_index(wanted)


def _is_as_written(one: Named) -> bool:
    """Whether a definition reads as SQLAlchemy writes ours today: then it need not be parsed,
    which takes 30 times as long."""
    text = _as_written().get((one.type, one.name))
    return text is not None and " ".join((one.sql or "").split()) == text


@cache
def _as_written() -> dict[tuple[str, str], str]:
    """The definitions of our plain tables and indexes, with single spaces."""
    quote = _SQLITE.identifier_preparer.quote
    found = {}
    for table in METADATA.sorted_tables:
        items = [
            f"{quote(c.name)} {_type_of(c.type).upper()}{'' if c.nullable else ' NOT NULL'}"
            for c in table.columns
        ]
        keys = [("PRIMARY KEY", table.primary_key), *(("UNIQUE", u) for u in _uniques(table))]
        for words, key in keys:
            names = ", ".join(quote(column.name) for column in key.columns)
            items.append(f"CONSTRAINT {quote(str(key.name))} {words} ({names})")
        options = "" if _has_rowid(table) else " WITHOUT ROWID"
        text = f"CREATE TABLE {quote(table.name)} ( {', '.join(items)} ){options}"
        found["table", table.name] = text
    for name, index in _indexes().items():
        if (plain := _expected_index(index)) is not None:
            only = f" WHERE {quote(plain.only)} IS NOT NULL" if plain.only else ""
            unique = "UNIQUE " if plain.unique else ""
            columns = ", ".join(map(quote, plain.columns))
            text = f"CREATE {unique}INDEX {quote(name)} ON {quote(plain.table)} ({columns}){only}"
        else:
            text = " ".join(str(sa.schema.CreateIndex(index).compile(dialect=_SQLITE)).split())
        found["index", name] = text
    return found


def _uniques(table: sa.Table) -> list[sa.UniqueConstraint]:
    found = [one for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
    return sorted(found, key=lambda one: str(one.name))


def _has_rowid(table: sa.Table) -> bool:
    return bool(table.dialect_options["sqlite"]["with_rowid"])


@cache
def _expected(table: sa.Table) -> _Table:
    columns = frozenset(
        (column.name, _type_of(column.type), not column.nullable) for column in table.columns
    )
    uniques = [tuple(column.name for column in one.columns) for one in _uniques(table)]
    key = tuple(column.name for column in table.primary_key)
    return _Table(table.name, columns, key, frozenset(uniques), not _has_rowid(table))


def _expected_index(index: sa.Index) -> _Index | None:
    if not all(isinstance(part, sa.Column) for part in index.expressions):
        return None
    columns = tuple(column.name for column in index.columns)
    where = index.dialect_options["sqlite"]["where"]
    only = None if where is None else _not_null(where)
    if where is not None and only is None:
        return None
    table = index.table.name if index.table is not None else ""
    return _Index(str(index.name), table, columns, bool(index.unique), only)


def _not_null(where: Any) -> str | None:
    """The column of a condition ``column IS NOT NULL``; None for another condition."""
    column = getattr(where, "left", None)
    if isinstance(column, sa.Column) and where.operator is operators.is_not:
        return str(column.name)
    return None


@cache
def _indexes() -> dict[str, sa.Index]:
    found = (index for table in METADATA.sorted_tables for index in table.indexes)
    return {str(i.name): i for i in found if i.name not in POSTGRESQL_INDEXES}


def _type_of(kind: sa.types.TypeEngine[Any]) -> str:
    """How SQLite spells a type; compiling one is slow, and ours are few."""
    key = (type(kind), getattr(kind, "length", None), kind._variant_mapping.get("sqlite"))
    if key not in _TYPE_TEXTS:
        _TYPE_TEXTS[key] = kind.compile(_SQLITE).lower()
    return _TYPE_TEXTS[key]


_TYPE_TEXTS: dict[Any, str] = {}


def _is_compiled(one: Named) -> bool:
    """Whether a definition is, word by word, what our models compile to."""
    wanted = TABLE.get(one.name) if one.type == "table" else _indexes().get(one.name)
    if wanted is None:
        return False
    ddl = sa.schema.CreateTable if isinstance(wanted, sa.Table) else sa.schema.CreateIndex
    compiled = str(ddl(wanted).compile(dialect=_SQLITE))  # type: ignore[arg-type]
    return list(_words(compiled)) == list(_words(one.sql or ""))


# ---- reading definitions ---------------------------------------------------------------


class _Table(NamedTuple):
    """A table of plain columns: (name, type, NOT NULL) of each, and its keys."""

    name: str
    columns: frozenset[tuple[str, str, bool]]
    key: tuple[str, ...]
    uniques: frozenset[tuple[str, ...]]
    without_rowid: bool


class _Index(NamedTuple):
    """An index of plain columns, of the rows in which one column is not NULL, or of all."""

    name: str
    table: str
    columns: tuple[str, ...]
    unique: bool
    only: str | None


def _words(sql: str) -> Iterator[str]:
    """Words in lower case, names in quotes as they are after a quote, everything else as it is."""
    for match in _TOKEN.finditer(sql):
        if match.lastgroup is None:
            continue
        value = match[match.lastgroup]
        if match.lastgroup == "word":
            yield value.lower()
        elif match.lastgroup in ("name", "tick", "bracket"):
            yield '"' + value
        else:
            yield value


class _Unsafe(Exception):
    """A definition with anything else than plain columns and keys."""


class _Reading:
    """The words of one definition, from the first to the last."""

    def __init__(self, sql: str) -> None:
        self._left = list(_words(sql))[::-1]

    def next(self) -> str:
        """The word that comes next."""
        if not self._left:
            raise _Unsafe
        return self._left.pop()

    def has(self, *words: str) -> bool:
        """Whether these words come next; then they are taken."""
        if self._left[: -len(words) - 1 : -1] != list(words):
            return False
        del self._left[-len(words) :]
        return True

    def take(self, *words: str) -> None:
        """These words have to come next."""
        if not self.has(*words):
            raise _Unsafe

    def name(self) -> str:
        """A name, in quotes or not."""
        word = self.next()
        if word[0] == '"':
            return word[1:]
        if not (word[0].isalpha() or word[0] == "_"):
            raise _Unsafe
        return word

    def names(self) -> tuple[str, ...]:
        """Names in parentheses."""
        self.take("(")
        found = [self.name()]
        while self.has(","):
            found.append(self.name())
        self.take(")")
        return tuple(found)

    def end(self) -> None:
        """Nothing may be left."""
        if self._left:
            raise _Unsafe


def _read(read: Callable[[_Reading], Any], sql: str) -> Any:
    try:
        return read(_Reading(sql))
    except _Unsafe:
        return None


def _table(sql: str) -> _Table | None:
    found: _Table | None = _read(_read_table, sql)
    return found


def _index(sql: str) -> _Index | None:
    found: _Index | None = _read(_read_index, sql)
    return found


def _read_table(words: _Reading) -> _Table:
    words.take("create", "table")
    name = words.name()
    columns: list[tuple[str, str, bool]] = []
    key: tuple[str, ...] = ()
    uniques: list[tuple[str, ...]] = []
    words.take("(")
    while True:
        if words.has("constraint"):
            words.name()
        if words.has("primary", "key"):
            key = words.names()
        elif words.has("unique"):
            uniques.append(words.names())
        else:
            column, is_key = _read_column(words)
            columns.append(column)
            key = (column[0],) if is_key else key
        if not words.has(","):
            break
    words.take(")")
    without_rowid = words.has("without", "rowid")
    words.end()
    return _Table(name, frozenset(columns), key, frozenset(uniques), without_rowid)


def _read_column(words: _Reading) -> tuple[tuple[str, str, bool], bool]:
    name = words.name()
    kind = next((one for one in _TYPES if words.has(one)), "")
    if kind and words.has("("):
        kind += f"({words.next()})"
        words.take(")")
    required = is_key = False
    while True:
        if words.has("not", "null"):
            required = True
        elif words.has("primary", "key"):
            is_key = True
        elif words.has("default"):
            _read_literal(words)
        else:
            return (name, kind, required), is_key


def _read_literal(words: _Reading) -> None:
    word = words.next()
    if word in ("+", "-"):
        word = words.next()
    if word[0] != "'" and not word[0].isdigit() and word not in ("null", "true", "false"):
        raise _Unsafe


def _read_index(words: _Reading) -> _Index:
    words.take("create")
    unique = words.has("unique")
    words.take("index")
    name = words.name()
    words.take("on")
    table = words.name()
    columns = words.names()
    only = None
    if words.has("where"):
        only = words.name()
        words.take("is", "not", "null")
    words.end()
    return _Index(name, table, columns, unique, only)
