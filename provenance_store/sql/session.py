"""Connections to read and to change with; database errors leave here as our own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from provenance_store.errors import InvalidInput, StoreUnavailable
from provenance_store.processes import leave_behind
from provenance_store.sql.dialects import begin_write, interrupted_at, short_work, wait_less
from provenance_store.sql.failures import cannot_hold, unavailable
from provenance_store.sql.waits import WaitedInVain, Waits, reading_ends
from provenance_store.sql.watch import Watch, watch_of, will_commit

__all__ = ["Lender", "Session"]

CANNOT_HOLD = (
    "The database cannot hold a value of this: text is Unicode without the NUL character, "
    "numbers have at most 64 bits."
)


T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
UNWATCHED_SECONDS = 30.0
"""How long is waited with an engine that was made elsewhere."""


class Session:
    """Short transactions on an engine.

    Those that only read are committed too: at a rollback psycopg forgets all prepared statements.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.watch = watch_of(engine) or Watch(engine, Waits(UNWATCHED_SECONDS), None)
        self.longest: float | None = None
        """Seconds after which what is read is given up; None for never."""
        self._threads = threading.local()

    def after_fork(self) -> None:
        """In a forked child: what this thread looks with is the parent's, and left to it."""
        kept: _Kept | None = getattr(self._threads, "kept", None)
        if kept is not None:
            kept.forget()
        self._threads = threading.local()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the store throughout."""
        with self._connected() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
                connection.begin()
                with self.told():
                    wait_less(connection.connection, connection.dialect, self.watch.waits)
            with interrupted_at(connection, reading_ends(self.longest)):
                yield connection
            connection.commit()

    def look(self) -> AbstractContextManager[Any]:
        """The driver's own connection, for single statements that are compiled already.

        Each statement sees a state of its own.
        """
        kept: _Kept | None = getattr(self._threads, "kept", None)
        return self._look() if kept is None else kept

    def look_up(self, what: Hashable, ask: Callable[[Any], T]) -> T:
        """What `ask` finds with a `look`; while `read_snapshot` is open it is asked once."""
        kept: _Kept | None = getattr(self._threads, "kept", None)
        if kept is not None and what in kept.found:
            return cast("T", kept.found[what])
        with self.look() as raw:
            answer = ask(raw)
        if kept is not None:
            kept.found[what] = answer
        return answer

    def look_up_all(
        self,
        what: Hashable,
        keys: Iterable[K],
        ask: Callable[[Any, list[K]], Callable[[], Container[K]]],
    ) -> list[K]:
        """Those of the keys that `ask` finds among them, asked together; while `read_snapshot` is
        open each is asked once."""
        kept: _Kept | None = getattr(self._threads, "kept", None)
        wanted = [*keys]
        found: dict[K, bool] = {} if kept is None else kept.among.setdefault(what, {})
        if unknown := [key for key in wanted if key not in found]:
            with self.look() as raw:
                answer = ask(raw, unknown)()
            found.update((key, key in answer) for key in unknown)
        return [key for key in wanted if found[key]]

    def remember(self, answers: Mapping[Hashable, Any]) -> None:
        """What `look_up` would find, where it was asked together; while `read_snapshot` is open."""
        kept: _Kept | None = getattr(self._threads, "kept", None)
        if kept is not None:
            kept.found.update(answers)

    def remember_among(self, what: Hashable, keys: Iterable[K], answer: Container[K]) -> None:
        """As `remember`, what `look_up_all` would find."""
        kept: _Kept | None = getattr(self._threads, "kept", None)
        if kept is not None:
            kept.among.setdefault(what, {}).update((key, key in answer) for key in keys)

    @contextmanager
    def _look(self) -> Iterator[Any]:
        raw = self.taken()
        try:
            with self.told(raw):
                yield raw.driver_connection
                raw.commit()
        finally:
            raw.close()

    @contextmanager
    def read_snapshot(self, lender: Lender | None = None) -> Iterator[None]:
        """While it is open, every `look` of this thread is over the same connection, in one
        transaction, which on SQLite sees one state throughout. It is the lender's, else one of
        the pool.

        Taking a connection from the pool costs more than SQLite needs for a short answer, and
        ending a transaction is a way to PostgreSQL and back.
        """
        kept = self._threads.kept = _Kept(self, lender or _Pool(self))
        try:
            yield
            kept.commit()
        finally:
            self._threads.kept = None
            kept.close()

    def taken(self) -> sa.PoolProxiedConnection:
        """A connection of the pool, for short statements."""
        self.watch.look()
        with self.told():
            raw = self.engine.raw_connection()
            try:
                short_work(raw, self.engine.dialect)
                self.watch.check_new_raw(raw)
                wait_less(raw, self.engine.dialect, self.watch.waits)
            except BaseException:
                raw.close()
                raise
            return raw

    @contextmanager
    def told(self, raw: sa.PoolProxiedConnection | None = None) -> Iterator[None]:
        """As `translated`, for the driver's own errors; a connection that breaks is not used
        again."""
        dialect: Any = self.engine.dialect
        kind = dialect.loaded_dbapi.Error
        with self.translated():
            try:
                yield
            except kind as error:
                if raw and dialect.is_disconnect(error, raw.driver_connection, None):
                    raw.invalidate()
                raise DBAPIError.instance(None, None, error, kind, dialect=dialect) from None

    @contextmanager
    def change(self) -> Iterator[sa.Connection]:
        """A connection to write with; committed at the end, rolled back on errors."""
        with self._connected() as connection:
            begin_write(connection)
            yield connection
            will_commit()
            connection.commit()
            self.watch.waits.answered()
            self.watch.after_commit(connection)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        self.watch.look()
        with self.translated(), self.engine.connect() as connection:
            self.watch.check_new(connection)
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
            if (refusal := unavailable(error)) is None:
                raise error from None
            self.watch.waits.refused(refusal)
            raise refusal from None
        except PoolTimeout:
            raise StoreUnavailable("All connections to the store are in use; try again.") from None


class Lender(Protocol):
    """Has a connection that somebody may look with for a while."""

    def lend(self) -> sa.PoolProxiedConnection:
        """The connection; database errors leave as they come."""

    def take_back(self, raw: sa.PoolProxiedConnection, *, broken: bool) -> None:
        """Have it back; it is `broken` when its transaction was not committed."""


class _Pool:
    """The pool as a Lender."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lend(self) -> sa.PoolProxiedConnection:
        return self._session.taken()

    def take_back(self, raw: sa.PoolProxiedConnection, *, broken: bool) -> None:
        raw.close()  # the pool rolls back what is open


class _Kept:
    """What `look` gives while `read_snapshot` is open: a connection that is taken at the first.

    It is let go when a statement fails, and another is taken for the next.
    """

    def __init__(self, session: Session, lender: Lender) -> None:
        self._session = session
        self._lender = lender
        self._open = False
        self._raw: sa.PoolProxiedConnection | None = None
        self._connection: Any = None
        self._away: WaitedInVain | None = None
        self.found: dict[Hashable, Any] = {}
        self.among: dict[Hashable, dict[Any, bool]] = {}
        """What was asked of several together: whether each is there."""

    def __enter__(self) -> Any:
        if self._away is not None:
            raise WaitedInVain(self._away.message)
        if self._raw is None:
            self._begin()
        return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or self._raw is None:
            return
        try:
            with self._failing(), self._session.told(self._raw):
                raise error
        finally:
            self.close()

    def _begin(self) -> None:
        with self._failing(), self._session.translated():
            self._raw = self._lender.lend()
        self._connection = self._raw.driver_connection
        self._open = True
        if self._session.engine.dialect.name == "sqlite":
            with self._session.told(self._raw):
                self._connection.execute("BEGIN")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Who waited in vain once does not wait again, for the next thing to be looked up."""
        try:
            yield
        except WaitedInVain as error:
            self._away = error
            raise

    def commit(self) -> None:
        """End the transaction, if there is one."""
        if self._raw is not None:
            with self._session.told(self._raw):
                self._raw.commit()
            self._open = False

    def forget(self) -> None:
        """Leave the connection to the process that made it."""
        leave_behind(self._raw)
        self._raw, self._connection, self._open = None, None, False

    def close(self) -> None:
        """Let go of the connection."""
        raw, self._raw = self._raw, None
        broken, self._open = self._open, False
        if raw is not None:
            self._lender.take_back(raw, broken=broken)
