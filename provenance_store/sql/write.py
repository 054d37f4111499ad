"""Statements that write, compiled once for a dialect."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import repeat
from operator import itemgetter, rshift
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from provenance_store.batch import TABLES, Batch
from provenance_store.errors import Conflict, InvalidInput, Sealed
from provenance_store.ids import SEQUENCE_BITS, short_id
from provenance_store.kinds import Mark
from provenance_store.rows import LinkRow, OriginRow
from provenance_store.sql.chunks import chunks
from provenance_store.sql.dialects import Insert, ignoring, savepoint
from provenance_store.sql.invalidate import Follow
from provenance_store.sql.tables import KEYS, TABLE

__all__ = [
    "ID_COLUMNS",
    "Statements",
    "closed",
    "mentioned_origins",
    "register_origin",
    "renumbered",
]

SORTED_FROM = 5_000
"""Links are in the order of what they lead to, all over the table: so many go in quicker sorted."""
KNOWN = 10_000
"""How many digests are remembered as written."""
_REPEATED = frozenset({"environment", "audience", "audience_member", "run_tag", "stub"})
"""Tables whose rows are their own name: meeting one again is normal."""


class Statements:
    """The INSERTs of every table for one dialect, and how a batch is written with them."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._insert = {
            name: Insert(TABLE[name], dialect, passing=name in _REPEATED) for name in TABLES
        }
        self._links = Insert(TABLE["link"], dialect, passing=True)
        self._run = Insert(TABLE["run"], dialect, passing=True)
        self._follow = Follow(dialect)
        self._known: set[str] = set()

    def write(self, connection: sa.Connection, batch: Batch, *, tried: bool = False) -> None:
        """Write a batch inside the caller's transaction, as new rows or as ones already there.

        With `tried` it is not tried once more whether all are new. Raises Conflict when a row is
        there with another content and Sealed for an addition to a static record; the caller
        undoes then what was written of it.
        """
        self._before(connection, batch)
        if not tried:
            try:
                with savepoint(connection):
                    self._insert_all(connection, batch)
                    return self._keep_up(connection, batch)
            except IntegrityError:
                pass  # some are there
        self._write_missing(connection, batch)
        self._keep_up(connection, batch)

    def write_new(self, connection: sa.Connection, batch: Batch) -> None:
        """Write a batch of new rows.

        Raises IntegrityError when one is not new; the caller undoes then what was written.
        """
        self._before(connection, batch)
        self._insert_all(connection, batch)
        self._keep_up(connection, batch)

    def _before(self, connection: sa.Connection, batch: Batch) -> None:
        """What is looked at and locked first. Not under a savepoint that may be rolled back:
        PostgreSQL would let go of the lock."""
        check_additions(connection, batch)
        self._follow.before(connection, batch)

    def _keep_up(self, connection: sa.Connection, batch: Batch) -> None:
        """Bring what is kept with the rows, for quick answers, up to date with a batch."""
        self.project_runs(connection, batch)
        self._follow.after(connection, batch)

    def _insert_all(self, connection: sa.Connection, batch: Batch) -> None:
        for name in TABLES[1:]:
            if rows := getattr(batch, name):
                if name == "link" and len(rows) > SORTED_FROM:
                    rows = sorted(rows)
                self.insert(connection, name, rows)

    def insert(self, connection: sa.Connection, name: str, rows: Any) -> None:
        """Insert new rows of a table; rows that are their own name may be there already."""
        if name in _REPEATED:
            rows = [row for row in rows if row[0] not in self._known]
        self._insert[name].rows(connection, rows)

    def committed(self, batch: Batch) -> None:
        """Told when a batch is durable: what it named by content need not be written again."""
        if len(self._known) > KNOWN:
            self._known.clear()
        self._known.update(row[0] for row in (*batch.environment, *batch.audience))

    def _write_missing(self, connection: sa.Connection, batch: Batch) -> None:
        for name in TABLES[1:]:
            rows = getattr(batch, name)
            if name == "link":
                self._links.rows(connection, rows)
            elif name in _REPEATED:
                self.insert(connection, name, rows)
            elif missing := _not_there(connection, TABLE[name], rows):
                _insert_missing(connection, TABLE[name], self._insert[name], missing)

    def project_runs(self, connection: sa.Connection, batch: Batch) -> None:
        """Bring the runs that a batch speaks of up to date with all that was said of them."""
        self.project(connection, {row[0] for row in batch.run_event})

    def project(self, connection: sa.Connection, run_ids: Collection[str]) -> None:
        """Bring runs up to date with all that was said of them."""
        for run_id in sorted(run_ids):
            blank = (run_id, *(None,) * 5, 0, None, None)
            self._run.rows(connection, [blank])
            connection.execute(_PROJECT, {"the_run": run_id})


def _latest(column: str, *, first: bool = False) -> sa.ScalarSelect[Any]:
    event = TABLE["run_event"]
    order = (event.c.at, event.c.id) if first else (event.c.at.desc(), event.c.id.desc())
    return (
        sa.select(event.c[column])
        .where(event.c.run_id == sa.bindparam("the_run"), event.c[column].is_not(None))
        .order_by(*order)
        .limit(1)
        .scalar_subquery()
    )


def _projection() -> sa.Update:
    run, event = TABLE["run"], TABLE["run_event"]
    earliest = sa.func.coalesce(sa.func.min(event.c.start_time), sa.func.min(event.c.at))
    start = sa.select(earliest).where(event.c.run_id == sa.bindparam("the_run"))
    said = [c.name for c in run.columns if c.name not in ("run_id", "start_time")]
    values: dict[str, Any] = {name: _latest(name) for name in said}
    # The first audience counts, and stays: who speaks of a run later must not be able to take it
    # over, whatever time is said.
    values["audience"] = sa.func.coalesce(run.c.audience, _latest("audience", first=True))
    # Not the latest word: each step that is recorded tells when it began at the latest.
    values["start_time"] = start.scalar_subquery()
    return run.update().where(run.c.run_id == sa.bindparam("the_run")).values(values)


_PROJECT = _projection()


def check_additions(connection: sa.Connection, batch: Batch) -> None:
    """Refuse links and URIs that would be added to a record that is closed.

    A record may be added to in the batch that makes it, while it is live, and, for a step,
    until its outcome is known.
    """
    made = {row[0] for row in batch.record}
    added = {row[1] for row in batch.link if row[1] not in made}
    added |= {row[0] for row in batch.uri if row[0] not in made}
    for chunk in chunks(sorted(added)):
        found = _closed(connection, chunk)
        if new := [i for i in found if not _already_there(connection, batch, i)]:
            raise Sealed(
                f"{short_id(new[0])} takes no additions: it is static; record something new "
                "that derives from it.",
                record=short_id(new[0]),
                field="link",
            )


def closed(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    """Those of these records that take no additions: all must be there."""
    return [i for chunk in chunks(ids) for i in _closed(connection, chunk)]


def _closed(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    record, mark, outcome = TABLE["record"], TABLE["mark"], TABLE["outcome"]
    promoted = sa.exists().where(mark.c.record_id == record.c.id, mark.c.mark == Mark.PROMOTED)
    ended = sa.exists().where(outcome.c.id == record.c.id)
    step = TABLE["step"]
    is_step = sa.exists().where(step.c.id == record.c.id)
    is_open = sa.or_(
        sa.and_(record.c.live == 1, sa.not_(promoted)), sa.and_(is_step, sa.not_(ended))
    )
    query = sa.select(record.c.id, is_open).where(record.c.id.in_(ids))
    state = {row[0]: bool(row[1]) for row in connection.execute(query)}
    if unknown := [i for i in ids if i not in state]:
        raise InvalidInput(f"{short_id(unknown[0])} is not a record of this store.")
    return [i for i in ids if not state[i]]


def _already_there(connection: sa.Connection, batch: Batch, record_id: int) -> bool:
    links = [row for row in batch.link if row[1] == record_id]
    uris = [row for row in batch.uri if row[0] == record_id]
    missing = (
        *_not_there(connection, TABLE["link"], links),
        *_not_there(connection, TABLE["uri"], uris),
    )
    return not missing


def _not_there(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """The rows that the table does not hold; raises Conflict for one that it holds otherwise."""
    places = [table.columns.keys().index(name) for name in KEYS[table.name]]
    missing = []
    for chunk in chunks(rows):
        keys = [tuple(row[p] for p in places) for row in chunk]
        stored = {
            tuple(row[p] for p in places): tuple(row)
            for row in connection.execute(sa.select(table).where(_one_of(table, keys)))
        }
        for key, row in zip(keys, chunk, strict=True):
            if key not in stored:
                missing.append(row)
            elif stored[key] != tuple(row):
                raise _conflict(table, stored[key], row)
    return missing


def _one_of(table: sa.Table, keys: Sequence[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
    columns = [table.c[name] for name in KEYS[table.name]]
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    return sa.tuple_(*columns).in_(keys)


def _conflict(table: sa.Table, stored: tuple[Any, ...], given: tuple[Any, ...]) -> Conflict:
    place = next(i for i, pair in enumerate(zip(stored, given, strict=True)) if pair[0] != pair[1])
    first = stored[table.columns.keys().index(KEYS[table.name][0])]
    return Conflict(
        record=short_id(first) if isinstance(first, int) else str(first),
        field=f"{table.name}.{table.columns.keys()[place]}",
        stored=stored[place],
        given=given[place],
    )


def _insert_missing(
    connection: sa.Connection, table: sa.Table, insert: Insert, rows: list[tuple[Any, ...]]
) -> None:
    try:
        insert.rows(connection, list(dict.fromkeys(rows)))
    except IntegrityError as error:
        raise Conflict(
            f"A row of {table.name} repeats a value that must be unique there.",
            record=str(rows[0][0]),
            field=table.name,
        ) from error


def register_origin(connection: sa.Connection, given: OriginRow) -> int:
    """This store's number of an origin, registering it if it is new here.

    An origin of which only the UUID was known (`who` is empty) gets its other fields as soon as
    somebody knows them.
    """
    table = TABLE["origin"]
    this_one = table.c.uuid == given.uuid
    query = sa.select(table.c.no, table.c.who).where(this_one)
    values = given._asdict()
    del values["no"]
    if (known := connection.execute(query).first()) is None:
        connection.execute(ignoring(table, connection.dialect), values)
        known = connection.execute(query).one()
    if given.who and not known.who:
        connection.execute(table.update().where(this_one, table.c.who == "").values(values))
    return int(known.no)


def renumbered(batch: Batch, numbers: dict[int, int]) -> Batch:
    """The batch with its origins' numbers replaced by the store's, by arithmetic."""
    if all(theirs == ours for theirs, ours in numbers.items()):
        return batch
    shift = {theirs: (ours - theirs) << SEQUENCE_BITS for theirs, ours in numbers.items()}
    result = Batch()
    for name in TABLES[1:]:
        places = _ID_PLACES.get(name, ())
        rows = getattr(batch, name)
        if places:
            make: Any = LinkRow._make if name == "link" else tuple
            rows = [make(_shifted(row, places, shift)) for row in rows]
        setattr(result, name, rows)
    return result


_IDS = frozenset(
    {
        "id",
        "record_id",
        "line_id",
        "parent_id",
        "to_id",
        "from_id",
        "cause_id",
        "root_id",
        "step_id",
    }
)
ID_COLUMNS: dict[str, frozenset[str]] = {
    name: _IDS.intersection(table.columns.keys()) for name, table in TABLE.items()
}
"""The columns of each table that hold ids."""
_ID_PLACES: dict[str, tuple[int, ...]] = {
    name: tuple(i for i, c in enumerate(TABLE[name].columns.keys()) if c in ID_COLUMNS[name])
    for name in TABLES[1:]
}
_NULLABLE = frozenset(
    (name, place)
    for name, places in _ID_PLACES.items()
    for place in places
    if TABLE[name].columns[place].nullable
)


def _shifted(row: tuple[Any, ...], places: tuple[int, ...], shift: dict[int, int]) -> list[Any]:
    values = list(row)
    for place in places:
        if (value := values[place]) is not None:
            values[place] = value + shift[value >> SEQUENCE_BITS]
    return values


def mentioned_origins(batch: Batch) -> set[int]:
    """The numbers of all origins that ids in the batch belong to."""
    numbers: set[int] = set()
    for name, places in _ID_PLACES.items():
        for place in places:
            ids: Iterable[int] = map(itemgetter(place), getattr(batch, name))
            if (name, place) in _NULLABLE:
                ids = (id_ for id_ in ids if id_ is not None)
            numbers.update(map(rshift, ids, repeat(SEQUENCE_BITS)))
    return numbers
