"""Whole copies of SQLite databases, and whether somebody else has one open."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from provenance_store.errors import BadFile
from provenance_store.sql.dialects import driver
from provenance_store.sql.failures import PUT_BACK
from provenance_store.sql.schema import current_version
from provenance_store.sql.tables import METADATA, TABLE

__all__ = [
    "copied",
    "damage",
    "damage_of",
    "damage_told",
    "drop_tables",
    "held_alone",
    "others_connected",
    "rights_missing",
    "row_counts",
]

PAGES_AT_ONCE = 2_000
"""Of 4 KiB: between two pieces the progress is told, and Ctrl-C is heard."""


def copied(source: sqlite3.Connection, file: Path, progress: Callable[[int, int], object]) -> None:
    """Copy the database of a connection into an empty file, as it is now; `progress` is told how
    many pages are done, of how many.

    The connection is in a transaction that has read something, and so sees one state, whoever
    writes meanwhile: without it SQLite would begin anew after each commit of another program.
    """

    def tell(_: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    with closing(sqlite3.connect(file)) as target:
        target.execute("PRAGMA synchronous=OFF")  # the caller waits for the disk, once
        source.backup(target, pages=PAGES_AT_ONCE, progress=tell)


def damage(connection: sa.Connection, most: int = 1) -> list[str]:
    """What SQLite finds wrong first, when it looks through all of a database; empty if nothing.
    PostgreSQL is not asked."""
    if connection.dialect.name != "sqlite":
        return []
    with driver(connection) as raw:
        return _reported(raw, most)


def damage_of(file: Path, most: int = 1) -> list[str]:
    """The same of a file that nobody writes to; nothing is made beside it."""
    uri = f"{file.absolute().as_uri()}?immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as looked:
        return _reported(looked, most)


def damage_told(found: Iterable[str]) -> list[str]:
    """What SQLite reports, as sentences, and what to do."""
    return [
        *(f"SQLite reports: {what}." for what in found),
        f"A damaged file is not repaired, and nothing else was looked at: {PUT_BACK}.",
    ]


def _reported(connection: sqlite3.Connection, most: int) -> list[str]:
    found = []
    try:
        for (text,) in connection.execute(f"PRAGMA quick_check({most:d})"):
            found.append(" ".join(str(text).split()))
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        return found or [str(error)]
    return [text for text in found if text != "ok"]


def row_counts(connection: sa.Connection) -> Mapping[str, int] | None:
    """How many rows each table has, of whatever schema; None where there is no store.

    Raises NotFound when the database holds other tables.
    """
    if current_version(connection) is None:
        return None
    names = set(sa.inspect(connection).get_table_names()) & TABLE.keys() - {"store_info"}
    count = sa.func.count()
    return {
        name: connection.execute(sa.select(count).select_from(TABLE[name])).scalar_one()
        for name in sorted(names)
    }


@contextmanager
def held_alone(file: Path) -> Iterator[bool]:
    """Hold a SQLite file so that no other program can open it; False when some program has it
    open, and nothing is held then.

    What was in its log is put into the file, and the log is removed. Raises BadFile for a file
    that SQLite cannot open.
    """
    with closing(sqlite3.connect(file, timeout=1.0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()  # nobody else may have it
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise BadFile(f"{file} cannot be opened: {error}.") from None
            held = False
        except sqlite3.DatabaseError as error:
            raise BadFile(f"{file} cannot be opened: {error}.") from None
        else:
            held = True
        yield held


def others_connected(connection: sa.Connection) -> int:
    """How many other sessions a PostgreSQL database has, of clients."""
    activity = sa.table(
        "pg_stat_activity", sa.column("datname"), sa.column("pid"), sa.column("usesysid")
    )
    query = sa.select(sa.func.count()).where(
        activity.c.datname == sa.func.current_database(),
        activity.c.pid != sa.func.pg_backend_pid(),
        activity.c.usesysid.is_not(None),  # of the server's own processes it is NULL
    )
    return int(connection.execute(query).scalar_one())


def drop_tables(connection: sa.Connection, *, keeping: Collection[str]) -> None:
    """Drop our tables but for some: those of a newer schema than the one that was put back."""
    gone = [table for table in METADATA.sorted_tables if table.name not in keeping]
    METADATA.drop_all(connection, tables=gone)


def rights_missing(connection: sa.Connection) -> str:
    """What the user of a PostgreSQL database may not do in a store's tables; empty if all."""
    if connection.dialect.name != "postgresql":
        return ""
    missing = [
        right
        for right in ("INSERT", "UPDATE", "DELETE")
        if not all(
            connection.execute(sa.select(sa.func.has_table_privilege(name, right))).scalar_one()
            for name in ("record", "step", "action")
        )
    ]
    return " or ".join(missing)
