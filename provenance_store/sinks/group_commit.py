"""One road into the database: group commit.

Threads that write at the same time share a transaction. Whoever comes first writes for all
that wait, as one batch where all of it is new, else each batch under a savepoint of its own, so
that one refused batch does not touch the others; everybody returns when the common commit is
durable.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from provenance_store.batch import Batch
from provenance_store.errors import BraidError, InvalidInput, StoreUnavailable
from provenance_store.processes import leave_behind
from provenance_store.sql.dialects import begin_write, savepoint, short_work
from provenance_store.sql.failures import cannot_hold, should_retry, unavailable
from provenance_store.sql.insert import Statements
from provenance_store.sql.waits import Waits
from provenance_store.sql.watch import Watch, watch_of, will_commit

__all__ = ["Courtesy", "GroupCommit"]

ROWS_A_COMMIT = 20_000
"""So many rows go into a commit, or one batch: more make it hardly cheaper by the row, and others
wait for it."""
RETRIES = 6
FIRST_RETRY_SECONDS = 0.005
"""The pause before the second attempt; each further one is twice as long, 0.16 s in all. What is
tried again (a deadlock, a connection that was closed) is over when the other writer has committed,
which takes milliseconds, and a whole group waits for these pauses."""
TOGETHER_SECONDS = 0.05
"""Whoever has less than this left to wait need not begin."""
UNWATCHED_SECONDS = 30.0
"""How long is waited on an engine that has no watch: as long as BRAID_BUSY_TIMEOUT_MS
says by default."""
MOST_PAUSE = 1.0
"""Seconds."""
CANNOT_HOLD = (
    "The database cannot hold a value of this: shorten the longest name, URI or tag, and keep "
    "numbers within 64 bits."
)


_NOTHING = nullcontext()
Guard = Callable[[sa.Connection], None]


def _unguarded(_: sa.Connection) -> None:
    """Anything goes."""


class _Job:
    """A batch that waits to be written.

    `wake` is held until its thread has something to do, and is released for two reasons: when the
    job is `done`, and before that for the job whose thread is to lead next (`_hand_over`). So a
    thread that wakes with its job not done was chosen to lead; as its own job is then in the
    group that it writes, `_lead` releases `wake` once more, after it has been acquired.
    """

    __slots__ = ("batch", "deadline", "done", "error", "guard", "leads", "wake")

    def __init__(self, batch: Batch, guard: Guard, deadline: float) -> None:
        self.batch = batch
        self.guard = guard
        self.deadline = deadline
        self.done = False
        self.leads = False
        self.error: Exception | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class Courtesy(ABC):
    """How a writer goes after others: where one writes at a time, those in other processes find
    the store free after each commit of it, and not held for long."""

    rows = ROWS_A_COMMIT
    """So many rows go into a commit, or one batch."""
    pauses = 1.0
    """How many times as long as a commit took the next one is put off."""

    @abstractmethod
    def aside(self) -> AbstractContextManager[None]:
        """Around what a thread waits for."""

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """Around what a thread does while it holds the store."""


class GroupCommit:
    """Writes batches that number origins as the store does."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._watch = watch_of(engine) or Watch(engine, Waits(UNWATCHED_SECONDS), None)
        self.statements = Statements(engine.dialect)
        self._mutex = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._busy = False
        self._holds = 0
        self._connection: sa.Connection | None = None
        self.courtesy: Courtesy | None = None
        self._not_before = 0.0

    def write(self, batch: Batch, guard: Guard = _unguarded) -> None:
        """Return when the batch is durable.

        `guard` is asked inside the transaction, after the batch was written: what it raises
        refuses the batch. So it sees all that was committed before, whoever wrote it.

        Raises Conflict or Sealed when it is refused, InvalidInput when the database cannot hold
        a value of it, StoreUnavailable when the store is locked, full or away; nothing of it is
        then written.
        """
        (error,) = self.write_many([(batch, guard)])
        if error is not None:
            raise error

    def write_many(self, jobs: Iterable[tuple[Batch, Guard | None]]) -> list[Exception | None]:
        """Write batches, with their guards, in as few commits as may be.

        The answers are in the order of the batches: None, or why that one was not written, as
        `write` would raise it. One that is refused does not touch the others.
        """
        deadline = self._watch.waits.deadline()
        waiting = [_Job(batch, guard or _unguarded, deadline) for batch, guard in jobs]
        if not waiting:
            return []
        with self._mutex:
            self._waiting.extend(waiting)
            leads = not (self._busy or self._holds)
            self._busy = self._busy or leads
        if leads:
            self._lead()
        for job in waiting:
            if not job.done:
                self._wait(job, waiting)
            if not job.done:  # woken all the same: it was chosen to lead
                self._lead()
        return [job.error for job in waiting]

    def lend(self) -> sa.PoolProxiedConnection:
        """The connection that it writes with, between two writes, to a thread that is the only
        one to use the store: what it wrote, SQLite has in the memory of this connection."""
        return self._connected().connection

    def take_back(self, raw: sa.PoolProxiedConnection, *, broken: bool) -> None:
        """Have the connection back; a `broken` one is not used again."""
        if broken:
            self._drop_connection()

    def close(self) -> None:
        """Let go of the connection, once nothing is being written."""
        with self._mutex:
            if not self._busy:
                self._drop_connection()

    def hold(self, seconds: float) -> None:
        """Begin no further write until `resume`, and give the connection back.

        Returns once nothing is being written, or after so many seconds.
        """
        with self._mutex:
            self._holds += 1
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self._mutex:
                if not self._busy:
                    connection, self._connection = self._connection, None
                    if connection is not None:
                        connection.close()
                    return
            time.sleep(0.001)

    def resume(self) -> None:
        """Write on: whoever has waited first leads."""
        with self._mutex:
            self._holds -= 1
            if not self._busy:
                self._hand_over()

    def after_fork(self) -> None:
        """In a forked child: what waits, or is being written, is the parent's."""
        self._mutex = threading.Lock()
        self._waiting = deque()
        self._busy, self._holds = False, 0
        leave_behind(self._connection)
        self._connection = None

    def _wait(self, job: _Job, own: list[_Job]) -> None:
        try:
            with self._aside():
                job.wake.acquire()
        except BaseException:  # interrupted: somebody else has to lead if one of these was to
            with self._mutex:
                self._waiting = deque(other for other in self._waiting if other not in own)
                if any(one.leads and not one.done for one in own):
                    self._hand_over()
            raise

    def _lead(self) -> None:
        """Write for all that wait, then let the next one lead and wake those that are done."""
        with self._mutex:
            group = self._group()
        try:
            if self.courtesy is None:
                self._write_for_all(group)
            else:
                self._write_patiently(group, self.courtesy)
        finally:
            with self._mutex:
                self._hand_over()
            for job in group:
                job.wake.release()

    def _aside(self) -> AbstractContextManager[None]:
        return _NOTHING if self.courtesy is None else self.courtesy.aside()

    def _write_patiently(self, group: list[_Job], courtesy: Courtesy) -> None:
        """Write once the pause after the last commit is over."""
        with courtesy.aside():
            time.sleep(max(0.0, self._not_before - time.monotonic()))
        with courtesy.alone():
            began = time.monotonic()
            try:
                self._write_for_all(group)
            finally:
                ended = time.monotonic()
                self._not_before = ended + min(MOST_PAUSE, courtesy.pauses * (ended - began))

    def _hand_over(self) -> None:
        self._busy = bool(self._waiting) and not self._holds
        if self._busy:
            self._waiting[0].leads = True
            self._waiting[0].wake.release()

    def _group(self) -> list[_Job]:
        group: list[_Job] = []
        rows = 0
        most = ROWS_A_COMMIT if self.courtesy is None else self.courtesy.rows
        while self._waiting and (not group or rows < most):
            job = self._waiting.popleft()
            group.append(job)
            rows += len(job.batch)
        return group

    def _write_for_all(self, group: list[_Job]) -> None:
        deadline = min(job.deadline for job in group)
        try:
            self._try_group(group, deadline)
        except DBAPIError as error:
            refusal = unavailable(error)
            if refusal is not None:
                self._watch.waits.refused(refusal)
                if time.monotonic() >= deadline - TOGETHER_SECONDS:
                    # In place: the list is that of `_lead`, which wakes all that are in it.
                    group += self._all_waiting()
            self._fail(group, refusal or error)
        except Exception as error:
            self._fail(group, error)
        except BaseException:  # Ctrl-C ends the thread that leads, not those that it leads
            self._fail(group, StoreUnavailable("Writing was interrupted; nothing was written."))
            raise
        finally:
            for job in group:
                job.done = True

    def _all_waiting(self) -> list[_Job]:
        """Those that came while the store was waited for: they do not wait anew, one after the
        other, when that was in vain."""
        with self._mutex:
            found, self._waiting = list(self._waiting), deque()
        return found

    def _fail(self, group: list[_Job], error: Exception) -> None:
        self._drop_connection()
        for job in group:
            job.error = error

    def _try_group(self, group: list[_Job], deadline: float) -> None:
        for attempt in range(RETRIES):
            try:
                return self._write_group(group, deadline)
            except DBAPIError as error:
                self._drop_connection()
                if attempt == RETRIES - 1 or not should_retry(error):
                    raise
                if error.connection_invalidated and time.monotonic() >= deadline:
                    raise
                time.sleep(FIRST_RETRY_SECONDS * 2**attempt)
        raise StoreUnavailable

    def _write_group(self, group: list[_Job], deadline: float) -> None:
        connection = self._connected()
        begin_write(connection, deadline)
        try:
            if not self._write_at_once(connection, group):
                connection.rollback()
                begin_write(connection, deadline)
                for job in group:
                    self._write_one(connection, job, tried=len(group) == 1)
            will_commit()
            connection.commit()
            self._watch.after_commit(connection)  # nobody is told before that it is kept
            self._watch.waits.answered()
            for job in group:
                if job.error is None:
                    self.statements.committed(job.batch)
        except BaseException:
            connection.rollback()
            raise
        self._look_again(connection, [job.batch for job in group if job.error is None])

    def _look_again(self, connection: sa.Connection, batches: list[Batch]) -> None:
        """Say of files that another process recorded at the same moment that they are the same."""
        try:
            if missed := self.statements.same.missed(connection, batches):
                begin_write(connection)
                self.statements.say_same(connection, missed)
                connection.commit()
        except (DBAPIError, BraidError):  # what was to be written is: `link_same` says it later
            self._drop_connection()

    def _write_at_once(self, connection: sa.Connection, group: list[_Job]) -> bool:
        """Write the group as one batch of new rows; False, to be rolled back, if it cannot be.

        Without a savepoint: for each SQLite copies every page that it changes to a file of its own.
        """
        try:
            first, *others = (job.batch for job in group)
            whole = Batch.merged((first, *others)) if others else first
            self.statements.write_new(connection, whole)
            for guard in dict.fromkeys(job.guard for job in group):
                guard(connection)
        except IntegrityError:
            return False
        except Exception as error:
            if _is_about_all(error):
                raise
            return False  # one of them is bad: which one is found by writing each by itself
        for job in group:
            job.error = None
        return True

    def _write_one(self, connection: sa.Connection, job: _Job, *, tried: bool) -> None:
        job.error = None
        try:
            with savepoint(connection):
                self.statements.write(connection, job.batch, tried=tried)
                job.guard(connection)
        except Exception as error:
            if _is_about_all(error):
                raise
            job.error = InvalidInput(CANNOT_HOLD) if cannot_hold(error) else error

    def _connected(self) -> sa.Connection:
        if self._connection is None:
            connection = self._engine.connect()
            try:
                self._watch.check_new(connection)
                short_work(connection.connection, connection.dialect)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _is_about_all(error: Exception) -> bool:
    """Whether an error is about the store or the connection, not about what was to be written."""
    if isinstance(error, StoreUnavailable):
        return True
    if not isinstance(error, DBAPIError) or cannot_hold(error):
        return False
    return should_retry(error) or unavailable(error) is not None
