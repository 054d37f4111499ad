"""A database's connections around a fork.

SQLite keeps what it knows of a file's locks once for each process. A child that inherits an open
connection inherits this knowledge, which is wrong there: its own new connections take no locks,
and what they write is lost when the parent closes the file. So no connection to a SQLite file is
open while a process forks; both sides connect again when they next need to. A connection that
cannot be closed, for it is in use all the time, makes the file unusable in the child, which is
said there.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from provenance_store import processes
from provenance_store.errors import StoreUnavailable
from provenance_store.processes import Forkable, leave_behind, watch
from provenance_store.sql.foreign_objects import Connect, checked_connect

__all__ = ["PATIENCE", "Counted", "ForkGate"]

PATIENCE = 2.0
"""Seconds that a fork waits for reads and writes of other threads to end."""

IN_USE = (
    "The store's file was in use while this process was forked, so it cannot be opened here: "
    "fork outside of reads and bulk loads, or start the process with the method 'spawn'."
)

_torn: set[tuple[int, int]] = set()
"""Files, by device and number, of which connections of a parent process were open at a fork."""


class Counted(sqlite3.Connection):
    """A connection that tells before it is closed, and when it has been.

    SQLAlchemy tells only before, and nothing of what is left in a pool that was replaced while a
    thread waited to connect: that is closed when it is collected.
    """

    closing: Callable[[], None] | None = None
    closed: Callable[[], None] | None = None
    process = 0

    def close(self) -> None:
        """Close it; once more does nothing."""
        closing, self.closing = self.closing, None
        closed, self.closed = self.closed, None
        ours = self.process == processes.process
        if ours and closing is not None:
            closing()
        super().close()
        if ours and closed is not None:
            closed()

    def __del__(self) -> None:
        if self.closed is not None and self.process == processes.process:
            self.close()


class ForkGate(Forkable):
    """Closes an engine's connections before a fork, and gives it a new pool in the child."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._make: Connect = checked_connect()
        self._is_file = engine.dialect.name == "sqlite"
        self._ready = threading.Condition()
        self._shut = 0
        self._open = 0
        self._pools: weakref.WeakSet[sa.pool.Pool] = weakref.WeakSet()
        if self._is_file:
            event.listen(engine, "do_connect", self._connect)
        else:
            event.listen(engine, "engine_disposed", self._disposed)
        watch(self)

    def _connect(self, dialect: Any, _: object, args: list[Any], options: dict[str, Any]) -> Any:
        """Connect, as the last of those who are asked; waits while the process forks."""
        with self._ready:
            self._ready.wait_for(lambda: not self._shut)
            if _torn and _file(args[0]) in _torn:
                raise StoreUnavailable(IN_USE)
            self._open += 1
        try:
            connection = self._make(dialect, args, options | {"factory": Counted})
        except BaseException:
            self._closed()
            raise
        assert isinstance(connection, Counted)
        connection.closed, connection.process = self._closed, processes.process
        return connection

    def _closed(self) -> None:
        with self._ready:
            self._open -= 1

    def _disposed(self, _: sa.Engine) -> None:
        """Nothing: an engine without listeners of its own would not keep the gate alive."""

    def before_fork(self) -> None:
        if not self._is_file:
            return
        with self._ready:
            self._shut += 1
        if not self._open:
            return
        self._pools.add(self._engine.pool)  # threads that are about to connect still use it
        self._engine.dispose()
        until = time.monotonic() + PATIENCE
        while self._open and time.monotonic() < until:
            time.sleep(0.001)
            for pool in list(self._pools):
                pool.dispose()  # what was in use has been given back to it

    def after_fork_in_parent(self) -> None:
        if self._is_file:
            with self._ready:
                self._shut -= 1
                self._ready.notify_all()

    def after_fork_in_child(self) -> None:
        self._ready = threading.Condition()
        self._shut = 0
        if self._open and (file := _file(self._engine.url.database or "")):
            _torn.add(file)
        self._open = 0
        for pool in (*self._pools, self._engine.pool):
            leave_behind(pool)
        self._pools = weakref.WeakSet()
        self._engine.dispose(close=False)


def _file(name: str) -> tuple[int, int] | None:
    """Which file that is; None when there is none."""
    try:
        found = os.stat(name.removeprefix("file://").partition("?")[0])
    except OSError:
        return None
    return found.st_dev, found.st_ino
