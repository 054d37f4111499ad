"""Connections to read and to change with; database errors leave here as our own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from provenance_store.errors import InvalidInput, StoreUnavailable
from provenance_store.sql.dialects import begin_write, cannot_hold, unavailable

__all__ = ["Session"]

CANNOT_HOLD = (
    "The database cannot hold a value of this: text is Unicode without the NUL character, "
    "numbers have at most 64 bits."
)


class Session:
    """Short transactions on an engine.

    Those that only read are committed too: at a rollback psycopg forgets all prepared statements.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._kept = threading.local()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the store throughout."""
        with self._connected() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
                connection.begin()
            yield connection
            connection.commit()

    @contextmanager
    def look(self) -> Iterator[Any]:
        """The driver's own connection, for single statements that are compiled already.

        Each statement sees a state of its own.
        """
        dialect: Any = self.engine.dialect
        raw = getattr(self._kept, "raw", None)
        with self.translated():
            try:
                raw = raw or self.engine.raw_connection()
                yield raw.driver_connection
                raw.commit()
            except dialect.loaded_dbapi.Error as error:
                if raw and dialect.is_disconnect(error, raw.driver_connection, None):
                    raw.invalidate()
                    self._kept.raw = None
                raise DBAPIError.instance(
                    None, None, error, dialect.loaded_dbapi.Error, dialect=dialect
                ) from None
            finally:
                if raw is not None and raw.is_valid and getattr(self._kept, "keeps", False):
                    self._kept.raw = raw
                elif raw is not None:
                    raw.close()

    @contextmanager
    def one_look(self) -> Iterator[None]:
        """While it is open, every `look` of this thread is over the same connection.

        Taking a connection from the pool costs more than SQLite needs for a short answer.
        """
        self._kept.keeps = True
        try:
            yield
        finally:
            raw = getattr(self._kept, "raw", None)
            self._kept.keeps, self._kept.raw = False, None
            if raw is not None:
                raw.close()

    @contextmanager
    def change(self) -> Iterator[sa.Connection]:
        """A connection to write with; committed at the end, rolled back on errors."""
        with self._connected() as connection:
            begin_write(connection)
            yield connection
            connection.commit()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self.translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Database errors raised inside leave as StoreUnavailable where that is what they are,
        and as InvalidInput for a value that no database takes."""
        try:
            yield
        except UnicodeEncodeError:
            raise InvalidInput(CANNOT_HOLD) from None
        except DBAPIError as error:
            if cannot_hold(error):
                raise InvalidInput(CANNOT_HOLD) from None
            raise unavailable(error) or error from None
        except PoolTimeout:
            raise StoreUnavailable("All connections to the store are in use; try again.") from None
