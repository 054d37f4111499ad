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
import threading
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from provenance_store.errors import StoreUnavailable
from provenance_store.forks import Forkable, leave_behind, watch
from provenance_store.sql.objects import Connect, checked_connect

__all__ = ["PATIENCE", "ForkGate"]

PATIENCE = 2.0
"""Seconds that a fork waits for reads and writes of other threads to end."""

IN_USE = (
    "The store's file was in use while this process was forked, so it cannot be opened here: "
    "fork outside of reads and bulk loads, or start the process with the method 'spawn'."
)

_torn: set[tuple[int, int]] = set()
"""Files, by device and number, of which connections of a parent process were open at a fork."""


class ForkGate(Forkable):
    """Closes an engine's connections before a fork, and gives it a new pool in the child."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._make: Connect = checked_connect()
        self._is_file = engine.dialect.name == "sqlite"
        self._ready = threading.Condition()
        self._shut = 0
        self._open = 0
        if self._is_file:
            event.listen(engine, "do_connect", self._connect)
            event.listen(engine, "close", self._closed)
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
            return self._make(dialect, args, options)
        except BaseException:
            self._closed()
            raise

    def _closed(self, *_: object) -> None:
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
        pool = self._engine.pool
        self._engine.dispose()
        until = time.monotonic() + PATIENCE
        while self._open and time.monotonic() < until:
            time.sleep(0.001)
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
        leave_behind(self._engine.pool)
        self._engine.dispose(close=False)


def _file(name: str) -> tuple[int, int] | None:
    """Which file that is; None when there is none."""
    try:
        found = os.stat(name.removeprefix("file://").partition("?")[0])
    except OSError:
        return None
    return found.st_dev, found.st_ino
