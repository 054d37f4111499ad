"""One road into the database: group commit.

Threads that write at the same time share a transaction. Whoever holds the lock writes for all
that wait, as one batch where all of it is new, else each batch under a savepoint of its own, so
that one refused batch does not touch the others; everybody returns when the common commit is
durable.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from provenance_store.batch import Batch
from provenance_store.errors import BraidError, Conflict, InvalidInput, StoreUnavailable
from provenance_store.sql.dialects import begin_write, should_retry, unavailable
from provenance_store.sql.write import Statements

__all__ = ["Writer"]

ROWS_A_COMMIT = 20_000
RETRIES = 6


class _Job:
    __slots__ = ("batch", "done", "error")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.done = False
        self.error: Exception | None = None


class Writer:
    """Writes batches that number origins as the store does."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.statements = Statements(engine.dialect)
        self._turn = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._connection: sa.Connection | None = None

    def write(self, batch: Batch) -> None:
        """Return when the batch is durable.

        Raises Conflict or Sealed when it is refused, StoreUnavailable when the store is locked,
        full or away; nothing of it is then written.
        """
        job = _Job(batch)
        self._waiting.append(job)
        with self._turn:
            if not job.done:
                self._write_for_all(self._group())
        if job.error is not None:
            raise job.error

    def write_all(self, batches: Sequence[Batch]) -> list[BraidError | None]:
        """Return when the batches are durable or refused: None or the refusal for each.

        Raises StoreUnavailable as `write` does; some may be written then.
        """
        jobs = [_Job(batch) for batch in batches]
        self._waiting.extend(jobs)
        with self._turn:
            while not all(job.done for job in jobs):
                self._write_for_all(self._group())
        for job in jobs:
            if job.error is not None and not isinstance(job.error, Conflict | InvalidInput):
                raise job.error
        return [job.error for job in jobs if job.error is None or isinstance(job.error, BraidError)]

    def close(self) -> None:
        """Let go of the connection."""
        with self._turn:
            self._drop_connection()

    def _group(self) -> list[_Job]:
        group: list[_Job] = []
        rows = 0
        while self._waiting and (not group or rows < ROWS_A_COMMIT):
            job = self._waiting.popleft()
            group.append(job)
            rows += len(job.batch)
        return group

    def _write_for_all(self, group: list[_Job]) -> None:
        try:
            self._try_group(group)
        except DBAPIError as error:
            self._fail(group, unavailable(error) or error)
        except BaseException as error:
            self._fail(group, StoreUnavailable("Writing was interrupted; nothing was written."))
            if not isinstance(error, Exception):
                raise
            self._fail(group, error)
        finally:
            for job in group:
                job.done = True

    def _fail(self, group: list[_Job], error: Exception) -> None:
        self._drop_connection()
        for job in group:
            job.error = error

    def _try_group(self, group: list[_Job]) -> None:
        for attempt in range(RETRIES):
            try:
                return self._write_group(group)
            except DBAPIError as error:
                self._drop_connection()
                if attempt == RETRIES - 1 or not should_retry(error):
                    raise
                time.sleep(0.005 * 2**attempt)
        raise StoreUnavailable

    def _write_group(self, group: list[_Job]) -> None:
        connection = self._connection = self._connection or self._engine.connect()
        begin_write(connection)
        try:
            if len(group) == 1 or not self._write_at_once(connection, group):
                for job in group:
                    self._write_one(connection, job)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def _write_at_once(self, connection: sa.Connection, group: list[_Job]) -> bool:
        """Write the group as one batch of new rows; False, and nothing written, if it cannot be."""
        try:
            self.statements.write_new(connection, Batch.merged(job.batch for job in group))
        except (IntegrityError, BraidError):
            return False
        for job in group:
            job.error = None
        return True

    def _write_one(self, connection: sa.Connection, job: _Job) -> None:
        job.error = None
        try:
            self.statements.write(connection, job.batch)
        except BraidError as error:
            job.error = error

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
