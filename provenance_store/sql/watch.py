"""What a store's engine looks after while it is open: its waits, its file and its schema.

A store that was removed, replaced or upgraded under an open engine is lost to it: whatever is
asked of it from then on is refused, so that nobody is told that something was kept which is not
there when the store is opened again.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from provenance_store import processes
from provenance_store.errors import BraidError, SchemaMismatch, StoreUnavailable
from provenance_store.sql.failures import INCOMPLETE
from provenance_store.sql.store_file import StoreFile
from provenance_store.sql.waits import Waits

__all__ = ["Watch", "opened_and_changed", "watch_of", "will_commit"]

RECHECK_SECONDS = 5.0
"""How long a connection to PostgreSQL writes to the schema that it was compared with last."""
_OPTION = "braid_watch"
_CHECKED = "braid_checked"
_CHANGES = "PRAGMA schema_version"
_SAVE = "PRAGMA wal_checkpoint(TRUNCATE)"
"""It empties the log as well: the index beside it, which other processes go on to share for a
while, then says that there is nothing in a log, whichever they have open."""

_committed = itertools.count()
_begun = _opened = 0


def will_commit() -> None:
    """Count a change of any store by this process; called just before its commit, so that whoever
    is interrupted never takes for unwritten what is kept."""
    global _begun
    _begun = next(_committed) + 1


def opened_and_changed() -> tuple[int, int]:
    """How many stores this process has opened, and how many changes of stores it has committed, or
    was about to."""
    return _opened, _begun


Check = Callable[[sa.Connection], None]


class Watch(processes.Forkable):
    """The watch of one engine. `checks` are asked with every new connection, and by `ping`."""

    def __init__(self, engine: sa.Engine, waits: Waits, place: StoreFile | None) -> None:
        self.waits = waits
        self.place = place
        self.checks: list[Check] = []
        self.lost: BraidError | None = None
        """Why the store that was opened is not there any more; None while it is."""
        self._engine = engine
        global _opened
        _opened += 1
        engine.update_execution_options(**{_OPTION: self})
        processes.watch(self)

    def after_fork_in_child(self) -> None:
        if self.place is not None:
            self.place.after_fork()

    def look(self) -> None:
        """Raise StoreUnavailable, or SchemaMismatch, when the store is lost.

        That is cheap: whether the files at the path are those that are open.
        """
        if self.lost is not None:
            raise type(self.lost)(self.lost.message)
        self.after_commit(None)

    def before_writing(self, connection: sa.Connection) -> None:
        """As `look`, for SQLite's log alone: to write into one that others make anew would damage
        it. What is in the log is saved over the connection, which has it open."""
        if self.lost is not None:
            raise type(self.lost)(self.lost.message)
        if self.place is not None and self._asked(self.place.has_lost_log):
            self._has_moved(self.place, connection)

    def after_commit(self, connection: sa.Connection | None) -> None:
        """As `look`, also for the log: what was committed is told as kept only after that."""
        place = self.place
        if place is not None and (self._asked(place.has_moved) or self._asked(place.has_lost_log)):
            self._has_moved(place, connection)

    @staticmethod
    def _asked(question: Callable[[], bool]) -> bool:
        try:
            return question()
        except OSError:
            raise StoreUnavailable(
                "The store's file cannot be looked at; its folder must be readable."
            ) from None

    def before_opening(self) -> None:
        """As `look`, before a connection is made: one to another file, or with a log of another,
        would mix the two."""
        self.look()
        if self.place is not None and self._asked(self.place.has_log_of_another):
            raise StoreUnavailable(
                f"The -wal and -shm files beside {self.place.name} belong to the store that was "
                "there before; remove them."
            )

    def check(self, connection: sa.Connection) -> None:
        """Compare what a connection reaches with what was opened.

        Raises SchemaMismatch when it was upgraded beyond this program, StoreUnavailable when it
        is another store, or none.
        """
        mark = _mark(connection)
        try:
            for check in self.checks:
                check(connection)
        except SchemaMismatch as error:
            self._is_lost(error)
        except (ProgrammingError, OperationalError) as error:
            if not _has_no_table(error):
                raise
            self._is_lost(StoreUnavailable(INCOMPLETE))
        connection.info[_CHECKED] = mark

    def check_new(self, connection: sa.Connection) -> None:
        """`check`, unless this connection was compared before."""
        if _CHECKED not in connection.info:
            self.check(connection)
            connection.commit()

    def check_new_raw(self, raw: sa.PoolProxiedConnection) -> None:
        """The same for a connection that is used without SQLAlchemy."""
        if _CHECKED not in raw.info:
            self.check_new(sa.Connection(self._engine, connection=raw))

    def check_writing(self, connection: sa.Connection) -> None:
        """`check`, when the schema may have been changed since; in a transaction that writes."""
        checked = connection.info.get(_CHECKED)
        if connection.dialect.name == "sqlite":
            raw: Any = connection.connection.driver_connection  # for it is asked at every write
            stale = raw.execute(_CHANGES).fetchone()[0] != checked
        else:
            stale = checked is None or time.monotonic() - checked > RECHECK_SECONDS
        if stale:
            self.check(connection)

    def replaced(self) -> None:
        """Say, and raise, that the database is another one than that which was opened."""
        self._is_lost(
            StoreUnavailable("The store was replaced by another one; open the store again.")
        )

    def _has_moved(self, place: StoreFile, connection: sa.Connection | None) -> NoReturn:
        self.lost = StoreUnavailable(
            f"The store's file {place.name}, or its -wal or -shm file, was removed, moved or "
            "replaced while the store was open; nothing more is recorded in it. Put the file back, "
            "or a backup with `braid store restore BACKUP`, and open the store again; a server "
            "does so by itself."
        )
        place.leave()
        with suppress(Exception):
            if place.can_be_saved():
                self._save(connection)
        raise self.lost

    def _save(self, connection: sa.Connection | None) -> None:
        """SQLite's log has lost its name: put what was committed to it into the store's file,
        over a connection that still has the log open."""
        if connection is not None:
            connection.exec_driver_sql(_SAVE)
            return
        raw = self._engine.raw_connection()  # one that is there: no other can be made any more
        try:
            cursor = raw.cursor()
            cursor.execute(_SAVE)
            cursor.close()
        finally:
            raw.close()

    def _is_lost(self, error: BraidError) -> NoReturn:
        self.lost = self.lost or error
        raise error


def watch_of(connection: sa.Connection | sa.Engine) -> Watch | None:
    """The watch of a connection's engine; None for an engine that nobody watches."""
    watch: Watch | None = connection.get_execution_options().get(_OPTION)
    return watch


def _mark(connection: sa.Connection) -> float:
    """What is remembered of a check: SQLite's count of changes to the schema, else the time."""
    if connection.dialect.name != "sqlite":
        return time.monotonic()
    return int(connection.exec_driver_sql(_CHANGES).scalar_one())


def _has_no_table(error: ProgrammingError | OperationalError) -> bool:
    undefined_table = "42P01"
    return getattr(error.orig, "sqlstate", None) == undefined_table or "no such table" in str(
        error.orig
    )
