"""How batches get into the database, and by what numbers and names its records go."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from provenance_store import processes
from provenance_store.batch import Batch, mentioned_origins
from provenance_store.enums import Kind
from provenance_store.errors import (
    BraidError,
    Conflict,
    InvalidInput,
    NotFound,
    StoreUnavailable,
)
from provenance_store.ids import (
    MAX_SEQUENCE,
    SEQUENCE_BITS,
    Urn,
    make_id,
    parse_id,
    urn_of,
)
from provenance_store.pickling import sent
from provenance_store.processes import run_at_end, run_not_at_end
from provenance_store.references import Head, Reference, is_id, named_at, spelled
from provenance_store.rows import MetricRow, OriginRow
from provenance_store.sink import (
    LOOKED_THROUGH,
    SOON_SECONDS,
    DelegatingSink,
    Sink,
    VersionOf,
    new_origin,
    reached_in,
)
from provenance_store.sinks.group_commit import GroupCommit, Guard
from provenance_store.sql import inspect, ownership, traverse
from provenance_store.sql.connection_forks import PATIENCE
from provenance_store.sql.insert import register_origin, renumbered
from provenance_store.sql.select import points_at
from provenance_store.sql.session import Session
from provenance_store.sql.step_queries import Prepared
from provenance_store.sql.waits import SharedAttempt
from provenance_store.validation.batches import check_sound
from provenance_store.values import EVERYTHING, Viewer

__all__ = ["BatchRefused", "DatabaseSink", "GuardedSink", "HeldSink"]

log = logging.getLogger("braid")

ROWS_TOGETHER = 200_000
"""How many rows of batches that came together are one commit: links of few records to many go
all over the table, and writing them 20,000 at a time takes twice as long."""


class BatchRefused(NamedTuple):
    """A part of a batch, by its place in `Batch.parted`, and why it was not written."""

    part: int
    error: BraidError


class DatabaseSink(Sink):
    """Writes batches straight into the database."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__()
        self._lock = SharedAttempt()
        self.session = Session(engine)
        self.session.watch.checks.append(self._check_origins)
        self.writer = GroupCommit(engine)
        self.prepared = Prepared(engine.dialect)
        self._is_file = engine.dialect.name == "sqlite"
        self._uuids: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._whole: set[tuple[str, bool]] = set()
        self._names = threading.Lock()
        self._soon_lock = threading.Lock()
        self._soon: Batch | None = None
        self._soon_at = 0.0

    def before_fork(self) -> None:
        if self._is_file:
            self.writer.hold(PATIENCE)

    def after_fork_in_parent(self) -> None:
        if self._is_file:
            self.writer.resume()

    def after_fork_in_child(self) -> None:
        super().after_fork_in_child()
        self._lock = SharedAttempt()
        self._names = threading.Lock()
        self._soon_lock = threading.Lock()
        self._soon, self._soon_at = None, 0.0  # what waits is the parent's to write
        self.writer.after_fork()
        self.session.after_fork()

    def __reduce__(self) -> tuple[Any, ...]:
        url = self.session.engine.url.render_as_string(hide_password=False)
        return sent(self, sink_at, url)

    def register(self) -> OriginRow:
        given = new_origin(0)
        return given._replace(no=self.number_of(given))

    def number_of(self, origin: OriginRow) -> int:
        """The store's number of an origin, which is registered if it is new."""
        return self.numbers_of([origin])[origin.no]

    def numbers_of(self, origins: Iterable[OriginRow], *, vouched: bool = False) -> dict[int, int]:
        """The store's numbers of origins by their own; those that are new are registered.

        An origin given with its UUID alone is filled in when it is given whole; with `vouched`
        it is known that whoever it says has written it.
        """
        found: dict[int, int] = {}
        new = []
        for row in origins:
            known = self._known(row, vouched=vouched)
            if known is None:
                new.append(row)
            else:
                found[row.no] = known
        if new:
            with self.session.change() as connection:
                registered = [
                    register_origin(connection, row, vouched=vouched and bool(row.who))
                    for row in new
                ]
            for row, number in zip(new, registered, strict=True):
                found[row.no] = self._remember(number, row.uuid)
                if row.who:
                    self._whole.add((row.uuid, vouched))
        return found

    def _known(self, origin: OriginRow, *, vouched: bool) -> int | None:
        if origin.who and (origin.uuid, vouched) not in self._whole:
            return None
        return self._number(origin.uuid)

    def resolve(self, reference: str) -> int:
        return self.find(reference, EVERYTHING)

    def find(self, reference: Reference, viewer: Viewer) -> int:
        """The id of what a reference names among what a viewer may see.

        Raises NotFound, or Ambiguous for a name that several records have.
        """
        text, _ = named_at(spelled(reference))
        if not is_id(text):
            from provenance_store.queries.records import find
            from provenance_store.queries.view import View

            with self.session.read() as connection:
                return find(View(connection, viewer, self.urn), self.prepared, text)
        record_id = self.locate(text)
        if record_id is not None:
            with self.session.look() as raw:
                if self.prepared.see(raw, viewer, record_id):
                    return record_id
        raise NotFound(f"There is no record {text} in this store.")

    def locate(self, reference: str) -> int | None:
        """The id that a URN or short id has in this store if it is here; None if it cannot be.

        Raises InvalidInput when it is neither.
        """
        parsed = parse_id(reference)
        if not isinstance(parsed, Urn):
            return make_id(*parsed)
        number = self._number(parsed.origin)
        return None if number is None else make_id(number, parsed.sequence)

    def urn(self, record_id: int) -> str:
        number = record_id >> SEQUENCE_BITS
        if number not in self._uuids:
            with self.session.read() as connection:
                uuid = inspect.origin_uuid(connection, number)
            if uuid is None:
                raise NotFound(f"This store has no origin {number}.")
            self._remember(number, uuid)
        return urn_of(self._uuids[number], record_id & MAX_SEQUENCE)

    def later(self, table: str, key: tuple[Any, ...], at: int) -> int:
        if table == "run":
            run = self._run(key[0])
            known = None if run is None else run[-1]
        else:
            with self.session.look() as raw:
                known = self.prepared.latest(raw, table, key)
        return at if known is None or known < at else known + 1

    def run_known(self, run_id: str) -> Sequence[Any] | None:
        run = self._run(run_id)
        return None if run is None else run[:-1]

    def _run(self, run_id: str) -> Any | None:
        """`Prepared.run`, asked once in each `Session.read_snapshot`."""
        return self.session.look_up(("run", run_id), lambda raw: self.prepared.run(raw, run_id))

    def closing(
        self, batch: Batch, ids: Sequence[int], record_id: int, *, made_by: bool
    ) -> frozenset[int]:
        found = reached_in(batch, record_id, up=made_by)
        made = {row.id for row in batch.record} if len(batch.record) <= LOOKED_THROUGH else None
        old = [] if made is None else [i for i in ids if i not in made]
        # To what a batch makes, nothing in the store leads yet.
        if made is not None and old and (made_by or record_id not in made):
            with self.session.read() as connection:
                found |= traverse.reached(connection, found - made, up=made_by)
        return frozenset(found.intersection(ids))

    def kind_of(self, record_id: int) -> Kind | None:
        with self.session.read() as connection:
            found = ownership.belongings(connection, [record_id])
        return found[record_id].kind if found else None

    def version_of(self, record_id: int) -> VersionOf | None:
        with self.session.look() as raw:
            row = self.prepared.version(raw, EVERYTHING, record_id)
        return None if row is None else VersionOf(row[3], row[1], row[2])

    def heads(self, name: str) -> list[Head]:
        with self.session.look() as raw:
            return [
                replace(
                    Head(*row),
                    passed_over=tuple(self.prepared.failed_revisions(raw, EVERYTHING, row[0])),
                )
                for row in self.prepared.nearest_heads(raw, EVERYTHING, name)
            ]

    def write(self, batch: Batch) -> None:
        if self._soon is not None:
            self.flush()
        self.writer.write(batch)

    def write_soon(self, batch: Batch) -> None:
        with self._soon_lock:
            if self._soon is None:
                self._soon = Batch()
                if not self._soon_at:
                    run_at_end(self._flush_at_end)
            self._soon.extend(batch)
            due = time.monotonic() >= self._soon_at + SOON_SECONDS
        if due:
            try:
                self.flush()
            except StoreUnavailable as error:  # the training goes on, and the next point tries
                log.warning("Points of a curve are not written yet: %s", error.message)

    def points(self, rows: Sequence[MetricRow]) -> list[MetricRow]:
        self.flush()
        with self.session.read() as connection:
            return points_at(connection, rows)

    def flush(self) -> None:
        """Return when what `write_soon` took is durable too."""
        if self._soon is None:
            return
        with self._soon_lock:
            batch, self._soon = self._soon, None
            if batch is None:
                return
            self._soon_at = time.monotonic()
            try:
                self._write_points(batch)
            except StoreUnavailable:
                self._soon = batch
                raise

    def _write_points(self, batch: Batch) -> None:
        try:
            self.writer.write(batch)
        except Conflict as error:
            # Another process trains the same version: what it wrote first stays.
            log.error("Points of a curve are there already, with other values: %s", error.message)
            with self.session.read() as connection:
                there = {row[:4] for row in points_at(connection, batch.metric)}
            batch.metric = [row for row in batch.metric if row[:4] not in there]
            self.writer.write(batch)

    def _flush_at_end(self) -> None:
        try:
            self.flush()
        except BraidError as error:
            log.error("Points of a curve are lost: %s", error.message)

    def own_numbers(self, batch: Batch, *, vouched: bool = False, sound: bool = False) -> Batch:
        """The batch, which numbers origins its own way and carries them, as this store does.

        With `vouched` its origins are known to be of whom they say, with `sound` the batch to have
        passed `check_sound`. Raises InvalidInput when it mentions an origin that it does not carry.
        """
        carried = {row.no for row in batch.origin}
        if not sound and (unknown := mentioned_origins(batch) - carried):
            raise InvalidInput(f"The batch mentions origin {min(unknown)} without carrying it.")
        own = renumbered(batch, self.numbers_of(batch.origin, vouched=vouched))
        own.parts = batch.parts
        return own

    def write_parts(self, batches: Sequence[Batch]) -> list[list[BatchRefused]]:
        """Write batches that carry their origins in as few commits as may be.

        The answers are in the order of the batches: what was refused of each, part by part
        (`Batch.parted`); empty when nothing was. The parts that are not refused are written.
        Raises StoreUnavailable when the store is locked, full or away.
        """
        answers: list[list[BatchRefused]] = [[] for _ in batches]
        ready: list[_Ready] = []
        for place, batch in enumerate(batches):
            sound, numbers, answers[place] = _sound(batch)
            if sound is None:
                continue
            try:
                ready.append(_Ready(place, self.own_numbers(sound, sound=True), numbers))
            except StoreUnavailable:
                raise
            except Exception as error:
                answers[place] = [BatchRefused(0, _reason(error))]
        for group in _groups(ready):
            self._write_group(group, answers)
        return [sorted(refused, key=itemgetter(0)) for refused in answers]

    def _write_group(self, group: list[_Ready], answers: list[list[BatchRefused]]) -> None:
        """Write batches in one commit; those that are refused once more, part by part."""
        try:
            return self.write_checked(Batch.merged(each.batch for each in group))
        except StoreUnavailable:
            raise
        except Exception:
            errors = self._written([each.batch for each in group])
        for (place, batch, numbers), error in zip(group, errors, strict=True):
            if error is not None:
                parts = batch.parted()
                found = self._written(parts) if len(parts) > 1 else [error]
                refused = zip(numbers or range(len(found)), found, strict=True)
                answers[place] += [BatchRefused(n, why) for n, why in refused if why]

    def _written(self, batches: Sequence[Batch]) -> list[BraidError | None]:
        """Write each for itself, in as few commits as may be; None, or why it was refused."""
        errors = self.writer.write_many((batch, no_cycles(batch)) for batch in batches)
        for error in errors:
            if isinstance(error, StoreUnavailable):
                raise error
        return [None if error is None else _reason(error) for error in errors]

    def write_checked(self, batch: Batch, guard: Guard | None = None) -> None:
        """Write a batch that was made elsewhere, unless records derive from themselves with it."""
        self.writer.write(batch, no_cycles(batch, guard))

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        run_not_at_end(self._flush_at_end)
        self.writer.close()
        self.session.engine.dispose()

    def _check_origins(self, connection: sa.Connection) -> None:
        """Whether the newest origin that is known here still has its number: if it does not, the
        database was put back to an earlier state, where ids that are made here are others'."""
        with self._names:
            last = max(self._uuids, default=None)
        if last is None:
            return
        if inspect.origin_uuid(connection, last) != self._uuids[last]:
            self.session.watch.replaced()

    def _number(self, uuid: str) -> int | None:
        if uuid not in self._numbers:
            with self.session.read() as connection:
                number = inspect.origin_number(connection, uuid)
            if number is None:
                return None
            self._remember(number, uuid)
        return self._numbers[uuid]

    def _remember(self, number: int, uuid: str) -> int:
        with self._names:
            self._uuids[number], self._numbers[uuid] = uuid, number
        return number


def _reason(error: Exception) -> BraidError:
    if isinstance(error, BraidError):
        return error
    return Conflict(f"It cannot be stored ({type(error).__name__}).")


def sink_at(url: str) -> DatabaseSink:
    """The sink of a store that another process has opened at this URL."""
    from provenance_store.opening import engine_at

    return DatabaseSink(engine_at(url, create=False))


class _Ready(NamedTuple):
    """A batch to be written: its place among others, and the numbers of its parts, where some of
    what came are left out."""

    place: int
    batch: Batch
    numbers: Sequence[int]


def _sound(batch: Batch) -> tuple[Batch | None, Sequence[int], list[BatchRefused]]:
    """What of a batch is sound in itself, the numbers of these parts if that is not all, and why
    the others are not."""
    try:
        check_sound(batch)
    except InvalidInput as error:
        parts = batch.parted()
        if len(parts) == 1:
            return None, (), [BatchRefused(0, error)]
    else:
        return batch, (), []
    refused: list[BatchRefused] = []
    numbers = []
    for number, part in enumerate(parts):
        try:
            check_sound(part)
            numbers.append(number)
        except InvalidInput as error:
            refused.append(BatchRefused(number, error))
    return Batch.joined([parts[n] for n in numbers]) if numbers else None, numbers, refused


def no_cycles(batch: Batch, guard: Guard | None = None) -> Guard:
    """Refuses a batch that closes a cycle of links, and what another guard refuses."""

    def check(connection: sa.Connection) -> None:
        traverse.refuse_cycles(connection, batch)
        if guard is not None:
            guard(connection)

    return check


def _groups(batches: list[_Ready]) -> Iterator[list[_Ready]]:
    """The same in the same order, in groups of a good number of rows for one commit."""
    group: list[_Ready] = []
    rows = 0
    for ready in batches:
        group.append(ready)
        rows += len(ready.batch)
        if rows >= ROWS_TOGETHER:
            yield group
            group, rows = [], 0
    if group:
        yield group


class GuardedSink(DelegatingSink):
    """A store's sink for one recorder whose batches a guard may refuse."""

    def __init__(self, behind: DatabaseSink, guard: Guard) -> None:
        super().__init__(behind)
        self._writer = behind.writer
        self._guard = guard

    def write(self, batch: Batch) -> None:
        self._writer.write(batch, self._guard)


class HeldSink(DelegatingSink):
    """Keeps the one batch of a recorder until `StoreService.write_held`."""

    all_or_nothing = True

    def __init__(self, behind: DatabaseSink, guard: Guard | None) -> None:
        super().__init__(behind)
        self.new_id = behind.new_id  # type: ignore[method-assign]  # asked for each row
        self.urn = behind.urn  # type: ignore[method-assign]
        self.guard = guard
        self._process = processes.process
        self._batch: Batch | None = None

    @property
    def batch(self) -> Batch | None:
        """What it holds; nothing in a forked child, for that is the parent's to write."""
        return self._batch if self._process == processes.process else None

    def write(self, batch: Batch) -> None:
        if self.batch is None:
            self._batch, self._process = batch, processes.process
        else:
            self.batch.extend(batch)
