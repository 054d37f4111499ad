"""Where SQLite and PostgreSQL differ, side by side."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import LRUCache

from provenance_store import redaction
from provenance_store.errors import ConfigurationError, StoreUnavailable
from provenance_store.extras import extra
from provenance_store.sql.connection_forks import Counted, ForkGate
from provenance_store.sql.failures import SILENT, TOO_LONG
from provenance_store.sql.store_file import StoreFile
from provenance_store.sql.tables import fit_postgresql
from provenance_store.sql.waits import WaitedInVain, Waits
from provenance_store.sql.watch import Watch, watch_of
from provenance_store.store_path import store_path
from provenance_store.validation.uris import normal_uri

__all__ = [
    "SCRUBBED",
    "URI_NORM",
    "Shared",
    "SharedSQLite",
    "add_functions",
    "advisory_lock",
    "begin_write",
    "changed",
    "detach",
    "driver",
    "in_a_row",
    "interrupted_at",
    "lock_links",
    "make_engine",
    "make_private",
    "pipelined",
    "read_url",
    "savepoint",
    "shared_engine",
    "short_work",
    "wait_less",
]

SCRUBBED = "braid_scrubbed"
"""A text without secrets."""

URI_NORM = "braid_uri_norm"
"""The normal form of a URI."""


def add_functions(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    connection.create_function(URI_NORM, 1, _norm, deterministic=True)
    connection.create_function(SCRUBBED, 1, _scrubbed, deterministic=True)


def _scrubbed(text: Any) -> Any:
    return redaction.scrub_text(text) if isinstance(text, str) else text


def _norm(uri: object) -> str:
    return normal_uri(uri if isinstance(uri, str) else str(uri))


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


if TYPE_CHECKING:
    from provenance_store.sql.postgresql_waits import PatientConnection

POOL_SIZE = 8
POOL_OVERFLOW = 24
LOG_PAGES = 4000
"""So long, 16 MB, the log of a SQLite store grows until it is put into the file. A page that was
written often since goes there once, and each time the disk is waited for twice."""
SCHEMA_LOCK = 0x62726169
LEAST_POOL_SECONDS = 1.0
"""How long a connection that others use is waited for, at the least: they use it for moments."""
SHORT_WORK_SECONDS = 60.0
STEPS_BETWEEN_LOOKS = 10_000
"""Instructions of SQLite's virtual machine: less than a millisecond, but for patterns."""
LOCK_PAUSE, MOST_LOCK_PAUSE = 0.001, 0.02
"""Seconds between two attempts to get SQLite's lock."""


def read_url(text: str | os.PathLike[str]) -> sa.URL:
    """The store's URL: ``sqlite:///FILE``, which a path may stand for, or ``postgresql://…``;
    psycopg 3 is used for the latter.

    Raises ConfigurationError, never repeating the URL: it may hold a password.
    """
    if (path := store_path(text)) is not None:
        return sa.URL.create("sqlite", database=path)
    try:
        url = sa.make_url(str(text))
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if (
        url is not None
        and url.drivername == "sqlite"
        and url.database not in (None, "", ":memory:")
    ):
        return url
    if url is not None and url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise ConfigurationError(
        "A store is given as the path of its SQLite file, as sqlite:///FILE (four slashes for an "
        "absolute path) or as postgresql://USER@HOST/DATABASE."
    )


def make_engine(url: sa.URL, *, cache_mb: int, busy_ms: int) -> sa.Engine:
    """An engine with a pool; on SQLite WAL, full durability and our own transactions.

    A SQLite file that may not be written, or whose folder may not be, can be read.
    """
    waits = Waits(busy_ms / 1000)
    if url.get_backend_name() == "postgresql":
        return _postgres_engine(url, waits)
    engine = shared_engine(
        url,
        hide_parameters=True,  # an error that nobody foresaw does not repeat what was to be written
        poolclass=sa.pool.QueuePool,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=max(waits.seconds, LEAST_POOL_SECONDS),
        connect_args={
            "timeout": busy_ms / 1000,
            "check_same_thread": False,
            "cached_statements": 512,
        },
    )
    file = Path(url.database or "")
    # What is opened as a URI, or can only be read, is taken as it is.
    place = None if "uri" in url.query or _stands_still(file) else StoreFile(file)
    watch = Watch(engine, waits, place)

    @event.listens_for(engine, "do_connect")
    def _choose(_: object, __: object, args: list[Any], options: dict[str, Any]) -> None:
        watch.before_opening()
        if "uri" not in url.query and _stands_still(Path(args[0])):
            args[0] = f"{Path(args[0]).absolute().as_uri()}?immutable=1"
            options["uri"] = True

    @event.listens_for(engine, "connect")
    def _prepare(connection: Counted, _: object) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={int(busy_ms)}",
            "synchronous=FULL",
            f"cache_size={-1024 * int(cache_mb)}",
            f"wal_autocheckpoint={LOG_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _use_wal(connection, busy_ms)
        if place is None:
            return
        connection.closing = place.closed
        if not place.opened():
            connection.close()
            watch.replaced()

    ForkGate(engine)  # last: it is who connects
    return engine


def _postgres_engine(url: sa.URL, waits: Waits) -> sa.Engine:
    """An engine whose connections give up waiting for locks, and for a server that hangs."""
    with extra("postgres", "A store on PostgreSQL"):
        from provenance_store.sql.postgresql_waits import (
            PatientConnection,
            SilentServer,
            connect_options,
        )

    fit_postgresql()
    engine = shared_engine(
        url,
        hide_parameters=True,  # an error that nobody foresaw does not repeat what was to be written
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=max(waits.seconds, LEAST_POOL_SECONDS),
    )
    Watch(engine, waits, None)

    @event.listens_for(engine, "do_connect")
    def _connect(_: object, __: object, args: list[Any], options: dict[str, Any]) -> Any:
        connection = PatientConnection.connect(*args, **(connect_options(waits.patience) | options))
        connection.waits, connection.limit = waits, waits.seconds
        return connection

    @event.listens_for(engine, "connect")
    def _prepare(connection: PatientConnection, _: object) -> None:
        connection.execute(_LOCK_TIMEOUT, (_milliseconds(waits.seconds), False))
        connection.execute(_NO_JIT)
        connection.commit()

    @event.listens_for(engine, "checkin")
    def _idle(connection: PatientConnection | None, _: object) -> None:
        if connection is not None:
            connection.limit = waits.seconds  # of the ping when it is taken out again

    @event.listens_for(engine, "checkout")
    def _taken(connection: PatientConnection, _: object, __: object) -> None:
        connection.limit = None

    @event.listens_for(engine, "handle_error")
    def _hangs(context: ExceptionContext) -> None:
        if context.is_pre_ping and isinstance(context.original_exception, SilentServer):
            raise WaitedInVain(SILENT)  # and not try another connection, in vain too

    ForkGate(engine)
    return engine


_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', %s, %s)"
_NO_JIT = "SET jit = off"
"""To compile a question takes a hundred times as long as to answer it by the indexes, and where
PostgreSQL misjudges how many rows there are it would do so each time."""
_STATEMENT_TIMEOUT = "SELECT set_config('statement_timeout', %s, %s)"


def _milliseconds(seconds: float) -> str:
    """A time limit as PostgreSQL takes it, which takes 0 for none."""
    return str(max(1, int(seconds * 1000)))


def short_work(raw: sa.PoolProxiedConnection, dialect: sa.Dialect) -> None:
    """Say of a connection that it only looks up, or writes, a few rows at a time: an answer that
    takes very long will not come any more. It holds until the connection is back in the pool."""
    if dialect.name == "postgresql":
        connection: Any = raw.driver_connection
        connection.limit = SHORT_WORK_SECONDS


def wait_less(raw: sa.PoolProxiedConnection, dialect: sa.Dialect, waits: Waits) -> None:
    """On PostgreSQL, wait for locks only for as long as is left, in this transaction."""
    left = waits.left()
    if dialect.name == "postgresql" and waits.is_short(left):
        _wait_for_locks(raw.driver_connection, left)


def _wait_for_locks(raw: Any, seconds: float) -> None:
    raw.execute(_LOCK_TIMEOUT, (_milliseconds(seconds), True))


def _stands_still(file: Path) -> bool:
    """Whether a file is to be read as one that nobody changes: its folder is closed to us.

    To read a file in WAL mode SQLite makes two more beside it. It can use those of a program that
    is writing; changes that one left behind in them cannot be seen, and then SQLite refuses.
    """
    if not file.exists() or os.access(file.absolute().parent, os.W_OK):
        return False
    try:
        return not file.with_name(f"{file.name}-wal").stat().st_size
    except OSError:
        return True


def _use_wal(connection: sqlite3.Connection, busy_ms: int) -> None:
    """Switch to WAL, waiting our turn: SQLite's busy timeout does not cover this switch.

    What may only be read stays as it is.
    """
    deadline = time.monotonic() + busy_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "readonly" in str(error):
                return
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def begin_write(connection: sa.Connection, deadline: float | None = None) -> None:
    """Begin a transaction that will write: on SQLite it takes the write lock at once.

    Taking it later could fail with a deadlock that no busy timeout resolves. Locks are waited
    for until the deadline (`time.monotonic`), by default for as long as the store's waits say.
    """
    connection.begin()
    watch = watch_of(connection)
    try:
        if watch is None:
            _take_lock(connection)
            return
        watch.before_writing(connection)
        left = watch.waits.left(deadline)
        if connection.dialect.name == "sqlite":
            _take_lock_within(connection, left, watch.waits)
        elif watch.waits.is_short(left):
            with driver(connection) as raw:
                _wait_for_locks(raw, left)
        watch.check_writing(connection)
    except BaseException:
        connection.rollback()
        raise


def _take_lock(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _take_lock_within(connection: sa.Connection, seconds: float, waits: Waits) -> None:
    """Ask for SQLite's lock each millisecond at first. SQLite's own waiting looks 20, then 50
    milliseconds apart, and so misses the moments that others leave between two writes."""
    until = time.monotonic() + seconds
    pause = LOCK_PAUSE
    with driver(connection) as raw:
        raw.execute("PRAGMA busy_timeout=0")
        try:
            while not _has_lock(raw, last=time.monotonic() >= until):
                time.sleep(pause)
                pause = min(pause * 1.05, MOST_LOCK_PAUSE)
        finally:
            raw.execute(f"PRAGMA busy_timeout={int(waits.seconds * 1000)}")


def _has_lock(raw: Any, *, last: bool) -> bool:
    try:
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


@contextmanager
def savepoint(connection: sa.Connection) -> Iterator[None]:
    """What happens inside is undone when it raises; what happened before stays.

    Written out, since SQLAlchemy compiles its own savepoints anew each time.
    """
    with driver(connection) as raw:
        raw.execute("SAVEPOINT batch")
        try:
            yield
        except BaseException:
            raw.execute("ROLLBACK TO SAVEPOINT batch")
            raise
        raw.execute("RELEASE SAVEPOINT batch")


def changed(connection: sa.Connection, statement: sa.Executable) -> int:
    """Run a statement that writes; how many rows it inserted, changed or deleted.

    Python's SQLite counts none for a statement that begins with WITH, SQLite itself does.
    """
    done: Any = connection.execute(statement, execution_options={"preserve_rowcount": True})
    if connection.dialect.name == "sqlite":
        return int(connection.exec_driver_sql("SELECT changes()").scalar_one())
    return int(done.rowcount)


@contextmanager
def interrupted_at(connection: sa.Connection, ends: float | None) -> Iterator[None]:
    """What is read inside ends with an error at a time (`time.monotonic`); None lets it go on."""
    if ends is None:
        yield
        return
    if time.monotonic() >= ends:
        raise StoreUnavailable(TOO_LONG)
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        raw.set_progress_handler(lambda: time.monotonic() > ends, STEPS_BETWEEN_LOOKS)
    else:
        # The server ends a statement that takes too long, the client does not send another one.
        with driver(connection):
            raw.execute(_STATEMENT_TIMEOUT, (_milliseconds(ends - time.monotonic()), True))
        raw.ends = ends
    try:
        yield
    finally:
        if connection.dialect.name == "sqlite":
            raw.set_progress_handler(None, 0)
        else:
            raw.ends = None


def detach(connection: sa.Connection, name: str) -> None:
    """Undo what was not committed, and let go of a file that was attached.

    SQLAlchemy closes a connection on Ctrl-C: the next one of it would not know the file.
    """
    if connection.invalidated:
        return
    connection.rollback()
    connection.exec_driver_sql(f"DETACH DATABASE {name}")


def advisory_lock(connection: sa.Connection) -> None:
    """Let one process at a time change the schema; held until the transaction ends.

    A migration may take its time, so others wait for its end.
    """
    if connection.dialect.name == "postgresql":
        usual = connection.scalar(sa.select(sa.func.current_setting("lock_timeout")))
        connection.execute(sa.select(sa.func.set_config("lock_timeout", "0", True)))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
        connection.execute(sa.select(sa.func.set_config("lock_timeout", usual, True)))


def make_private(file: Path, mode: int) -> None:
    """Make an empty file for SQLite to fill, unless one is there; its journals get its mode.

    What keeps us from it keeps SQLite from it too, which says so in its own words.
    """
    with suppress(OSError):
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.fchmod(handle, mode)
        finally:
            os.close(handle)


def lock_links(connection: sa.Connection) -> None:
    """Let nobody else write links until this transaction ends: who waits then sees what it did.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE link IN SHARE ROW EXCLUSIVE MODE")


@contextmanager
def driver(connection: sa.Connection) -> Iterator[Any]:
    """The driver's own connection, for statements that are compiled already.

    SQLAlchemy's own execution costs more than SQLite's. Errors leave as SQLAlchemy's, as if it
    had executed the statement.
    """
    raw: Any = connection.connection.driver_connection
    dialect: Any = connection.dialect
    try:
        yield raw
    except dialect.loaded_dbapi.Error as error:
        is_broken = dialect.is_disconnect(error, raw, None)
        if is_broken:
            connection.invalidate(error)  # else to roll back would be the error that is seen
        raise DBAPIError.instance(
            None,
            None,
            error,
            dialect.loaded_dbapi.Error,
            connection_invalidated=is_broken,
            dialect=dialect,
        ) from None


@contextmanager
def in_a_row(connection: sa.Connection) -> Iterator[None]:
    """As `pipelined`, for the driver's own connection of SQLAlchemy's."""
    with driver(connection) as raw, pipelined(raw, connection.dialect):
        yield


def pipelined(raw: Any, dialect: sa.Dialect) -> AbstractContextManager[Any]:
    """Statements are sent to PostgreSQL one behind the other: it is waited for only where rows are
    fetched, and at the end, where errors come out at the latest."""
    return raw.pipeline() if dialect.name == "postgresql" else nullcontext()
